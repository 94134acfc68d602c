"""What this machine computes with: GPUs, and the number format that is fast on them."""

import functools
import importlib
import os
import shutil
import subprocess
from pathlib import Path


@functools.cache
def gpus() -> tuple[tuple[str, float], ...]:
    """Name and compute capability of each NVIDIA GPU that this process may use; empty without one."""
    try:
        return tuple((name, float(capability)) for name, capability in _asked("name", "compute_cap"))
    except ValueError:
        return ()


def memory() -> dict[str, float]:
    """What CUDA_VISIBLE_DEVICES calls each GPU that this process may use -> which share of its memory is taken now."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    rows = _asked("uuid", "memory.used", "memory.total")
    # in words of its own where it has some; else by numbers that no order of devices changes
    names = [word.strip() for word in given.split(",")] if given else [uuid for uuid, *_ in rows]
    if len(names) != len(rows):
        # parts of a GPU, of which the whole tells nothing
        return dict.fromkeys(names, 0.0)
    return {name: _share(used, total) for name, (_, used, total) in zip(names, rows, strict=True)}


def _share(used: str, total: str) -> float:
    """0 where a GPU has no memory of its own, and says `[N/A]`."""
    try:
        return float(used) / float(total)
    except ValueError:
        return 0.0


def _asked(*fields: str) -> list[list[str]]:
    """nvidia-smi's answers, a row for each GPU that this process may use; empty without one."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not shutil.which("nvidia-smi") or given in ("", "-1"):
        return []
    query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    # it knows whole GPUs alone
    query += [f"--id={given}"] if given and "MIG" not in given else []
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
    except subprocess.SubprocessError:
        # a driver that does not answer is no GPU to compute on
        return []
    rows = [line.rsplit(",", len(fields) - 1) for line in answer.stdout.splitlines() if "," in line]
    return [[value.strip() for value in row] for row in rows]


@functools.cache
def is_accelerated(backend: str) -> bool:
    """Whether the backend itself computes on a GPU: one in the machine is of no use to a build for the CPU."""
    if not gpus():
        return False
    if backend == "torch":
        return importlib.import_module("torch").cuda.is_available()
    import keras

    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:
        # how JAX says that it knows no such device
        return False


def precision(asked: str, backend: str) -> str:
    """`auto` resolved to float32, bfloat16 or float16.

    bfloat16 from compute capability 8 (Ampere) on, float16 on T4 and V100 (7), and float32 before: a P100 has no
    tensor cores. On a CPU bfloat16 pays where the processor multiplies in it and the backend uses that: TGS's `quick`
    learns 98 pictures a second with AMX, 66 in float32; without it a step takes several times as long. Its flags
    decide, not a stopwatch: a fold that goes on must compute as it began, whatever else the machine does.
    """
    if asked != "auto":
        return asked
    if is_accelerated(backend):
        weakest = min(capability for _, capability in gpus())
        return "bfloat16" if weakest >= 8 else "float16" if weakest >= 7 else "float32"
    return "bfloat16" if backend == "tensorflow" and _multiplies_bfloat16() else "float32"


def xla(asked: str, backend: str) -> bool:
    """Whether TensorFlow and PyTorch compile the step: yes on a GPU; on a CPU it doubled the step's time."""
    if backend != "tensorflow":
        return backend == "jax"
    return asked == "on" or (asked == "auto" and is_accelerated(backend))


def compiles_parts(asked: str, backend: str) -> bool:
    """Whether parts of the step are compiled, or have other kernels, where all of it is not: TensorFlow on a CPU."""
    return backend == "tensorflow" and asked == "auto" and not is_accelerated(backend)


def described() -> str:
    """For the report: `NVIDIA H200` or the processor and its cores."""
    if gpus():
        return ", ".join(name for name, _ in gpus())
    return f"{_cpu_field('model name') or 'CPU'}, {os.cpu_count()} cores"


def _multiplies_bfloat16() -> bool:
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(_cpu_field("flags").split())


def _cpu_field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
