"""Tiles for the page: an image with the outlines of truth and prediction, and its probabilities, as PNG data URIs."""

import base64

import cv2
import numpy as np

from pipeline.job import Job
from pipeline.reporting.held_out import HeldOut, answers

TRUTH, FOUND = (0, 200, 220), (255, 140, 30)  # RGB: told apart on grey, in both themes and by the colour-blind
SIDE = 288  # pixels that the longer side of a tile has at least (whole multiples), or at most (larger images)
CLASSES = 3  # shown of one image: those with the most wrong pixels


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
    """The content of the cards: caption and panels of each image."""
    opened = {fold: answers(job, fold) for fold in set(held_out.folds[indices].tolist())}
    return [_tile(job, held_out, rules, i, opened[held_out.folds[i]][held_out.places[i]]) for i in indices]


def _tile(job: Job, held_out: HeldOut, rules: list, i: int, probabilities: np.ndarray) -> dict:
    """The card of held-out image i; probabilities: H x W x outputs."""
    task, row = job.competition.task, held_out.rows[i]
    found, truth = task.masks(task.decode(probabilities, rules)), task.masks(job.prepared.labels[row])
    picture = rgb(job.prepared.images[row])
    panels = []
    for name, channel, found_masks, truth_masks in _per_class(task.classes, found, truth):
        shown = np.asarray(probabilities[..., min(channel, probabilities.shape[-1] - 1)])
        panels.append({"name": name, "outlines": outlined(picture, truth_masks, found_masks), "heat": heat_map(shown)})
    return {
        "id": job.prepared.table["id"].iat[row],
        "fold": int(held_out.folds[i]),
        "score": float(held_out.scores[i]),
        "coverage": float(held_out.coverage[i]),
        "found": float(held_out.found[i]),
        "panels": panels,
    }


def _per_class(classes: tuple[str, ...], found: np.ndarray, truth: np.ndarray) -> list[tuple]:
    """(class, its number, masks found, masks of the truth); with one class all masks are its objects."""
    if len(classes) == 1:
        return [("", 0, found, truth)]
    wrong = (found != truth).sum(axis=(1, 2))
    chosen = sorted(np.argsort(-wrong, kind="stable")[:CLASSES])
    return [(classes[k], k, found[k : k + 1], truth[k : k + 1]) for k in chosen]


def rgb(image: np.ndarray) -> np.ndarray:
    """H x W x C of any dtype to H x W x 3 uint8: the first three channels, or the first; all but uint8 is stretched
    from its 1st to its 99th percentile."""
    shown = np.asarray(image[..., :3] if image.shape[-1] >= 3 else image[..., :1])
    if shown.dtype != np.uint8:
        values = shown.astype(np.float32)
        low, high = np.percentile(values, (1, 99))
        shown = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return np.repeat(shown, 3, axis=2) if shown.shape[-1] == 1 else shown


def outlined(picture: np.ndarray, truth: np.ndarray, found: np.ndarray) -> str:
    """An H x W x 3 picture with the outlines of K x H x W masks: the truth's broad, the prediction's thin above it."""
    canvas = _enlarged(picture)
    for masks, colour, thickness in ((truth, TRUTH, 5), (found, FOUND, 2)):
        for mask in masks:
            edges, _ = cv2.findContours(_enlarged(mask.astype(np.uint8)), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, edges, -1, colour, thickness)
    return data_uri(canvas)


def heat_map(probabilities: np.ndarray) -> str:
    """H x W uint8 probabilities in colours, dark to bright."""
    colours = cv2.applyColorMap(np.ascontiguousarray(probabilities), cv2.COLORMAP_VIRIDIS)
    return data_uri(_enlarged(colours[..., ::-1]))


def data_uri(picture: np.ndarray) -> str:
    """H x W x 3 RGB as a PNG inside a URI."""
    done, content = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode("ascii")


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """By a whole factor, pixel for pixel, so that outlines lie where they are; larger pictures shrink to SIDE."""
    longest = max(picture.shape[:2])
    factor = max(1, round(SIDE / longest)) if longest <= SIDE else SIDE / longest
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    how = cv2.INTER_NEAREST if factor >= 1 or picture.ndim == 2 else cv2.INTER_AREA
    return cv2.resize(np.ascontiguousarray(picture), (max(1, size[0]), max(1, size[1])), interpolation=how)
