"""Small pictures with discs and a bar, off the centre so that flips and turns show, and what is right for them."""

import json
from pathlib import Path

import cv2
import numpy as np

from pipeline.raw.files import RawFiles

HEIGHT, WIDTH = 40, 56


def scene(seed: int, classes: int = 1, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """An H x W x 3 picture and its H x W labels: a disc of each class, and a bar of the first at the right."""
    draw = np.random.default_rng(seed)
    picture = draw.integers(40, 90, (height, width, 3)).astype(np.uint8)
    labels = np.zeros((height, width), np.uint8)
    for k in range(1, classes + 1):
        cv2.circle(labels, (int(draw.integers(8, width - 20)), int(draw.integers(8, height - 8))), 6, k, -1)
    labels[1:5, width - 9 : width - 3] = 1
    picture[labels > 0] += (60 * labels[labels > 0])[:, None].astype(np.uint8)
    return picture, labels


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


def runs(mask: np.ndarray, order: str = "down", first: int = 1, relative: bool = False) -> str:
    """Run lengths, written here the slow way."""
    flat = (mask.T if order == "down" else mask).ravel() != 0
    found, end = [], 0
    for place in np.flatnonzero(flat & ~np.r_[False, flat[:-1]]):
        length = int(np.argmin(np.r_[flat[place:], False]))
        start = int(place) + first if not relative else int(place) - end + (first if not found else 0)
        found += [start, length]
        end = int(place) + length
    return " ".join(map(str, found))


def table(path: Path, header: str, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Points x 2 of each connected part, centres of pixels."""
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return [outline[:, 0] for outline in found if len(outline) > 2]


def filled(labels: np.ndarray) -> np.ndarray:
    """What the outlines of each class enclose, later classes over earlier ones."""
    found = np.zeros_like(labels)
    for k in range(1, labels.max() + 1):
        for outline in outlines(labels == k):
            cv2.fillPoly(found, [outline.astype(np.int32)], k)
    return found


def coco(folder: Path, count: int = 4, classes: int = 2, prefix: str = "c", start: int = 0) -> tuple[dict, dict]:
    """Writes pictures; the json's content, not written, and id -> labels. Ids of categories have gaps."""
    images, notes, truth = [], [], {}
    for i in range(start, start + count):
        picture, labels = scene(i, classes)
        save(folder / f"{prefix}{i}.png", picture)
        images.append({"id": i + 1, "file_name": f"{prefix}{i}.png", "height": HEIGHT, "width": WIDTH})
        for k in range(1, classes + 1):
            for outline in outlines(labels == k):
                x, y, width, height = cv2.boundingRect(outline.astype(np.int32))
                notes.append(
                    {"id": len(notes) + 1, "image_id": i + 1, "category_id": 10 * k, "iscrowd": 0}
                    | {"segmentation": [outline.ravel().tolist()], "bbox": [x, y, width, height]}
                )
        truth[f"{prefix}{i}"] = filled(labels)
    names = [{"id": 10 * k, "name": f"kind {k}"} for k in range(1, classes + 1)]
    return {"images": images, "annotations": notes, "categories": names}, truth


def write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


class Read:
    """What a reader finds: labels by id (without the axis of a single layer), parts, notes, doubts."""

    def __init__(self, folder: Path, function, **arguments):
        with RawFiles(folder) as raw:
            data = function(raw, **arguments)
            self.notes, self.sample = data.notes, data.sample
            self.parts = {image.id: image.part for image in data.images}
            self.pictures = {image.id: image.image() for image in data.images}
            self.labels, self.doubts = {}, {}
            for image in data.images:
                if image.labels:
                    labels = image.labels()
                    self.labels[image.id] = labels[..., 0] if labels.shape[2] == 1 else labels
                    self.doubts[image.id] = image.doubt(labels) if image.doubt else None

    def equals(self, truth: dict) -> bool:
        """Whether the labels of the train images are these, all of them."""
        train = {name for name, part in self.parts.items() if part == "train"}
        return train == set(truth) and all(np.array_equal(self.labels[name], truth[name]) for name in truth)


def looked(folder: Path, module, answer: str = "", named: tuple[str, ...] = ()) -> tuple:
    """What a module's `look` finds, and what the reader then reads."""
    with RawFiles(folder) as raw:
        seen = module.look(raw, answer, named)
    return seen, Read(folder, seen.function, **seen.arguments)
