"""Memory that is exhausted, of a device or of the machine: told by what the error says, whichever backend raises it."""

import contextlib
from collections.abc import Callable, Iterator

from pipeline.errors import UserError

# of Python and NumPy, TensorFlow, PyTorch: the name says it
NAMES = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}
# of JAX, of compiled steps, of PyTorch on a processor: only the words do
WORDS = (
    "resource_exhausted",
    "out of memory",
    "out_of_memory",
    "oom when allocating",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "alloc_failed",
)
SPEAKING = {"XlaRuntimeError", "JaxRuntimeError", "InternalError", "UnknownError", "AcceleratorError", "RuntimeError"}


@contextlib.contextmanager
def enough(doing: Callable[[], str], instead: Callable[[], str]) -> Iterator[None]:
    """Raises UserError where memory is exhausted in the block.

    Args: doing: what needed it; instead: what to try. Both are asked only then.
    """
    try:
        yield
    except Exception as error:
        if not is_exhausted(error):
            raise
        raise UserError(f"there is not enough memory for {doing()}; {instead()}") from error


def is_exhausted(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that there was no memory. No backend is loaded to tell."""
    seen = set()
    while error is not None and id(error) not in seen and not isinstance(error, UserError):
        seen.add(id(error))
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & NAMES or (names & SPEAKING and any(word in str(error).lower() for word in WORDS)):
            return True
        error = error.__cause__ or error.__context__
    return False


def smaller_batch(batch_size: int) -> str:
    """What to try where a training needs too much."""
    if batch_size > 1:
        return f"give --batch-size {batch_size // 2}"
    return "give a smaller --crop, --size or --width"
