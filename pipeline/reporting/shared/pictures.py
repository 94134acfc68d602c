"""Pictures as pages show them: images, outlines, painted classes, probabilities; each a PNG inside a URI."""

import base64
import colorsys

import cv2
import numpy as np

from pipeline.store.scaling import Scaling
from pipeline.tasks.task import Task

TRUTH, FOUND = (0, 200, 220), (255, 140, 30)  # RGB: told apart on grey, in both themes and by the colour-blind
# of a map of mistakes: nothing, right, missed, invented, there but not matched, and found once more
MISTAKES = (20, 24, 31), (104, 113, 126), TRUTH, FOUND, (222, 84, 180), (240, 220, 70)
HUES = 24  # among which the colour of a class that is black or white is sought
NEARLY = 30  # of 255: a colour this near to black or white is as hard to see
NAMED = 40  # objects that carry a number in a picture, the largest
SIDE = 288  # pixels that the longer side of a picture has at least (whole multiples), or at most (larger images)


def rgb(image: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
    """H x W x C of any dtype to H x W x 3 uint8: the first three channels, or the first. As a network sees it, where
    there is a scaling; otherwise all but uint8 is stretched from its 1st to its 99th percentile."""
    if scaling is not None:
        image = (np.nan_to_num(scaling.seen(image)).clip(0, 1) * 255).astype(np.uint8)
    shown = np.asarray(image[..., :3] if image.shape[-1] >= 3 else image[..., :1])
    if shown.dtype != np.uint8:
        values = shown.astype(np.float32)
        low, high = np.percentile(values, (1, 99))
        shown = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return np.repeat(shown, 3, axis=2) if shown.shape[-1] == 1 else shown


def things(labels: np.ndarray, task: Task, layer: int = 0) -> np.ndarray:
    """H x W of H x W x layers labels, for `outlined`: of one class what is scored, of which labels may be shares."""
    return next(task.masks(labels)) if task.outputs == 1 else labels[..., layer]


def outlined(picture: np.ndarray, truth: np.ndarray, found: np.ndarray | None = None) -> str:
    """An H x W x 3 picture with the outlines of what is in H x W maps (0 is nothing, every other number a thing of its
    own): the truth's broad, the prediction's thin above it."""
    canvas = enlarged(picture)
    for things, colour, width in ((truth, TRUTH, 5), (found, FOUND, 3)):
        if things is not None:
            # a map of yes and no is as large as its picture, and needs no copy
            numbers = things.view(np.uint8) if things.dtype == bool else np.ascontiguousarray(things, np.uint16)
            canvas[_edges(enlarged(numbers), width)] = colour
    return data_uri(canvas)


def scored(picture: np.ndarray, found: np.ndarray, scores: np.ndarray) -> str:
    """An H x W x 3 picture with the outlines of the objects of an H x W map, and what each scores (0..1, in the order
    of their numbers) in per cent."""
    canvas, numbers = enlarged(picture), enlarged(np.ascontiguousarray(found, np.uint16))
    canvas[_edges(numbers, 3)] = FOUND
    objects, areas = np.unique(numbers[numbers != 0], return_counts=True)
    order = np.searchsorted(np.unique(found[found != 0]), objects)
    for k in np.argsort(-areas, kind="stable")[:NAMED]:
        rows, columns = np.nonzero(numbers == objects[k])
        _written(canvas, f"{100 * scores[order[k]]:.0f}", float(columns.mean()), float(rows.mean()))
    return data_uri(canvas)


def boxed(picture: np.ndarray, truth: np.ndarray, boxes: np.ndarray, scores: np.ndarray | None = None) -> str:
    """An H x W x 3 picture with the outlines of the truth and boxes, n x 4 (top, left, bottom, right, in pixels); with
    what each scores (0..1) in per cent, where scores are given."""
    canvas = enlarged(picture)
    canvas[_edges(enlarged(np.ascontiguousarray(truth, np.uint16)), 3)] = TRUTH
    factor = canvas.shape[0] / picture.shape[0]
    for i in reversed(range(len(boxes))):
        top, left, bottom, right = (round(float(value) * factor) for value in boxes[i])
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), FOUND, 1)
        if scores is not None:
            _written(canvas, f"{100 * scores[i]:.0f}", (left + right) / 2, (top + bottom) / 2)
    return data_uri(canvas)


def _written(canvas: np.ndarray, text: str, x: float, y: float) -> None:
    """White on black, around a place."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.35, 1)
    place = round(x - width / 2), round(y + height / 2)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour, thickness, cv2.LINE_AA)


def _edges(things: np.ndarray, width: int) -> np.ndarray:
    """Where an H x W map changes within `width` pixels: bool."""
    box = np.ones((width, width), np.uint8)
    return cv2.dilate(things, box) != cv2.erode(things, box)


def palette(task: Task) -> tuple[tuple[int, int, int], ...]:
    """RGB in which each class is shown: its own colour, except where that is black (as void is painted, and shadows
    are) or white; empty where the task has no colours."""
    taken = [colour for colour in task.colours if not _is_black_or_white(colour)]
    shown = []
    for colour in task.colours:
        if _is_black_or_white(colour):
            colour = max((hue(k) for k in range(HUES)), key=lambda candidate: _nearest(candidate, taken))
            taken.append(colour)
        shown.append(tuple(colour))
    return tuple(shown)


def _is_black_or_white(colour: tuple[int, int, int]) -> bool:
    return max(colour) < NEARLY or min(colour) > 255 - NEARLY


def _nearest(colour: tuple[int, int, int], others: list) -> int:
    """The square of the distance to the nearest of the others."""
    return min((sum((a - b) ** 2 for a, b in zip(colour, other, strict=True)) for other in others), default=0)


def hue(number: int) -> tuple[int, int, int]:
    """Colours that stay apart however many there are: steps of the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb((0.52 + 0.618034 * number) % 1, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def painted(labels: np.ndarray, task: Task) -> np.ndarray:
    """H x W x 1 class numbers as H x W x 3 in the colours of `palette`; black where void."""
    table = np.zeros((np.iinfo(np.uint8).max + 1, 3), np.uint8)
    colours = palette(task)
    table[: len(colours)] = colours
    return table[labels[..., 0]]


def mistakes(codes: np.ndarray) -> str:
    """H x W codes of `tasks.mistakes.mistake_map`, each in its colour."""
    return data_uri(enlarged(np.array(MISTAKES, np.uint8)[codes]))


def mistaken(truth: np.ndarray, found: np.ndarray, task: Task) -> str:
    """H x W x 1 class numbers: where they differ the colour of the true class, grey elsewhere, black where void."""
    shown = painted(truth, task)
    right = (truth == found)[..., 0] & (truth[..., 0] < len(task.classes))
    shown[right] = MISTAKES[1]
    return data_uri(enlarged(shown))


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
