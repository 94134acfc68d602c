"""The organisers' score of images as they are decoded: unit by unit, each measured once it is whole."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from pipeline import source
from pipeline.errors import UserError
from pipeline.imaging.official import OfficialMetric
from pipeline.runs import answers
from pipeline.runs.answers import Chosen
from pipeline.runs.decoding import Decoder
from pipeline.tasks.scoring import Tally

if TYPE_CHECKING:
    from pipeline.runs.job import Job

WHAT = "the official metric"


def check(job: "Job") -> None:
    """Raises UserError where the images of a unit are not of one size, or a unit has no name; nothing is decoded."""
    if job.competition.official is not None:
        units_of(job, np.arange(len(job.prepared.table)))


def units_of(job: "Job", rows: np.ndarray) -> np.ndarray:
    """The name of the unit of each row of the prepared table."""
    table = job.prepared.table.iloc[rows]
    sizes = zip(table["height"], table["width"], strict=True)
    return units_of_images(job.competition.official, table["id"], table["group"], sizes, table["part"])


def units_of_images(official: OfficialMetric, ids, groups, sizes: Iterable, parts) -> np.ndarray:
    """The name of the unit of each image: n texts.

    Args: ids, groups, parts: a text of each. sizes: (height, width) of each.

    Raises UserError where a name is no text, or the images of a unit in a part are not of one size.
    """
    with source.of_the_user(f"unit_of= of {WHAT}"):
        names = np.array(list(map(official.unit_of, ids, groups)), dtype=object)
    if odd := [i for i, name in enumerate(names) if not isinstance(name, str) or not name]:
        of, name = list(ids)[odd[0]], names[odd[0]]
        raise UserError(f"{WHAT}: unit_of= gives {name!r} for the name of a unit (image '{of}'); it must be a text")
    first: dict[tuple, tuple] = {}
    for name, part, size in zip(names, parts, sizes, strict=True):
        if first.setdefault((part, name), size) != size:
            raise UserError(
                f"{WHAT}: the images of unit '{name}' are not of one size; resize them, or let unit_of= part them"
            )
    return names


def of_answers(decoder: Decoder, folds: list[int], chosen: Chosen) -> Tally:
    """What the units of the images that these folds hold out get, each image decoded by the rules chosen for it."""
    job = decoder.job
    return tally(job, answers.held_out(job, folds), answers.decoded(decoder, folds, chosen), job.prepared.labels)


def tally(job: "Job", rows: np.ndarray, decoded: Iterable[tuple[int, np.ndarray]], truth, first: int = 0) -> Tally:
    """What the units get.

    Args:
        rows: of the prepared table. decoded: each place among them once, in any order, with its labels.
        truth: the labels of rows, the first of which is `first`.
    """
    official, task = job.competition.official, job.competition.task

    def true(place: int) -> np.ndarray:
        return truth[rows[place] - first]

    # slices lie as their rows do
    order = np.argsort(np.argsort(rows, kind="stable"))
    return of_units(official, task, units_of(job, rows), job.prepared.groups(rows), decoded, true, order)


def of_units(official: OfficialMetric, task, units, groups, decoded, true: Callable, order: np.ndarray) -> Tally:
    """What each unit gets of the organisers' metric.

    Args:
        units: the name of each image's unit. groups: of each image, or None.
        decoded: (place, labels) of each image once, in any order. true: place -> its labels.
        order: where each image lies in its unit: smaller numbers first.
    Memory holds the units that are not whole yet: one, where the images of a unit follow each other.
    """
    names, number, sizes = np.unique(units, return_inverse=True, return_counts=True)
    waiting: dict[int, list] = {}
    statistics = {}
    for place, labels in decoded:
        unit = int(number[place])
        members = waiting.setdefault(unit, [])
        members.append((int(order[place]), place, labels))
        if len(members) == sizes[unit]:
            members = sorted(waiting.pop(unit), key=lambda member: member[0])
            truth = np.stack([true(place) for _, place, _ in members])
            with source.of_the_user(WHAT):
                found = official.statistic(task, np.stack([labels for *_, labels in members]), truth)
            statistics[unit] = found
    firsts = [int(np.flatnonzero(number == unit)[0]) for unit in range(len(names))]
    of_groups = None if groups is None else groups[firsts]
    return Tally(official, np.stack([statistics[unit] for unit in range(len(names))]), of_groups)


def incomplete(job: "Job", rows: np.ndarray) -> int:
    """How many units of these rows have further images in the train part, that these folds do not hold out."""
    here, everywhere = units_of(job, rows), units_of(job, job.prepared.train)
    counts = dict(zip(*np.unique(everywhere, return_counts=True), strict=True))
    return sum(int(counts[name] > count) for name, count in zip(*np.unique(here, return_counts=True), strict=True))


def scores(official: OfficialMetric, oof: Tally, crossed: Tally | None) -> dict:
    """What thresholds.json keeps of it."""
    parts, others = official.part_scores(oof.statistics.sum(axis=0)), None
    if crossed is not None:
        others = official.part_scores(crossed.statistics.sum(axis=0)).tolist()
    return {
        "name": official.name,
        "oof": oof.score(),
        "cross_fitted": None if crossed is None else crossed.score(),
        "standard_error": None if crossed is None else crossed.error(),
        "units": len(oof),
        "parts": [
            {"name": part.name, "weight": part.weight, "oof": float(score), "cross_fitted": others and others[k]}
            for k, (part, score) in enumerate(zip(official.measured, parts, strict=True))
        ],
        "left_out": official.left_out,
    }


def lines(content: dict) -> list[str]:
    """For the terminal, of the content of thresholds.json; none where the competition has no such metric."""
    kept = content.get("official")
    if not kept:
        return []
    found = [f"{kept['name']}, {kept['units']} units" + _apart(kept), _line("out-of-fold", kept["oof"])]
    error = kept["standard_error"]
    found.append(_line("cross-fitted", kept["cross_fitted"]) + (f" ± {error:.4f}" if error else ""))
    for part in kept["parts"]:
        score = part["oof"] if part["cross_fitted"] is None else part["cross_fitted"]
        found.append(_line(f"  {part['name']}, weight {part['weight']:g}", score))
    found += [f"    {said}" for said in missing(kept)]
    return found


def missing(kept: dict) -> list[str]:
    """The parts that are not computed, a line for each."""
    return [
        f"{name}, weight {weight:g}: not computed; the score is of the other parts"
        for name, weight in kept["left_out"].items()
    ]


def _apart(kept: dict) -> str:
    count = kept.get("incomplete")
    return f", {count} of which have images in folds that are not trained" if count else ""


def _line(label: str, value: float | None) -> str:
    return f"  {label:<44}{'-' if value is None else f'{value:.4f}':>8}"
