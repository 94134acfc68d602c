"""Where the processes of this machine compute: each on GPUs of its own, or with its share of the cores."""

import functools
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline import source
from pipeline.errors import UserError, shown
from pipeline.runs.job import Job
from pipeline.training import hardware, trainer

# a GPU is free where less than this share of its memory is taken: a screen needs some, another training most
TAKEN = 0.5
# What `auto` gives a process without a GPU at the least. Two folds of the demo (quick, 4 epochs, TensorFlow) took 175
# seconds of computing as two processes of one core, and 179 one after the other on both cores (n = 1, beside other
# work): a second thread costs 2 %, a second process a second network in memory, of 1.0 GB.
LEAST_CORES = 2
LEAST_GB = 2.0
# what the threads of NumPy and PyTorch, of TensorFlow, and of JAX go by
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC")
_ASK = """
from pipeline.training import backend, hardware
backend.choose()
import keras
raise SystemExit(0 if hardware.is_accelerated(keras.backend.backend()) else 3)
"""


@dataclass(frozen=True)
class Place:
    """Where one process at a time computes: `name`, for a line, and what its environment has besides."""

    name: str
    environment: dict[str, str]


def of(job: Job, folds: int | None = None) -> tuple[list[Place], list[str]]:
    """(as many places as the job asks for, but no more than there are folds; lines that say what was assumed).

    Raises UserError where there are fewer, or no GPU is free.
    """
    taken = hardware.memory() if trainer.packages(job.recipe) else {}
    if taken and computes_on_gpus():
        return _on_gpus(job, taken, folds)
    lines = ["the GPUs are left alone: this backend computes on none"] if taken else []
    return _on_cores(job, folds, lines)


@functools.cache
def computes_on_gpus() -> bool:
    """Whether the backend does: asked in a process of its own, for what loads Keras takes memory of a GPU."""
    environment = {**os.environ, "PYTHONPATH": str(source.PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _ASK], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 3):
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise UserError(f"the backend cannot be asked for its GPUs: {last}")
    return done.returncode == 0


def _on_gpus(job: Job, taken: dict[str, float], folds: int | None) -> tuple[list[Place], list[str]]:
    free = [name for name, share in taken.items() if share < TAKEN]
    busy = [f"{name} ({share:.0%} of its memory)" for name, share in taken.items() if share >= TAKEN]
    if not free:
        raise UserError(
            f"no GPU is free, others compute on {shown(busy)}; wait for them, or name others with CUDA_VISIBLE_DEVICES"
        )
    most = len(free) // job.devices
    asked = most if job.jobs == "auto" else job.jobs
    if asked > most or not most:
        of_each = f" of --devices {job.devices}" if job.devices > 1 else ""
        raise UserError(
            f"--jobs {job.jobs}{of_each}: {len(free)} of {len(taken)} GPUs {'are' if len(free) > 1 else 'is'} free; "
            + (f"give --jobs {most}, or auto" if most else f"give --devices {len(free)}")
        )
    count = min(asked, folds or asked)
    lines = [f"left alone, for others compute there: GPU {shown(busy)}"] if busy else []
    groups = [free[i * job.devices : (i + 1) * job.devices] for i in range(count)]
    threads = max(1, _cores() // count)
    visible = [",".join(group) for group in groups]
    return [Place(f"GPU {names}", {"CUDA_VISIBLE_DEVICES": names, **_threads(threads)}) for names in visible], lines


def _on_cores(job: Job, folds: int | None, lines: list[str]) -> tuple[list[Place], list[str]]:
    cores = _cores()
    if job.jobs == "auto":
        fitting = max(1, min(cores // LEAST_CORES, math.floor(_free_gb() / LEAST_GB)))
        count = min(fitting, folds or fitting)
    elif job.jobs > cores:
        raise UserError(f"--jobs {job.jobs}: this process may use {cores} core(s); give --jobs {cores}, or auto")
    else:
        count = min(job.jobs, folds or job.jobs)
    threads = cores // count
    name = f"{threads} core{'s' if threads > 1 else ''}"
    return [Place(name, _threads(threads))] * count, lines


def _threads(count: int) -> dict[str, str]:
    """For a process with so many cores; what is set already is the user's."""
    return {name: str(count) for name in THREADS if name not in os.environ}


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _free_gb() -> float:
    """Of memory that programs may still take; without end where the system does not say."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(found) / 1e6 if found else math.inf
