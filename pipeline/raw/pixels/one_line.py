"""What the readers of pictures raise, which is nearly everything, as a UserError of one line."""

import contextlib
from collections.abc import Callable, Iterator

from pipeline.errors import UserError


@contextlib.contextmanager
def one_line(said: Callable[[Exception, str], str]) -> Iterator[None]:
    """Within the block what is raised becomes a UserError: what `said` makes of the error and its words, on one line.
    UserErrors stay as they are."""
    try:
        yield
    except MemoryError as error:
        raise UserError("needs more memory than there is; make it smaller") from error
    except UserError:
        raise
    except Exception as error:
        raise UserError(said(error, " ".join(str(error).split()))) from error


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Puts the name of the file before what is wrong with it."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {where}: {error.strerror or error}; try again") from error
    except UserError as error:
        raise UserError(f"{where} {error}") from error
