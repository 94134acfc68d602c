"""What a competition's `read` found, checked before and while it is decoded: names, the sample, arrays."""

from collections import Counter
from dataclasses import replace

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles, printable
from pipeline.raw.tables import checked_sample, unprintable

LONGEST = 255  # bytes of a file's name


def in_order(data: RawData, competition: Competition, raw: RawFiles | None) -> list[RawImage]:
    """The images as they are written: train first, each part sorted by id.

    Raises UserError where images or the sample submission cannot be what the competition asks for.
    """
    if not isinstance(data, RawData) or not all(isinstance(image, RawImage) for image in data.images):
        raise UserError(f"read() of {competition.name} wants to return RawData([RawImage(…), …]); see competition.py")
    for image in data.images:
        _refuse_name(image, competition)
    images = sorted(_grouped(data.images), key=lambda image: (image.part == "test", image.id))
    _refuse_twins(images)
    if competition.task.needs_groups:
        _refuse_torn(images)
    if data.sample is not None:
        _refuse_sample(data.sample, images, competition, raw)
    return images


def _refuse_name(image: RawImage, competition: Competition) -> None:
    """Raises UserError for an id, a group or a kind that cannot stand in a table, and an id that cannot name a file."""
    for kind, name in (("id", image.id), ("group", image.group), ("kind", image.kind)):
        if not isinstance(name, str):
            raise UserError(f"the {kind} of an image is {name!r}; it must be text: str(…) in read()")
        if unprintable(name) or (kind == "id" and not name.strip()):
            raise UserError(
                f"the {kind} '{printable(name)}' of a {image.part} image is blank or holds what no table can (a line "
                "end, a tab, bytes that are not UTF-8); rename the file"
            )
    if image.part not in ("train", "test"):
        raise UserError(f"image {image.id} has part={image.part!r}; it can be 'train' or 'test'")
    too_long = len(f"{image.id}.png".encode()) > LONGEST
    if competition.format.pictures and image.part == "test" and ("/" in image.id or too_long):
        raise UserError(f"the id '{image.id}' cannot name a label picture (a / in it, or too long); rename the file")


def _grouped(images: list[RawImage]) -> list[RawImage]:
    """Where some images have a group, one without is a group of its own, called like itself."""
    if not any(image.group for image in images):
        return images
    return [image if image.group else replace(image, group=image.id) for image in images]


def _refuse_torn(images: list[RawImage]) -> None:
    """Raises UserError where the slices of a volume do not lie on each other in the order of their ids."""
    keys = [(image.part, image.group) for image in images]
    starts = Counter(key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1])
    torn = [group for (_, group), count in starts.items() if count > 1]
    if torn:
        raise UserError(
            f"the slices of {len(torn)} volume(s) do not follow each other when sorted by id: {shown(torn)}; "
            "ids must begin with what a volume's slices share (patient_007)"
        )


def _refuse_twins(images: list[RawImage]) -> None:
    if not any(image.part == "train" for image in images):
        raise UserError("no train images among the raw files; is it the right folder?")
    seen = set()
    twins = [image.id for image in images if image.id in seen or seen.add(image.id)]
    if twins:
        raise UserError(f"{len(twins)} image id(s) are there more than once: {shown(twins)}")


def _refuse_sample(content: bytes, images: list[RawImage], competition: Competition, raw: RawFiles | None) -> None:
    """Raises UserError where the sample submission is not of the competition's format, or of other test images."""
    where = _name_of(content, raw)
    rows = checked_sample(content, competition.format, where, competition.task.classes)
    tests = {image.id for image in images if image.part == "test"}
    unknown = dict.fromkeys(row[competition.format.id_column] for row in rows)
    unknown = [name for name in unknown if name not in tests]
    if tests and unknown:
        raise UserError(
            f"{where}: {len(unknown)} of its ids have no test image: {shown(unknown)}; add the pictures, or download "
            "both again"
        )


def _name_of(content: bytes, raw: RawFiles | None) -> str:
    """The file among the raw files that holds these bytes."""
    tables = [name for name in raw.names if name.lower().endswith(".csv")] if raw else []
    return next((raw.where(name) for name in tables if raw.read(name) == content), "the sample submission")


def checked_picture(picture: np.ndarray, image: RawImage) -> np.ndarray:
    """The picture of an image. Raises UserError where it is not H x W x C of a kind that can be stored."""
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or not picture.size:
        raise UserError(f"image {image.id}: its image() gives {_kind(picture)}, not an array H x W x C")
    if picture.dtype not in (np.uint8, np.uint16, np.float16):
        raise UserError(f"image {image.id}: its image() gives {picture.dtype}, not uint8, uint16 or float16")
    if picture.dtype == np.float16 and not np.isfinite(picture).all():
        raise UserError(f"image {image.id} holds values that are infinite or no numbers (NaN); replace these")
    return picture


def checked_labels(labels: np.ndarray, image: RawImage) -> np.ndarray:
    """The labels of an image. Raises UserError where they are not H x W x layers whole numbers."""
    if not isinstance(labels, np.ndarray) or labels.ndim != 3 or labels.dtype.kind not in "ui":
        raise UserError(f"image {image.id}: its labels() give {_kind(labels)}, not whole numbers H x W x layers")
    return labels


def _kind(value) -> str:
    shape = f" {' x '.join(map(str, value.shape))}" if isinstance(value, np.ndarray) else ""
    return f"{type(value).__name__}{shape}{f' of {value.dtype}' if shape else ''}"
