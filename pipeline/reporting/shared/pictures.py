"""Pictures as pages show them: images, outlines, painted classes, probabilities; each a PNG inside a URI."""

import base64

import cv2
import numpy as np

from pipeline.tasks.task import Task

TRUTH, FOUND = (0, 200, 220), (255, 140, 30)  # RGB: told apart on grey, in both themes and by the colour-blind
SIDE = 288  # pixels that the longer side of a picture has at least (whole multiples), or at most (larger images)


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
