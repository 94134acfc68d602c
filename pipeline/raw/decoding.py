"""Images decoded a few ahead by all cores, in their order; what cannot be read, and what was turned, is counted."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np

from pipeline import source
from pipeline.competition import Competition, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import images as checks
from pipeline.raw.budget import Budget, ahead
from pipeline.raw.files import RawFiles


class Decoding:
    """Decodes images ahead by all cores, as many as fit into AHEAD bytes.

    Attributes:
        bad: id -> why, of the test pictures that could not be read and for which a black picture stands.
        turned: ids of test pictures that were turned as their orientation tag says; alone: of others of which nothing
            else was, neither a mask nor what else their labels are read from.
    """

    AHEAD = 512 << 20

    def __init__(self, competition: Competition, raw: RawFiles | None, stands_in: bool, nodata: float | None = None):
        self.competition, self.raw, self.stands_in, self.nodata = competition, raw, stands_in, nodata
        self.bad: dict[str, str] = {}
        self.turned: list[str] = []
        self.alone: list[str] = []
        self.tests = 0
        self.budget = Budget(self.AHEAD)
        # (shape, dtype) of what was read, and the last size for each volume
        self.shapes: Counter = Counter()
        self.sizes: dict[tuple[str, str], tuple[int, int]] = {}
        self.label_type = np.dtype(np.uint8)

    def of(self, images: list[RawImage]) -> Iterator[tuple[RawImage, np.ndarray, np.ndarray | None]]:
        """(image, picture H x W x C, labels H x W x layers or None) in order. Raises UserError."""
        from tqdm import tqdm

        self.tests = sum(image.part == "test" for image in images)
        if self.raw:
            # by its header, before a picture is decoded
            self.raw.pictures.before = self.budget.claim
        bar = tqdm(total=len(images), desc="prepare", unit="image", disable=not sys.stderr.isatty(), delay=1)
        with bar, contextlib.closing(ahead(images, self._decode, self.budget)) as decoded:
            for image, (picture, labels), following in decoded:
                if labels is not None:
                    self.label_type = labels.dtype
                if picture is None:
                    picture, labels = self._stand_in(image, labels, following)
                self.shapes[picture.shape, picture.dtype] += 1
                self.sizes[image.part, image.volume or image.group] = picture.shape[:2]
                yield image, picture, labels
                del picture, labels
                bar.update()

    def notes(self) -> list[str]:
        """What is to be said of the pictures. Raises UserError where all there are to answer cannot be read."""
        found = self.raw.pictures.notes() if self.raw else []
        if self.turned:
            found.append(
                f"{len(self.turned)} test picture(s) were turned as their orientation tag (EXIF) says, and so are "
                f"their answers: {shown(sorted(self.turned))}; remove the tags where pixels count as stored"
            )
        if self.alone:
            found.append(
                f"{len(self.alone)} picture(s) that are learnt from were turned as their EXIF tag says, as viewers "
                f"show them, and their labels were not: {shown(sorted(self.alone))}; where these were drawn on the "
                "pixels as stored, remove the tags"
            )
        if not self.bad:
            return found
        first = next(iter(self.bad.values()))
        if len(self.bad) == self.tests:
            raise UserError(f"none of the {self.tests} test pictures can be read; the first: {first}")
        count = f"{len(self.bad)} of {self.tests} test pictures cannot be read and get an empty answer"
        return [*found, f"{count}: {shown(self.bad)}; the first: {first}"]

    def _decode(self, image: RawImage) -> tuple[np.ndarray | None, np.ndarray | None]:
        try:
            picture, turned = self._picture(image)
        except UserError as error:
            if image.part != "test":
                raise
            if not self.stands_in:
                raise UserError(f"{error}; or give this test image an empty answer: --on-bad-image empty") from error
            self.bad[image.id] = str(error)
            return None, self._labels(image, needed=False)
        self.budget.hold(picture.nbytes)
        with self._watched() as of_labels:
            labels = self._labels(image)
        if turned and image.part == "test":
            self.turned.append(image.id)
        elif turned and not of_labels:
            self.alone.append(image.id)
        self.budget.hold(picture.nbytes + (0 if labels is None else labels.nbytes))
        return picture, labels

    def _watched(self) -> contextlib.AbstractContextManager:
        """The names of pictures that are turned in the meantime."""
        return self.raw.pictures.watched() if self.raw else contextlib.nullcontext(())

    def _picture(self, image: RawImage) -> tuple[np.ndarray, bool]:
        """The picture, and whether it was turned."""
        with self._watched() as turned, source.of_the_user(f"image() of image {image.id}"):
            picture = checks.checked_picture(image.image(), image, self.nodata)
        return picture, bool(turned)

    def _labels(self, image: RawImage, needed: bool = True) -> np.ndarray | None:
        if image.labels is None:
            return None
        try:
            with source.of_the_user(f"labels() of image {image.id}"):
                return checks.checked_labels(image.labels(), image, self.competition)
        except UserError:
            if needed:
                raise
            return None

    def _stand_in(self, image: RawImage, labels, following: Iterator) -> tuple[np.ndarray, np.ndarray]:
        """A black picture, as large as its labels, as other slices of its volume, or as most pictures are."""
        (shape, dtype), _ = self.shapes.most_common(1)[0]
        size = shape[:2]
        if labels is not None:
            size = labels.shape[:2]
        elif image.volume or image.group:
            size = self.sizes.get((image.part, image.volume or image.group)) or self._size_of(image, following) or size
        if labels is None and image.labels:
            labels = np.zeros((*size, self.competition.task.layers), self.label_type)
        return np.zeros((*size, shape[2]), dtype), labels

    def _size_of(self, image: RawImage, following: Iterator) -> tuple[int, int] | None:
        """Of a slice of the same volume among those that follow."""
        for other, (picture, _) in following:
            if (other.part, other.volume or other.group) != (image.part, image.volume or image.group):
                break
            if picture is not None:
                return picture.shape[:2]
        return None
