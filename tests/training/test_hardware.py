"""Which number format `--precision auto` is, on processors and GPUs that are not here."""

import pytest

from pipeline.training import hardware


@pytest.mark.parametrize(
    ("flags", "backend", "found"),
    [
        ("fpu avx2 amx_bf16 amx_tile", "tensorflow", "bfloat16"),
        ("fpu avx2 avx512_bf16", "tensorflow", "bfloat16"),
        ("fpu avx2 avx512f", "tensorflow", "float32"),
        ("", "tensorflow", "float32"),
        ("fpu amx_bf16", "jax", "float32"),
    ],
)
def test_on_a_processor_its_flags_decide(monkeypatch, flags, backend, found):
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: False)
    monkeypatch.setattr(hardware, "_cpu_field", {"flags": flags}.get)
    assert hardware.precision("auto", backend) == found
    assert hardware.precision("float32", backend) == "float32"


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [([9.0, 8.0], "bfloat16"), ([8.0, 7.5], "float16"), ([7.0], "float16"), ([6.0], "float32")],
)
def test_the_weakest_gpu_decides(monkeypatch, capabilities, found):
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: True)
    monkeypatch.setattr(hardware, "gpus", lambda: tuple(("some", capability) for capability in capabilities))
    assert hardware.precision("auto", "tensorflow") == found
