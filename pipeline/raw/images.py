"""What a competition's `read` found, checked before and while it is decoded: names, the sample, arrays."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline import source
from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import values
from pipeline.raw.files import RawFiles, printable
from pipeline.raw.tables import checked_sample, unprintable
from pipeline.store import slices
from pipeline.store.bands import Bands
from pipeline.store.dialect import VOLUMES
from pipeline.tasks.label_values import comes_back, largest_label

LONGEST = 255  # bytes of a file's name


class WrongKind(UserError):
    """What a function of the competition's file gives is of another type than it is used as, or means nothing."""


def in_order(data: RawData, competition: Competition, raw: RawFiles | None) -> list[RawImage]:
    """The images as they are written: train first, each part sorted by id.

    Raises UserError where images or the sample submission cannot be what the competition asks for.
    """
    _refuse_other_kinds(data, competition)
    for image in data.images:
        _refuse_name(image, competition)
        _refuse_what_goes_with(image)
    images = sorted(_grouped(data.images), key=lambda image: (image.part == "test", image.id))
    _refuse_in_both(data.sample, images, competition, raw)
    _refuse_twins(images)
    if competition.task.needs_groups:
        _refuse_several_volumes(images)
    if competition.task.needs_groups or any(image.volume for image in images):
        _refuse_torn(images, [image.volume or image.group for image in images])
    if competition.format.files == VOLUMES:
        _refuse_torn(images, [competition.format.file_of(image.id) for image in images])
    if data.sample is not None:
        _refuse_sample(data.sample, images, competition, raw)
    return images


def _refuse_other_kinds(data: RawData, competition: Competition) -> None:
    """Raises WrongKind where what `read` gave is of another type than it is used as."""
    read = f"read() of {competition.name}"
    listed = isinstance(data, RawData) and isinstance(data.images, (list, tuple))
    if not listed or not all(isinstance(image, RawImage) for image in data.images):
        raise WrongKind(f"{read} wants to return RawData([RawImage(…), …]); see competition.py")
    if data.sample is not None and not isinstance(data.sample, bytes):
        raise WrongKind(
            f"{read} gives {kind_of(data.sample)} for sample=; it must be the bytes of the file: raw.read(…)"
        )
    if not isinstance(data.notes, (list, tuple)) or not all(isinstance(note, str) for note in data.notes):
        raise WrongKind(f"{read} gives notes that are no list of texts: notes=[…]")


def _refuse_what_goes_with(image: RawImage) -> None:
    """Raises WrongKind for functions that are none, and numbers that cannot stand in a table."""
    functions = {"image": image.image, "labels": image.labels, "doubt": image.doubt}
    for name, function in functions.items():
        if not callable(function) and not (name != "image" and function is None):
            raise WrongKind(f"image {image.id}: {name} is {kind_of(function)}, not a function: {name}=lambda: …")
    if image.part == "train" and image.labels is None:
        raise WrongKind(f"image {image.id}: labels is None; a train image has some: labels=lambda: …")
    if not isinstance(image.extra, Mapping) or not all(map(_is_number, image.extra.values())):
        raise WrongKind(f"image {image.id}: extra is {image.extra!r}, not a table of numbers: {{'depth': 3.0}}")


def _is_number(value) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _refuse_name(image: RawImage, competition: Competition) -> None:
    """Raises UserError for an id, a group, a volume or a kind that cannot stand in a table, and an id that cannot name
    a file."""
    named = (("id", image.id), ("group", image.group), ("volume", image.volume), ("kind", image.kind))
    for kind, name in named:
        if not isinstance(name, str):
            raise UserError(f"the {kind} of an image is {name!r}; it must be text: str(…) in read()")
        if unprintable(name) or (kind == "id" and not name.strip()):
            raise UserError(
                f"the {kind} '{printable(name)}' of a {image.part} image is blank or holds what no table can (a line "
                "end, a tab, bytes that are not UTF-8); rename the file"
            )
    if image.part not in ("train", "test"):
        raise UserError(f"image {image.id} has part={image.part!r}; it can be 'train' or 'test'")
    makes_files = competition.format.pictures or competition.format.files
    if makes_files and image.part == "test" and not _can_be_a_file(image.id):
        raise UserError(
            f"the id '{image.id}' cannot name a label picture (too long, or it leaves its folder); rename the file"
        )


def _can_be_a_file(name: str) -> bool:
    """Whether a picture can be called so, in folders below the one that it is written into."""
    parts = name.split("/")
    return all(part not in ("", ".", "..") and len(f"{part}.png".encode()) <= LONGEST for part in parts)


def _grouped(images: list[RawImage]) -> list[RawImage]:
    """Where some images have a group, one without is a group of its own, called like itself."""
    if not any(image.group for image in images):
        return images
    return [image if image.group else replace(image, group=image.id) for image in images]


def _refuse_several_volumes(images: list[RawImage]) -> None:
    """Raises UserError for groups of several volumes, where the task takes a group for one."""
    volumes: dict[tuple[str, str], set[str]] = {}
    for image in images:
        volumes.setdefault((image.part, image.group), set()).add(image.volume)
    several = [group for (_, group), names in volumes.items() if len(names) > 1]
    if several:
        raise UserError(
            f"{len(several)} group(s) hold several volumes (volume=): {shown(several)}; this task decodes and scores "
            "the images of a group as one volume: give each its own group"
        )


def _refuse_torn(images: list[RawImage], volumes: list[str]) -> None:
    slices.refuse_torn([image.id for image in images], [image.part for image in images], volumes)


