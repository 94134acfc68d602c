"""Json among the raw files: read, and what is wrong with it said in a line."""

import json

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles


def content(raw: RawFiles, name: str):
    """What a json file holds. Raises UserError where it is cut off or none."""
    where = raw.where(name)
    try:
        return json.loads(raw.read(name).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is no json in UTF-8 (byte {error.start}); download it again") from error
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply for a file of annotations") from error
    except ValueError as error:
        cut = "cut off" if getattr(error, "pos", 0) >= len(getattr(error, "doc", "")) - 1 else "no json"
        line = getattr(error, "lineno", 1)
        raise UserError(
            f"{where} is {cut} ({error.args[0].partition(':')[0]}, line {line}); download it again"
        ) from error


def number(value, where: str, what: str) -> int:
    """A whole number that is not negative. Raises UserError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or value < 0:
        raise UserError(f"{where}: its {what} is {str(value)[:40]!r}, not a whole number; mend it")
    return int(value)
