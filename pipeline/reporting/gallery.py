"""Tiles for the page: an image with the outlines of truth and prediction, and its probabilities, as PNG data URIs."""

import base64

import cv2
import numpy as np

from pipeline import answers
from pipeline.job import Job
from pipeline.reporting.held_out import HeldOut
from pipeline.reporting.submitted import Submitted, labels_of_rows
from pipeline.tasks.task import Task

TRUTH, FOUND = (0, 200, 220), (255, 140, 30)  # RGB: told apart on grey, in both themes and by the colour-blind
SIDE = 288  # pixels that the longer side of a tile has at least (whole multiples), or at most (larger images)
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
    best = top[np.unique(np.linspace(0, len(top) - 1, min(count, len(top))).round().astype(int))]
    return {"worst": worst, "typical": typical, "best": best}


def tiles(job: Job, held_out: HeldOut, rules: list, indices: np.ndarray) -> list[dict]:
    """The content of the cards of held-out images: caption and panels of each."""
    found = _decoded(job, held_out, rules, indices)
    cards = []
    for i in indices:
        probabilities, decoded = found[i]
        row = held_out.rows[i]
        panels = _panels(
            job.competition.task, job.prepared.images[row], job.prepared.labels[row], decoded, probabilities
        )
        measured = {"coverage": float(held_out.coverage[i]), "found": float(held_out.found[i])}
        where = f"fold {held_out.folds[i]}"
        cards.append(_card(job, row, where, float(held_out.scores[i]), panels) | measured)
    return cards


def tiles_of_test(job: Job, submitted: Submitted, indices: np.ndarray) -> list[dict]:
    """The same for test images whose truth is known, from the submission: without probabilities."""
    rows, scores, task = submitted.rows[indices], submitted.tally.image_scores(), job.competition.task
    place = {row: i for i, row in enumerate(job.prepared.test)}
    cards = []
    for i, row, decoded in zip(indices, rows, labels_of_rows(job, rows), strict=True):
        truth = job.prepared.truth[place[row]]
        panels = _panels(task, job.prepared.images[row], truth, decoded, None)
        measured = {"coverage": task.coverage(truth), "found": float(submitted.coverage[i])}
        cards.append(_card(job, row, "test", float(scores[i]), panels) | measured)
    return cards


def _card(job: Job, row: int, where: str, score: float, panels: list[dict]) -> dict:
    return {"id": job.prepared.table["id"].iat[row], "where": where, "score": score, "panels": panels}


def _decoded(job: Job, held_out: HeldOut, rules: list, indices: np.ndarray) -> dict:
    """index -> (probabilities, labels) of held-out images, decoded with the rest of their group."""
    task, groups = job.competition.task, held_out.groups
    opened = {fold: answers.of_fold(job, fold) for fold in set(held_out.folds[indices].tolist())}
    wanted = list(indices)
    if groups is not None and task.needs_groups:
        wanted = np.flatnonzero(np.isin(groups, groups[indices])).tolist()
        opened |= {fold: answers.of_fold(job, fold) for fold in set(held_out.folds[wanted].tolist()) - set(opened)}
    pictures = {i: opened[held_out.folds[i]][held_out.places[i]] for i in wanted}
    items = (("" if groups is None else groups[i], picture) for i, picture in pictures.items())
    return {i: (pictures[i], labels) for i, labels in zip(pictures, task.decoded(items, rules), strict=True)}


def _panels(task: Task, image, truth: np.ndarray, found: np.ndarray, probabilities) -> list[dict]:
    """Rows of pictures, each with a name: (address, what it is) of image, truth and prediction."""
    picture = rgb(image)
    if task.colours:
        shown = [(picture, "the image"), (painted(truth, task), "the truth"), (painted(found, task), "the prediction")]
        return [{"name": "", "pictures": [(data_uri(enlarged(part)), words) for part, words in shown]}]
    panels = []
    for name, layer in _layers(task, found, truth):
        pictures = [(outlined(picture, truth[..., layer], found[..., layer]), "outlines of truth and prediction")]
        if probabilities is not None:
            pictures.append((heat_map(np.asarray(probabilities[..., layer])), "probabilities"))
        panels.append({"name": name, "pictures": pictures})
    return panels


def _layers(task: Task, found: np.ndarray, truth: np.ndarray) -> list[tuple[str, int]]:
    """(class, its layer) of those to show: of several those with the most wrong pixels."""
    if task.layers == 1:
        return [("", 0)]
    both, predicted, true = task.counts(found, truth).T
    chosen = sorted(np.argsort(2 * both - predicted - true, kind="stable")[:CLASSES])
    return [(task.classes[k], int(k)) for k in chosen]


def rgb(image: np.ndarray) -> np.ndarray:
    """H x W x C of any dtype to H x W x 3 uint8: the first three channels, or the first; all but uint8 is stretched
    from its 1st to its 99th percentile."""
    shown = np.asarray(image[..., :3] if image.shape[-1] >= 3 else image[..., :1])
    if shown.dtype != np.uint8:
        values = shown.astype(np.float32)
        low, high = np.percentile(values, (1, 99))
        shown = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return np.repeat(shown, 3, axis=2) if shown.shape[-1] == 1 else shown


def outlined(picture: np.ndarray, truth: np.ndarray, found: np.ndarray | None = None) -> str:
    """An H x W x 3 picture with the outlines of what is in H x W maps (0 is nothing, every other number a thing of its
    own): the truth's broad, the prediction's thin above it."""
    canvas = enlarged(picture)
    for things, colour, width in ((truth, TRUTH, 5), (found, FOUND, 3)):
        if things is not None:
            canvas[_edges(enlarged(np.ascontiguousarray(things, np.uint16)), width)] = colour
    return data_uri(canvas)


def _edges(things: np.ndarray, width: int) -> np.ndarray:
    """Where an H x W map changes within `width` pixels: bool."""
    box = np.ones((width, width), np.uint8)
    return cv2.dilate(things, box) != cv2.erode(things, box)


def painted(labels: np.ndarray, task: Task) -> np.ndarray:
    """H x W x 1 class numbers as H x W x 3 in the colours of the classes; black where void."""
    table = np.zeros((np.iinfo(np.uint8).max + 1, 3), np.uint8)
    table[: len(task.colours)] = task.colours
    return table[labels[..., 0]]


def heat_map(probabilities: np.ndarray) -> str:
    """H x W uint8 probabilities in colours, dark to bright."""
    colours = cv2.applyColorMap(np.ascontiguousarray(probabilities), cv2.COLORMAP_VIRIDIS)
    return data_uri(enlarged(colours[..., ::-1]))


def data_uri(picture: np.ndarray) -> str:
    """H x W x 3 RGB as a PNG inside a URI."""
    done, content = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode("ascii")


def enlarged(picture: np.ndarray) -> np.ndarray:
    """By a whole factor, pixel for pixel, so that outlines lie where they are; larger pictures shrink to SIDE."""
    longest = max(picture.shape[:2])
    factor = max(1, round(SIDE / longest)) if longest <= SIDE else SIDE / longest
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    how = cv2.INTER_NEAREST if factor >= 1 or picture.ndim == 2 else cv2.INTER_AREA
    return cv2.resize(np.ascontiguousarray(picture), (max(1, size[0]), max(1, size[1])), interpolation=how)
