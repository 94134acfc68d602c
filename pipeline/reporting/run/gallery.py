"""Cards for the page: images with the outlines of truth and prediction, and their probabilities."""

from collections.abc import Iterator

import numpy as np

from pipeline.imaging import evenly
from pipeline.imaging.average_precision import scores_of
from pipeline.reporting.run.held_out import HeldOut
from pipeline.reporting.run.submitted import Submitted, labels_of_rows
from pipeline.reporting.shared import pictures
from pipeline.runs import answers
from pipeline.runs.decoding import Decoder
from pipeline.runs.job import Job
from pipeline.tasks.ahead import in_order
from pipeline.tasks.mistakes import mistake_map
from pipeline.tasks.task import Task

CLASSES = 3  # layers shown of one image: those with the most wrong pixels


def choose(scores: np.ndarray, wrong: np.ndarray, coverage: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Which of n images to show: index arrays `worst`, `typical`, `best`, none in two of them.

    Typical and best are among images whose truth is not empty, where there are any: an empty answer to an empty
    image is a picture of nothing.
    """
    worst = np.lexsort((-wrong, scores))[:count]
    left = np.setdiff1d(np.arange(len(scores)), worst)
    filled = left[coverage[left] > 0] if (coverage[left] > 0).any() else left
    if len(filled) == 0:
        return {"worst": worst, "typical": filled, "best": filled}
    distance = np.abs(scores[filled] - np.median(scores[filled]))
    wrong_distance = np.abs(wrong[filled] - np.median(wrong[filled]))
    typical = filled[np.lexsort((wrong_distance, distance))[:count]]
    filled = np.setdiff1d(filled, typical)
    order = filled[np.argsort(-scores[filled], kind="stable")]
    # many tie at the top: take them evenly over coverage
    top = order[scores[order] >= scores[order[min(count, len(order)) - 1]]] if len(order) else order
    top = top[np.argsort(coverage[top], kind="stable")]
    best = top[evenly.places(len(top), count)]
    return {"worst": worst, "typical": typical, "best": best}


def tiles(decoder: Decoder, held_out: HeldOut, rules: list, indices: np.ndarray) -> list[dict]:
    """The content of the cards of held-out images: caption and panels of each."""
    job = decoder.job

    def card(found: tuple) -> tuple[int, dict]:
        i, probabilities, decoded = found
        row = held_out.rows[i]
        panels = _panels(job.competition.task, _picture(job, row), job.prepared.labels[row], decoded, probabilities)
        measured = {"coverage": float(held_out.coverage[i]), "found": float(held_out.found[i])}
        measured["void"] = _holds_void(job.competition.task, job.prepared.labels[row])
        return i, _card(job, row, f"fold {held_out.folds[i]}", float(held_out.scores[i]), panels) | measured

    # to compress a picture takes longer than to draw it
    cards = dict(in_order(card, _decoded(decoder, held_out, rules, indices), "gallery"))
    return [cards[i] for i in indices]


def tiles_of_test(job: Job, submitted: Submitted, indices: np.ndarray) -> list[dict]:
    """The same for test images whose truth is known, from the submission: without probabilities."""
    rows, scores, task = submitted.rows[indices], submitted.tally.image_scores(), job.competition.task
    place = {row: i for i, row in enumerate(job.prepared.test)}
    number = dict(zip(rows.tolist(), indices.tolist(), strict=True))
    cards = {}
    for row, decoded in labels_of_rows(job, rows):
        i = number[row]
        truth = job.prepared.truth[place[row]]
        panels = _panels(task, _picture(job, row), truth, decoded, None)
        measured = {"coverage": task.coverage(truth), "found": float(submitted.coverage[i])}
        measured["void"] = _holds_void(task, truth)
        cards[i] = _card(job, row, "test", float(scores[i]), panels) | measured
    return [cards[i] for i in indices.tolist()]


def _picture(job: Job, row: int) -> np.ndarray:
    return pictures.rgb(job.prepared.images[row], job.prepared.scaling)


def _holds_void(task: Task, labels: np.ndarray) -> bool:
    return task.void is not None and bool((labels == task.void).any())


def _card(job: Job, row: int, where: str, score: float, panels: list[dict]) -> dict:
    return {"id": job.prepared.table["id"].iat[row], "where": where, "score": score, "panels": panels}


def _decoded(decoder: Decoder, held_out: HeldOut, rules: list, indices: np.ndarray) -> Iterator[tuple]:
    """(index, probabilities, labels) of held-out images, in any order, decoded with the rest of their group."""
    job, groups = decoder.job, held_out.groups
    opened = {fold: answers.of_fold(job, fold) for fold in set(held_out.folds[indices].tolist())}
    wanted = list(indices)
    if groups is not None and job.competition.task.needs_groups:
        wanted = np.flatnonzero(np.isin(groups, groups[indices])).tolist()
        opened |= {fold: answers.of_fold(job, fold) for fold in set(held_out.folds[wanted].tolist()) - set(opened)}
    answered = {i: opened[held_out.folds[i]][held_out.places[i]] for i in wanted}
    asked, decoded = set(indices.tolist()), decoder.labels(held_out.rows[wanted], answered.values(), rules)
    for (i, answer), labels in zip(answered.items(), decoded, strict=True):
        if i in asked:
            yield i, answer, labels


def _panels(task: Task, picture, truth: np.ndarray, found: np.ndarray, probabilities) -> list[dict]:
    """Rows of pictures, each with a name: (address, what it is) of image, truth and prediction, of the probabilities
    where they are known, and of what is wrong."""
    if task.colours:
        shown = [
            (picture, "the image"),
            (pictures.painted(truth, task), "the truth"),
            (pictures.painted(found, task), "the prediction"),
        ]
        addresses = [(pictures.data_uri(pictures.enlarged(part)), words) for part, words in shown]
        if probabilities is not None:
            likeliest = np.asarray(probabilities).max(axis=2)
            addresses.append((pictures.heat_map(likeliest), "probability of the likeliest class"))
        addresses.append((pictures.mistaken(truth, found, task), "what it should be, where it is wrong"))
        return [{"name": "", "pictures": addresses}]
    panels = []
    for name, layer in _layers(task, found, truth):
        outlines = pictures.outlined(picture, *(pictures.things(labels, task, layer) for labels in (truth, found)))
        shown = [(outlines, "outlines of truth and prediction")]
        if probabilities is not None:
            shown.append((pictures.heat_map(np.asarray(probabilities[..., layer])), "probabilities"))
        if probabilities is not None and task.objects:
            numbers = task.apart(found)
            likely = scores_of(numbers, probabilities[..., 0] / 255)
            shown.append((pictures.scored(picture, numbers, likely), "each object found, and how likely in per cent"))
        shown.append((pictures.mistakes(mistake_map(task, found, truth, layer)), "mistakes"))
        panels.append({"name": name, "pictures": shown})
    return panels


def _layers(task: Task, found: np.ndarray, truth: np.ndarray) -> list[tuple[str, int]]:
    """(class, its layer) of those to show: of several those with the most wrong pixels."""
    if task.layers == 1:
        return [("", 0)]
    both, predicted, true = task.counts(found, truth).T
    chosen = sorted(np.argsort(2 * both - predicted - true, kind="stable")[:CLASSES])
    return [(task.classes[k], int(k)) for k in chosen]
