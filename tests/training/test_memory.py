"""Memory that is exhausted is one line with what to try, whichever backend says it, and nothing else is."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.training import memory


def of(name: str, text: str, base=Exception) -> Exception:
    """An error of a backend that is not loaded."""
    return type(name, (base,), {})(text)


EXHAUSTED = {
    "TensorFlow": of("ResourceExhaustedError", "Graph execution error: OOM when allocating tensor with shape[16,64]"),
    "TensorFlow, compiled": of("InternalError", "RET_CHECK failure: Failed to allocate 12884901888 bytes"),
    "JAX": of("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 21474836480 bytes."),
    "JAX, later": of("JaxRuntimeError", "RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB", RuntimeError),
    "PyTorch": of("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 GiB", RuntimeError),
    "PyTorch on a processor": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    "Python": MemoryError(),
    "NumPy": of("_ArrayMemoryError", "Unable to allocate 8.00 EiB for an array with shape (9, 9)", MemoryError),
}


@pytest.mark.parametrize("case", EXHAUSTED)
def test_exhausted_memory_is_one_line(case):
    with pytest.raises(UserError) as found, memory.enough(lambda: "batches of 16", lambda: memory.smaller_batch(16)):
        raise EXHAUSTED[case]
    assert str(found.value) == "there is not enough memory for batches of 16; give --batch-size 8"


def test_numpys_own_error_is_one_and_so_is_one_that_another_came_from():
    with pytest.raises(MemoryError) as numpys:
        np.empty(1 << 62, np.uint8)
    assert memory.is_exhausted(numpys.value)
    outer = ValueError("Exception encountered when calling a layer")
    outer.__cause__ = EXHAUSTED["JAX"]
    assert memory.is_exhausted(outer)


OTHERS = [
    ValueError("out of memory"),
    of("XlaRuntimeError", "INVALID_ARGUMENT: shapes do not fit"),
    of("InvalidArgumentError", "logits and labels must be broadcastable"),
    UserError("there is not enough memory"),
    KeyError("MemoryError"),
]


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_stay_what_they_are(error):
    assert not memory.is_exhausted(error)
    with pytest.raises(type(error)) as found, memory.enough(lambda: "x", lambda: "y"):
        raise error
    assert found.value is error


def test_errors_that_point_at_each_other_are_followed_once():
    one, two = ValueError("a"), ValueError("b")
    one.__context__, two.__context__ = two, one
    assert not memory.is_exhausted(one)


@pytest.mark.parametrize(("size", "wanted"), [(16, "--batch-size 8"), (3, "--batch-size 1"), (2, "--batch-size 1")])
def test_half_a_batch_is_suggested(size, wanted):
    assert memory.smaller_batch(size) == f"give {wanted}"


def test_where_a_batch_is_a_single_image_it_is_the_image_or_the_network():
    assert memory.smaller_batch(1) == "give a smaller --crop, --size or --width"
