"""All of a foreign run, checked before anything is written: which images, what values, which sizes, which folds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.adoption import converted, ids, placing, turned, values
from pipeline.adoption.converted import How, Reader
from pipeline.adoption.parts import Found, Part
from pipeline.adoption.placing import Plan
from pipeline.errors import UserError
from pipeline.imaging import evenly
from pipeline.store.fold_table import FoldTable
from pipeline.store.prepared import Prepared
from pipeline.tasks import scoring
from pipeline.tasks.ahead import in_order
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Taken:
    """What `taken` found fit to be a run.

    Attributes:
        plan: which picture goes where. notes: what was assumed, a line each.
        readers, rows: of each part, by its `id()`: what converts it, and the rows of its pictures.
        sizes: height and width of each image of ours.
        certain: the parts, by their `id()`, whose answers are masks or maps of labels without scores.
    """

    plan: Plan
    notes: list[str]
    prepared: Prepared
    task: Task
    readers: dict[int, Reader]
    rows: dict[int, np.ndarray]
    sizes: list[tuple[int, int]]
    certain: set[int]

    def converted(self, pictures: list[tuple[Part, int]]) -> Iterator[tuple[str, np.ndarray]]:
        """(our id, H x W x outputs uint8) of each picture, in this order."""
        names = self.prepared.table["id"].to_numpy()
        found = in_order(lambda pair: self._converted(*pair), pictures, quiet=True)
        for (part, place), picture in zip(pictures, found, strict=True):
            yield names[self.rows[id(part)][place]], picture

    def _converted(self, part: Part, place: int) -> np.ndarray:
        return self.readers[id(part)](place, self.sizes[self.rows[id(part)][place]])

    def warnings(self, metric) -> list[str]:
        """What lowers the trust in the score, a line each: masks that are the truth itself; files that also answer what
        their fold learnt."""
        found = [*self.plan.warnings, *self._of_truth()]
        for fold, learnt in self.plan.learnt.items():
            held = self._score(metric, self.plan.valid[fold])
            known = self._score(metric, list(learnt.values()))
            line = (
                f"fold {fold} also answers {len(learnt)} images that it does not hold out (left out): at .5 it scores "
            )
            line += f"{held:.3f} on what it holds out, {known:.3f} on those"
            found.append(line + (": was it trained on both?" if held >= known else ""))
        return found

    def refuse_turned(self, looked_at: int = 64) -> None:
        """Raises UserError where out-of-fold predictions surely lie in another way than their images do."""
        pairs = [pair for own in self.plan.valid.values() for pair in own]
        pairs = [(pair, self.rows[id(pair[0])][pair[1]]) for pair in pairs]
        pairs = [(pair, row) for pair, row in pairs if self.prepared.columns["coverage"][row] > 0]
        pairs = pairs[:: max(1, len(pairs) // looked_at)]
        if not pairs or self.prepared.labels[pairs[0][1]].shape[2] != self.task.outputs:
            # what is answered is not what is learnt, channel by channel
            return
        answers = self.converted([pair for pair, _ in pairs])
        truths = (self.prepared.labels[row] for _, row in pairs)
        said = turned.better_way((answer, truth) for (_, answer), truth in zip(answers, truths, strict=True))
        if said:
            raise UserError(
                f"{pairs[0][0][0].where}: of the predictions of held-out images {said} than as they are; save them as "
                "their images lie, H x W, and those of the test images, too"
            )

    def _of_truth(self, looked_at: int = 64) -> list[str]:
        """A line where most masks equal those that they are scored on, in some images of all that hold anything."""
        coverage, labels = self.prepared.columns["coverage"], self.prepared.labels
        pairs = [pair for own in self.plan.valid.values() for pair in own if id(pair[0]) in self.certain]
        pairs = [(pair, self.rows[id(pair[0])][pair[1]]) for pair in pairs]
        pairs = [(pair, row) for pair, row in pairs if coverage[row] > 0]
        pairs = evenly.some(pairs, looked_at)
        answers = self.converted([pair for pair, _ in pairs])
        same = sum(
            np.array_equal(answer, self.task.target(labels[row]))
            for (_, row), (_, answer) in zip(pairs, answers, strict=True)
        )
        if 2 * same <= len(pairs):
            return []
        where = pairs[0][0][0].where
        return [f"{where} equals the masks of {same} of {len(pairs)} held-out images: is it the truth?"]

    def _score(self, metric, pictures: list[tuple[Part, int]]) -> float:
        """At .5, of train images."""
        rows = np.array([self.rows[id(part)][place] for part, place in pictures])
        order = np.argsort(rows, kind="stable")
        groups = self.prepared.table["group"].to_numpy()
        items = (
            (groups[row], picture, self.prepared.labels[row])
            for row, (_, picture) in zip(rows[order], self.converted([pictures[i] for i in order]), strict=True)
        )
        rules = self.task.plain_thresholds()
        return scoring.count(metric, self.task, items, rules, self.prepared.groups(rows[order])).score()


def taken(found: Found, prepared: Prepared, table: FoldTable, task: Task, file: str, given: dict) -> Taken:
    """Raises UserError for whatever cannot be part of a run.

    Args:
        file: the table of folds, for messages. given: what the options say: logits, fit, channels, names.
    """
    names = ids.renamed(Path(given["names"])) if given["names"] else {}
    owned, left_out = placing.all_owned(found.parts, prepared, names)
    owned, by_images = placing.folds_by_images(owned, table)
    plan = placing.plan(owned, table, prepared, file)
    how = How(given["logits"], given["fit"], given["channels"])
    own = list(zip(prepared.table["height"].tolist(), prepared.table["width"].tolist(), strict=True))
    readers = [converted.reader(one.part, task, own[one.rows[0]], how) for one in owned]
    looked = [converted.surveyed(one) for one in readers]
    notes = [*left_out, *by_images, *plan.notes]
    # of all parts together: a fold whose every value is small is no mask
    most = max((survey.high for r, (survey, _) in zip(readers, looked, strict=True) if not r.labels), default=0)
    for i, (one, (survey, sizes)) in enumerate(zip(owned, looked, strict=True)):
        reader, where = readers[i], one.part.where
        odd = values.checked(survey, where, one.part.of, how.logits, reader.labels)
        if not reader.labels:
            readers[i] = reader = replace(reader, scale=values.scale_of(survey, most, where))
            odd += values.doubts(survey, most, reader.scale, where)
        converted.check_sizes(reader, sizes, [own[row] for row in one.rows])
        notes += [*converted.notes(reader, survey, sizes, [own[row] for row in one.rows]), *odd]
    certain = {
        id(reader.part)
        for reader, (survey, _) in zip(readers, looked, strict=True)
        if survey.hard or (reader.labels and not reader.part.scores)
    }
    for reader in readers:
        lost = converted.lost_objects(reader, list(range(len(reader.part))))
        notes += [lost] if lost else []
    by_part = {id(one.part): reader for one, reader in zip(owned, readers, strict=True)}
    return Taken(plan, notes, prepared, task, by_part, {id(one.part): one.rows for one in owned}, own, certain)
