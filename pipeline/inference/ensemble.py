"""The networks of a run, or of the runs that it is blended of: each answers a piece of the test part, all are mixed."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.competition import Competition
from pipeline.inference.shedding import Clock, Looks, Plan
from pipeline.recipe import Recipe
from pipeline.runs import encoding
from pipeline.runs.blending import mixed
from pipeline.store import disk
from pipeline.store.flat import FlatReader, FlatWriter
from pipeline.store.prepared import Prepared
from pipeline.training import trainer

TRIED = 16  # images that the pace is measured on before the bulk


@dataclass(frozen=True)
class Member:
    """A network: the folder that it is in, and how it was learnt. `name`: for people."""

    folder: Path
    recipe: Recipe
    name: str


@dataclass(frozen=True)
class Part:
    """A share of an answer. Attributes: member: its place among the members; weight: a whole number."""

    member: int
    weight: int


class Ensemble:
    """Args: answers: of which the mean counts, each a mixture of what members answer."""

    def __init__(self, competition: Competition, members: Sequence[Member], answers: Sequence[Sequence[Part]]):
        self.competition, self.members, self.answers = competition, list(members), list(answers)
        self._loaded: dict[int, object] = {}
        self.seconds = 0.0  # spent on looking, so far

    def looks(self) -> tuple[Looks, ...]:
        """How each member looks at an image where time is no matter."""
        return tuple(
            Looks(
                trainer.of(one.recipe).flips_for(one.recipe, self.competition),
                trainer.of(one.recipe).scales_for(one.recipe),
                int(trainer.seeks_scale(one.recipe)),
            )
            for one in self.members
        )

    def measured(self, prepared: Prepared, rows: np.ndarray, looks: Looks) -> float:
        """Seconds of one look at an image by the first member: the second time, when all is compiled."""
        rows = rows[:TRIED]
        for _ in range(2):
            started = time.monotonic()
            for _, bands in self._answering(0, prepared)(prepared, rows, looks.flips, looks.scales):
                for _ in bands:
                    pass
            seconds = time.monotonic() - started
            self.seconds += seconds
        return seconds / (len(rows) * looks.cost)

    def answered(self, prepared: Prepared, folder: Path, clock: Clock, bar) -> Iterator[np.ndarray | None]:
        """For each image of a piece the answer H x W x outputs uint8, in order; None where time was out before anybody
        answered. `bar`: counts images, of each member its share."""
        rows = np.arange(len(prepared.columns["id"]))
        found = {}
        for member, looks in enumerate(clock.plan.looks):
            if clock.is_over():
                break
            found[member] = self._written(member, looks, prepared, rows, folder / f"member{member}.npy", clock, bar)
        for row in rows:
            yield self._mean({member: answers for member, answers in found.items() if row < len(answers)}, row)

    def _written(
        self, member: int, looks: Looks, prepared: Prepared, rows: np.ndarray, path: Path, clock: Clock, bar
    ) -> FlatReader:
        """What a member answers to the images, on the disk: to the first ones, where time runs out."""
        count, outputs, is_new = 0, self.competition.task.outputs, member not in self._loaded
        started, share = time.monotonic(), looks.cost / clock.plan.cost
        with disk.atomic(path) as part, FlatWriter(part, np.uint8) as writer:
            for _, bands in self._answering(member, prepared)(prepared, rows, looks.flips, looks.scales):
                for _, averaged in bands:
                    writer.append(averaged)
                count += 1
                bar.update(share)
                if clock.is_over():
                    break
        seconds = time.monotonic() - started
        self.seconds += seconds
        # the first pass of a network compiles it, which the others do not
        if not is_new:
            clock.looked(seconds, count * looks.cost)
        heights, widths = (prepared.columns[name][:count] for name in ("height", "width"))
        return FlatReader(path, heights, widths, outputs)

    def _mean(self, there: dict[int, FlatReader], row: int) -> np.ndarray | None:
        found = []
        for answer in self.answers:
            parts = [part for part in answer if part.member in there]
            if parts:
                pictures = [there[part.member][row] for part in parts]
                found.append(pictures[0] if len(parts) == 1 else mixed(pictures, [part.weight for part in parts]))
        return encoding.mean(found) if found else None

    def _answering(self, member: int, prepared: Prepared):
        if member not in self._loaded:
            one = self.members[member]
            module = trainer.of(one.recipe)
            self._loaded[member] = module.answering(one.folder, prepared, self.competition, one.recipe)
        return self._loaded[member]


def seconds_for(ensemble: Ensemble, prepared: Prepared, rows: np.ndarray) -> float:
    """Of an image, by all members with all their looks, as the first one is measured on this machine."""
    whole = Plan(ensemble.looks())
    return ensemble.measured(prepared, rows, whole.looks[0]) * whole.cost
