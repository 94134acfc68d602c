"""What every kind of answer must be able to do: the one place where problems differ."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.tasks.thresholds import Thresholds

# (group, what belongs to one image …): images of a group follow each other
Items = Iterable[tuple]


class Task:
    """A kind of answer. Subclasses are frozen dataclasses and fill in what is declared here.

    A target has the units of stored probabilities, so `decode(target(labels))` gives the labels back.

    Attributes:
        classes: their names.
        layers: of the labels. outputs: channels of the network's answer.
        activation: from logits to probabilities, `sigmoid` (each channel alone) or `softmax` (one of them).
        losses: the parts of a loss that fit the activation (see `training.losses`).
        blends: whether a target may be interpolated, because it is a share of something in a pixel.
        void: the label that is neither learnt nor scored, or None.
        needs_groups: whether an image is decoded together with its group.
        objects: whether labels are numbers of objects, each with a row of its own in a submission.
        colours: RGB of each class, where pictures are painted instead of outlined; else empty.
    """

    classes: tuple[str, ...]
    layers: int
    outputs: int
    activation = "sigmoid"
    losses: tuple[str, ...] = ("bce", "dice", "lovasz")
    blends = True
    void: int | None = None
    needs_groups = False
    objects = False
    colours: tuple[tuple[int, int, int], ...] = ()

    def target(self, labels: np.ndarray) -> np.ndarray:
        """What the network learns: H x W x layers labels to H x W x outputs uint8, 0 to 255."""
        raise NotImplementedError

    def of_one(self, soft: np.ndarray) -> np.ndarray:
        """What a map of one class alone says as probabilities: H x W uint8 to H x W x outputs uint8.

        The map is 128 or more where the class is likelier than not. Raises UserError where an answer has several.
        """
        raise UserError(
            f"--model classical finds one class, here are {len(self.classes)} ({shown(self.classes)}); name a network"
        )

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x outputs uint8 probabilities to H x W x layers labels; one rule per class."""
        raise NotImplementedError

    def search(self, metric, items: Items, groups=None):
        """The search for the best thresholds, from (group, probabilities, labels) of each image.

        Returns: an object with `choose(rows)`, `statistics(rules)` and `pictures(rows)`, like `candidates.Candidates`.
        """
        raise NotImplementedError

    def decoded(self, items: Items, thresholds: list[Thresholds]) -> Iterator[np.ndarray]:
        """The labels of each (group, probabilities), in order."""
        for _, probabilities in items:
            yield self.decode(probabilities, thresholds)

    def plain_thresholds(self) -> list[Thresholds]:
        """What is used where nothing could be tuned: .5 everywhere."""
        return [Thresholds() for _ in self.classes]

    def in_words(self, rule: Thresholds) -> str:
        """What a rule does, for people."""
        text = f"The pixels from {rule.bottom:.3f}"
        if rule.min_area:
            text = f"Empty if fewer than {rule.min_area} pixels reach {rule.top:.3f}; otherwise t{text[1:]}"
        if rule.min_component:
            text += f", without connected parts smaller than {rule.min_component} pixels"
        return f"{text}."

    def apart(self, labels: np.ndarray) -> np.ndarray:
        """The objects that a network must learn to keep apart: H x W numbers, 0 between them.

        Raises UserError where an answer has none.
        """
        raise UserError("--border-weight is of objects that touch, which this kind of answer does not have; leave it 0")

    def masks(self, labels: np.ndarray) -> Iterator[np.ndarray]:
        """The H x W bool mask of each class."""
        for layer in range(self.layers):
            yield labels[..., layer] != 0

    def counts(self, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Pixels in (intersection, predicted, truth) of each class: classes x 3, int64; what is void is left out."""
        found, truth = decoded != 0, labels != 0
        return np.stack([(found & truth).sum((0, 1)), found.sum((0, 1)), truth.sum((0, 1))], axis=-1)

    def is_empty(self, metric, statistics: np.ndarray) -> np.ndarray:
        """Whether nothing was found in an image whose `coverage` would be 0: n x … statistics to n."""
        return metric.is_empty(statistics)

    def wrong(self, decoded: np.ndarray, labels: np.ndarray) -> float:
        """The share of the pixels that are wrong, 0..1."""
        return float(np.mean((decoded != 0) != (labels != 0)))

    def filled(self, labels: np.ndarray) -> np.ndarray:
        """Where there is something, of labels of one or more images side by side: H x W bool."""
        return labels.any(axis=2)

    def coverage(self, labels: np.ndarray) -> float:
        """The share of the image that is not empty, 0..1."""
        return float(np.count_nonzero(labels)) / labels.size

    def texts(self, labels: np.ndarray) -> list[str]:
        """The run lengths of an image's rows in a submission: one per class."""
        return self.texts_of_each(labels[None])[0]

    def texts_of_each(self, labels: np.ndarray) -> list[list[str]]:
        """The same of n x H x W x layers: of each image."""
        masks = np.stack(list(self.masks(labels)), axis=1)
        found = rle.encode_many(masks.reshape(-1, *masks.shape[2:]))
        return [found[first : first + masks.shape[1]] for first in range(0, len(found), masks.shape[1])]

    def read_back(self, texts: list[list[str]], shape: tuple[int, int]) -> np.ndarray:
        """The inverse: the labels, n x H x W x layers, of the texts of each image, all H x W. Raises rle.RunError."""
        counts = [len(of_image) for of_image in texts]
        images, rows = np.repeat(np.arange(len(counts)), counts), np.concatenate([*map(np.arange, counts)])
        of, starts, lengths = rle.parse_many([text for of_image in texts for text in of_image])
        return self.labels_of(images[of], rows[of], starts, lengths, (len(texts), *shape))

    def labels_of(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        """The labels, n x H x W x layers, of checked runs.

        Args: images, rows: of each run, the image, in order, and which of its rows it is of. shape: n, H, W.
        """
        return self._class_masks(images, rows, starts, lengths, shape).transpose(0, 2, 3, 1).view(np.uint8)

    def _class_masks(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        """n x classes x H x W bool."""
        count, classes = shape[0], len(self.classes)
        masks = rle.decode_many(images * classes + rows, starts, lengths, count * classes, *shape[1:])
        return masks.reshape(count, classes, *shape[1:])


def together(items: Items) -> Iterator[list[tuple]]:
    """The items of each group that follow each other, without the group; an item with a blank group is alone."""
    for _, members in itertools.groupby(enumerate(items), lambda pair: pair[1][0] or pair[0]):
        yield [item[1:] for _, item in members]


def runs_of_each(images: np.ndarray, count: int) -> list[slice]:
    """Of `count` images, where the runs of each are; `images`: of each run, in order."""
    ends = np.searchsorted(images, np.arange(count), side="right").tolist()
    return [slice(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]
