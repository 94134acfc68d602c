"""A row of the table: ours and what a competitor would use instead, timed in turns in one process, on the same data."""

import importlib
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

LEAST = 5  # times that each side is measured, at the least


class Missing(Exception):
    """A row cannot be measured here; the message says why, and what to install."""


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        what: is done, for people. unit: `s` (less is better), or `…/s` (more is better). n: pictures … of a turn.
        ours: medians of each turn; peers: name with its version -> the same.
        limit: what the machine could do at best, in the unit, and what that is; None where nobody knows.
        note: what one must know before believing it.
    """

    what: str
    unit: str
    n: int
    ours: list[float]
    peers: dict[str, list[float]] = field(default_factory=dict)
    limit: tuple[float, str] | None = None
    note: str = ""

    @property
    def best_peer(self) -> str:
        """The fastest; blank where there is none."""
        fastest = max if self.unit.endswith("/s") else min
        return fastest(self.peers, key=lambda name: np.median(self.peers[name]), default="")

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the fastest peer."""
        return self._times(np.median(self.ours), np.median(self.peers[self.best_peer])) if self.peers else None

    @property
    def share(self) -> float | None:
        """Of the limit, 0..1."""
        return None if self.limit is None else self._times(np.median(self.ours), self.limit[0])

    def _times(self, ours: float, other: float) -> float:
        return float(ours / other if self.unit.endswith("/s") else other / ours)

    def to_json(self) -> dict:
        peer = float(np.median(self.peers[self.best_peer])) if self.peers else None
        found = {"ours": float(np.median(self.ours)), "peer": peer, "ratio": self.ratio, "unit": self.unit, "n": self.n}
        found |= {"peer_name": self.best_peer, "spread": _spread(self.ours), "turns": len(self.ours)}
        return found | ({} if self.limit is None else {"limit": self.limit[0], "limit_name": self.limit[1]})

    def lines(self, name: str) -> list[str]:
        """For the terminal."""
        unit = f" {self.unit}"
        head = (
            f"{name:<11} {np.median(self.ours):>9.4g}{unit:<9} ± {_spread(self.ours):<8.2g} {self.what}, n = {self.n}"
        )
        found = [head]
        for peer, times in self.peers.items():
            faster = self._times(np.median(self.ours), np.median(times))
            found.append(f"{'':<11} {np.median(times):>9.4g}{unit:<9} ± {_spread(times):<8.2g} {peer}: {faster:.2f} x")
        if self.limit is not None:
            found.append(
                f"{'':<11} {self.limit[0]:>9.4g}{unit:<9}   {'':<8} limit, {self.limit[1]}: {self.share:.0%} of it"
            )
        return found + ([f"{'':<11} {self.note}"] if self.note else [])


def _spread(times: list[float]) -> float:
    """Half of what the middle half of the turns spans."""
    low, high = np.percentile(times, (25, 75))
    return float(high - low) / 2


def in_turns(repeats: int, **actions: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of each action, `repeats` times in turns: what disturbs one disturbs all."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(max(LEAST, repeats)):
        # in another order every other time: who comes second finds warm caches
        for name in list(actions)[:: 1 if turn % 2 == 0 else -1]:
            began = time.perf_counter()
            actions[name]()
            found[name].append(time.perf_counter() - began)
    return found


def version(package: str) -> str:
    """`name 1.2.3`; raises Missing where it is not installed."""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise Missing(f"{package} is not installed: pip install {package}") from error


def optional(module: str, package: str) -> tuple[ModuleType | None, str]:
    """A peer that may be absent: its module and `name 1.2.3`, or None and nothing."""
    try:
        return importlib.import_module(module), version(package)
    except (ImportError, Missing):
        return None, ""
