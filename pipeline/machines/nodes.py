"""The machines of a cluster: what each piece of work gets of them, and whether they would do it as this one does."""

import functools
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError, shown
from pipeline.machines import places
from pipeline.packing import code


@dataclass(frozen=True)
class Node:
    """A machine of a cluster, or a part of one: how many processors (CPUs) and GPUs it lends."""

    name: str
    cpus: float
    gpus: float = 0

    def has(self, share: "Share") -> bool:
        return self.cpus >= share.cpus and self.gpus >= share.gpus


@dataclass(frozen=True)
class Share:
    """What one piece of work gets: with GPUs so many of them, and their part of the processors; else processors alone.
    `cpus` is also how many threads it computes with, because that changes the last digits of what is learnt."""

    cpus: int
    gpus: int = 0

    def __str__(self) -> str:
        return _counted(self.gpus, "GPU") if self.gpus else _counted(self.cpus, "CPU")


def share(nodes: Sequence[Node], works: int, gpus: int, threads: int = 0) -> Share:
    """The share with which so many pieces of work fit at once, or as many as possible.

    Args:
        gpus: that each can use: 0 where it learns nothing, or no node has one.
        threads: the processors that each gets; 0 is as many as let all run at once.

    Raises UserError where no node has enough for one.
    """
    if gpus:
        having = [node for node in nodes if node.gpus >= gpus]
        if not having:
            most = max((node.gpus for node in nodes), default=0)
            raise UserError(f"no node of the cluster has {gpus} GPUs, the most is {most:.0f}: give fewer --devices")
        return Share(threads or max(1, int(min(node.cpus * gpus / node.gpus for node in having))), gpus)
    most = int(max((node.cpus for node in nodes), default=0))
    if most < max(threads, 1):
        asked = f"OMP_NUM_THREADS asks for {threads}" if threads else "a fold wants one"
        raise UserError(f"no node of the cluster has enough CPUs: {asked}, the most is {most}")
    fitting = (each for each in range(most, 0, -1) if sum(int(node.cpus // each) for node in nodes) >= works)
    return Share(threads or next(fitting, 1))


def threads_asked_for() -> int:
    """What OMP_NUM_THREADS says, which decides how many threads a fold has wherever it learns; 0 where it says nothing.

    Raises UserError where it is no number."""
    word = os.environ.get("OMP_NUM_THREADS", "").strip()
    if word and not (word.isdecimal() and int(word)):
        raise UserError(f"OMP_NUM_THREADS is '{word}', which is no number of threads")
    return int(word or 0)


def environment(share: Share) -> dict[str, str]:
    """The variables of a process that computes with that share, and with what this one was told of its backend."""
    told = {name: value for name, value in os.environ.items() if name.startswith(("KERAS_", "XLA_", "JAX_"))}
    threads = {name: str(share.cpus) for name in places.THREADS}
    return {**told, **threads, **({} if share.gpus else {"CUDA_VISIBLE_DEVICES": "-1"})}


def setting(modules: Iterable[str]) -> dict[str, str]:
    """By which a fold is what it is, beside its recipe and its data: the version of Python, of these packages, and our
    own code; blank for what is not there."""
    packages = {module: _version(module) for module in ("numpy", *modules)}
    return {"Python": ".".join(platform.python_version_tuple()[:2]), **packages, "code": code.fingerprint()}


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """In words, of two settings; empty where they are alike."""
    found = []
    for name, wanted in here.items():
        has = there.get(name, "")
        if has != wanted and name == "code":
            found.append("other code of this project")
        elif has != wanted:
            found.append(f"{name} {has} instead of {wanted}" if has else f"no {name}")
    return found


def refuse_others(here: dict[str, str], there: dict[str, dict[str, str]]) -> None:
    """Raises UserError where nodes, by their names, are set up otherwise than this machine."""
    others = {name: found for name, setting in there.items() if (found := differences(here, setting))}
    if others:
        name, found = next(iter(others.items()))
        more = f" (and {len(others) - 1} more nodes differ)" if len(others) > 1 else ""
        raise UserError(f"node {name} has {shown(found)}{more}: its folds would be others; {_mend(found)}")


def _mend(found: list[str]) -> str:
    if any(line.startswith("other code") for line in found):
        return "start Ray there without a PYTHONPATH that holds this project"
    return "install the same on every node (requirements.txt)"


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _version(module: str) -> str:
    """Of what brings a module, whatever the package is called (tensorflow-cpu)."""
    names = _distributions().get(module, [])
    return importlib.metadata.version(names[0]) if names else ""


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"
