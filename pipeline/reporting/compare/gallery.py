"""Cards of images on which one of two runs wins: the image with the truth, both probability maps, both answers."""

import numpy as np

from pipeline.reporting.compare.facts import Compared, Side
from pipeline.reporting.shared import pictures
from pipeline.runs import answers
from pipeline.runs.decoding import Decoder
from pipeline.tasks.task import Task

CLASSES = 2  # layers shown of one image: those in which the answers differ most


def cards(found: Compared, chosen: np.ndarray) -> list[dict]:
    """Caption and panels of each; `chosen`: places among the compared images."""
    answered = [_answers(side, places[chosen]) for side, places in zip(found.sides, found.places, strict=True)]
    job = found.sides[0].job
    columns, task = job.prepared.columns, job.competition.task
    cards = []
    for place, *both in zip(chosen, *answered, strict=True):
        row = int(found.rows[place])
        picture = pictures.rgb(job.prepared.images[row], job.prepared.scaling)
        cards.append(
            {
                "id": columns["id"][row],
                "group": columns["group"][row],
                "coverage": float(columns["coverage"][row]),
                "scores": found.scores[:, place].tolist(),
                "panels": _panels(task, picture, job.prepared.labels[row], both),
            }
        )
    return cards


def _answers(side: Side, places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(probabilities, labels) of images of a run by their places in its `crossed`, each decoded by the thresholds that
    were chosen without it, and with the rest of its group where the task needs that."""
    crossed, decoder = side.crossed, Decoder(side.job, side.crossed.processed)
    row_of = {name: row for row, name in enumerate(side.job.prepared.train_ids)}
    opened = {fold: answers.of_fold(side.job, fold) for fold in np.unique(crossed.folds[places]).tolist()}
    first = {fold: int(np.flatnonzero(crossed.folds == fold)[0]) for fold in opened}
    found = {}
    for part in np.unique(crossed.parts[places]):
        mine = places[crossed.parts[places] == part]
        members = np.isin(np.arange(len(crossed)), mine)
        if side.job.competition.task.needs_groups:
            members |= np.isin(crossed.groups, crossed.groups[mine]) & (crossed.groups != "")
            members &= crossed.parts == part
        wanted = np.flatnonzero(members).tolist()
        maps = [opened[int(crossed.folds[i])][i - first[int(crossed.folds[i])]] for i in wanted]
        rows = [row_of[name] for name in crossed.ids[wanted].tolist()]
        decoded = decoder.labels(rows, maps, crossed.rules[part])
        found |= dict(zip(wanted, zip(maps, decoded, strict=True), strict=True))
    return [found[int(place)] for place in places]


def _panels(task: Task, picture: np.ndarray, truth: np.ndarray, both: list) -> list[dict]:
    """Rows of three pictures, (address, what it is): first of the image or the truth, then of each run."""
    (first, mine), (second, other) = both
    if task.colours:
        channel = int(np.argmax([np.abs(_ints(first, k) - _ints(second, k)).sum() for k in range(task.outputs)]))
        maps = [(pictures.heat_map(np.asarray(one[..., channel])), "probabilities") for one in (first, second)]
        painted = [
            (pictures.data_uri(pictures.enlarged(pictures.painted(labels, task))), words)
            for labels, words in ((truth, "the truth"), (mine, "the answer"), (other, "the answer"))
        ]
        image = pictures.data_uri(pictures.enlarged(picture)), "the image"
        return [
            {"name": "", "pictures": painted},
            {"name": f"probabilities of {task.classes[channel]}", "pictures": [image, *maps]},
        ]
    panels = []
    for name, layer in _layers(task, mine, other):
        true = pictures.things(truth, task, layer)
        outlines = [
            (pictures.outlined(picture, true, pictures.things(labels, task, layer)), "truth and answer")
            for labels in (mine, other)
        ]
        maps = [(pictures.heat_map(np.asarray(one[..., layer])), "probabilities") for one in (first, second)]
        image = pictures.data_uri(pictures.enlarged(picture)), "the image"
        panels.append({"name": name, "pictures": [(pictures.outlined(picture, true), "the truth"), *outlines]})
        panels.append({"name": "", "pictures": [image, *maps]})
    return panels


def _ints(probabilities: np.ndarray, channel: int) -> np.ndarray:
    return np.asarray(probabilities[..., channel], np.int32)


def _layers(task: Task, mine: np.ndarray, other: np.ndarray) -> list[tuple[str, int]]:
    """(class, its layer) of those to show: of several those in which most pixels differ."""
    if task.layers == 1:
        return [("", 0)]
    differ = (mine != other).sum(axis=(0, 1))
    return [(task.classes[k], int(k)) for k in sorted(np.argsort(-differ, kind="stable")[:CLASSES])]