def _refuse_in_both(content: bytes | None, images: list[RawImage], competition: Competition, raw: RawFiles | None):
    """Raises UserError for ids of the train part and of the test part, and says where the sample submission names
    them."""
    train, test = ({image.id for image in images if image.part == part} for part in ("train", "test"))
    both = sorted(train & test)
    if both and content is not None and not competition.format.files:
        where = _name_of(content, raw)
        named = set(_ids(content, competition, where))
        if named.issuperset(both):
            raise UserError(
                f"{where}: {len(both)} of its ids are of train images: {shown(both)}; download both again, or take the "
                "ids out of one of them"
            )
    if both:
        raise UserError(
            f"{len(both)} image id(s) are of a train and of a test image: {shown(both)}; rename the files of one part"
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
    if competition.format.files:
        raise UserError(
            f"read() of {competition.name} gives sample=, and its format a zip of files "
            f"(files='{competition.format.files}'), of which a csv is no sample: leave sample= out"
        )
    where = _name_of(content, raw)
    tests = {image.id for image in images if image.part == "test"}
    unknown = [name for name in _ids(content, competition, where) if name not in tests]
    if tests and unknown:
        raise UserError(
            f"{where}: {len(unknown)} of its ids have no test image: {shown(unknown)}; add the pictures, or download "
            "both again"
        )


def _ids(content: bytes, competition: Competition, where: str) -> list[str]:
    """Of the images of a sample submission, each once. Raises UserError where it is none of this competition's."""
    rows = checked_sample(content, competition.format, where, competition.task.classes)
    return list(dict.fromkeys(competition.format.image_and_class(row)[0] for row in rows))


def _name_of(content: bytes, raw: RawFiles | None) -> str:
    """The file among the raw files that holds these bytes."""
    tables = [name for name in raw.names if name.lower().endswith(".csv")] if raw else []
    return next((raw.where(name) for name in tables if raw.read(name) == content), "the sample submission")


def checked_picture(picture: np.ndarray | Bands, image: RawImage, nodata: float | None = None) -> np.ndarray | Bands:
    """The picture of an image, as `values.checked` has it. Raises UserError where it is not H x W x C of a kind that
    can be stored; of a picture in bands when these are read."""
    if isinstance(picture, Bands):
        return _checked_bands(picture, image, nodata)
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or not picture.size:
        raise WrongKind(f"image {image.id}: its image() gives {kind_of(picture)}, not an array H x W x C")
    if picture.dtype.kind not in "buif":
        raise WrongKind(f"image {image.id}: its image() gives {picture.dtype}, not whole numbers or floating point")
    try:
        return values.checked(picture, nodata)
    except UserError as error:
        raise UserError(f"image {image.id} {error}") from error


def _checked_bands(picture: Bands, image: RawImage, nodata: float | None) -> Bands:
    """Raises UserError for bands of another kind than is stored as it is."""
    if picture.dtype not in values.STORED or len(picture.shape) != 3 or not all(picture.shape):
        shape = " x ".join(map(str, picture.shape))
        raise WrongKind(
            f"image {image.id}: its image() gives bands of {shape} {picture.dtype}, which are not stored so"
        )

    def read(top: int, bottom: int) -> np.ndarray:
        with source.of_the_user(f"image() of image {image.id}"):
            band = picture.read(top, bottom)
        _refuse_other_lines(band, picture, (top, bottom), image, "image()")
        return checked_picture(band, image, nodata)

    return Bands(tuple(map(int, picture.shape)), np.dtype(picture.dtype), read, picture.held)


def _refuse_other_lines(band, wanted: Bands, lines: tuple[int, int], image: RawImage, function: str) -> None:
    """Raises WrongKind for lines that are not what their bands say."""
    alike = isinstance(band, np.ndarray) and band.dtype == wanted.dtype
    if not alike or band.shape != (lines[1] - lines[0], *wanted.shape[1:]):
        raise WrongKind(f"image {image.id}: lines {lines[0]} to {lines[1]} of its {function} are {kind_of(band)}")


def checked_labels(labels: np.ndarray | Bands, image: RawImage, competition: Competition) -> np.ndarray | Bands:
    """The labels of an image. Raises UserError where they are not H x W x layers whole numbers, or some that mean
    nothing to the task; of labels in bands when these are read."""
    if not isinstance(labels, (np.ndarray, Bands)) or len(labels.shape) != 3 or labels.dtype.kind not in "ui":
        raise WrongKind(f"image {image.id}: its labels() give {kind_of(labels)}, not whole numbers H x W x layers")
    if isinstance(labels, Bands):

        def read(top: int, bottom: int) -> np.ndarray:
            with source.of_the_user(f"labels() of image {image.id}"):
                band = labels.read(top, bottom)
            _refuse_other_lines(band, labels, (top, bottom), image, "labels()")
            return checked_labels(band, image, competition)

        return replace(labels, read=read)
    top, words = largest_label(competition.task)
    odd = np.unique(labels[(labels > top) | (labels < 0)])
    wrong = [value for value in odd if not comes_back(value, competition.task)]
    if wrong:
        raise WrongKind(f"image {image.id}: its labels() hold {wrong[0]}; there can be {words}")
    return labels


def kind_of(value) -> str:
    """For a message: the type of a value, and of an array its shape and what it holds."""
    shape = f" {' x '.join(map(str, value.shape))}" if isinstance(value, np.ndarray) else ""
    return f"{type(value).__name__}{shape}{f' of {value.dtype}' if shape else ''}"
