"""Which prepared images are copies of others, or nearly: what leaks where folds split them, and how it is kept in one.

Pairs are positions in the index of the prepared data, m x 2 int, the smaller first; the train part comes first.
"""

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.errors import shown
from pipeline.imaging import duplicates, evenly
from pipeline.store.prepared import Prepared
from pipeline.tasks.ahead import in_order

AT_ONCE = 1 << 22  # values
CHANNELS = 4  # that thumbnails are made of: of more, as many evenly spaced ones
ALIKE = (0.99, 0.995, 0.999, 0.9999)  # correlations of thumbnails: the first that leaves few enough pairs is used
APART = 0.1  # of the image: from this on, the coverage of near copies counts as different
MOST = 1_000_000  # pairs of images alike: beyond that they say nothing, and fill the memory
# what is looked at where it is only to be said: a few seconds
MOST_IMAGES = 12_000
MOST_BYTES = 1 << 30
MOST_COMPARED = 30_000  # images: each with each other for near copies, ten seconds


class Look(NamedTuple):
    """What is kept of one image: the fingerprint of its pixels, whether they are all alike, its thumbnail (see
    `imaging.duplicates`); truth: the fingerprint of its labels, blank in the test part."""

    content: str
    constant: bool
    thumbnail: np.ndarray
    truth: str = ""


@dataclass(frozen=True)
class Copies:
    """Pairs of rows that are the same, or nearly; constant images are in none.

    Attributes:
        exact: each copy with the one before it.
        near: all others whose thumbnails have a correlation of at least `alike`; of exact copies the first stands
            for all.
        alike: None where near ones were not looked for: so many images are there, or resemble each other, that pairs
            would say nothing.
    """

    exact: np.ndarray
    near: np.ndarray
    alike: float | None

    @property
    def pairs(self) -> np.ndarray:
        return np.concatenate([self.exact, self.near])


@dataclass(frozen=True)
class Compared:
    """The first images of the index, compared with each other.

    Attributes:
        table: the index, of all images; looks: of the first of them.
        copies: among these.
    """

    table: object
    looks: list[Look]
    copies: Copies

    @property
    def left_out(self) -> int:
        return len(self.table) - len(self.looks)


def compare(prepared: Prepared, all_train: bool) -> Compared:
    """Reads images once, the train part first: MOST_IMAGES and MOST_BYTES of them, or (`all_train`) that part at
    least."""
    table, train = prepared.table, len(prepared.train)
    sizes = table["height"].to_numpy() * table["width"].to_numpy() * prepared.info["channels"]
    within = int((np.cumsum(sizes * np.dtype(prepared.info["dtype"]).itemsize) <= MOST_BYTES).sum())
    count = max(min(within, MOST_IMAGES), train if all_train else 1)

    def one(row: int) -> Look:
        found = look(prepared.images[row])
        return found._replace(truth=duplicates.fingerprint(prepared.labels[row])) if row < train else found

    looks = list(in_order(one, range(min(count, len(table))), "copies"))
    return Compared(table, looks, among(looks))


def look(image: np.ndarray) -> Look:
    """H x W x C of any dtype to what is kept of it; values that are no finite numbers count as 0."""
    content = duplicates.fingerprint(image)
    if not np.issubdtype(image.dtype, np.integer):
        image = np.where(np.isfinite(image), image, 0).astype(np.float32)
    return Look(content, _is_constant(image), duplicates.thumbnail(_few_channels(image)))


def _few_channels(image: np.ndarray) -> np.ndarray:
    if image.shape[2] <= CHANNELS:
        return image
    return image[..., evenly.places(image.shape[2], CHANNELS)]


def _is_constant(image: np.ndarray) -> bool:
    # a large one in parts, up to the first that is not
    step = max(1, AT_ONCE // max(image[0].size, 1))
    return all(bool((image[top : top + step] == image[:1, :1]).all()) for top in range(0, len(image), step))


def among(looks: list[Look]) -> Copies:
    constant = np.array([one.constant for one in looks])
    thumbnails = np.stack([one.thumbnail for one in looks])
    return find_copies([one.content for one in looks], thumbnails, constant, MOST_COMPARED)


def find_copies(contents: list[str], thumbnails: np.ndarray, constant: np.ndarray, most: int = sys.maxsize) -> Copies:
    """Pairs among n images, from their fingerprints, thumbnails (n x d float32) and whether each is constant; near ones
    among at most `most`."""
    rows = np.flatnonzero(~constant)
    exact = rows[duplicates.equal_pairs([contents[row] for row in rows])]
    first = np.setdiff1d(rows, exact[:, 1])
    alike = alike_enough(thumbnails[first]) if len(first) <= most else None
    if alike is None:
        return Copies(exact, duplicates.NO_PAIRS, None)
    return Copies(exact, first[duplicates.similar_pairs(thumbnails[first], alike)], alike)


def alike_enough(thumbnails: np.ndarray, most: int = MOST, sample: int = 2048) -> float | None:
    """The first correlation of ALIKE with at most `most` pairs among all, as estimated from evenly spaced ones; None
    when there is none."""
    some = thumbnails[evenly.places(len(thumbnails), sample)]
    correlation = some @ some.T
    for alike in ALIKE:
        pairs = (np.count_nonzero(correlation >= alike) - len(some)) / 2
        if pairs * (len(thumbnails) / max(len(some), 1)) ** 2 <= most:
            return alike
    return None


def together(found: Compared, train: int, count: int) -> tuple[np.ndarray, list[str]]:
    """A group for each of the `train` first images, blank where it is no copy, and what is to be said of it.

    Near copies of near copies are in one group. Groups must leave `count` folds and hold at most half of the images
    each: where more resemble each other than that, nearer ones alone count, in the end exact ones.
    """
    exact, near = (pairs[pairs[:, 1] < train] for pairs in (found.copies.exact, found.copies.near))
    alike = np.array([found.looks[a].thumbnail @ found.looks[b].thumbnail for a, b in near])
    if not len(exact) + len(near):
        return np.full(train, "", object), []
    for level in [*(level for level in ALIKE if level >= (found.copies.alike or np.inf)), np.inf]:
        # a product is rounded in one way in a large matrix and in another alone
        pairs = np.concatenate([exact, near[alike >= level - 1e-6]])
        numbers = duplicates.components(pairs, train)
        sizes = np.bincount(numbers)
        if len(sizes) >= count and sizes.max() <= train / 2:
            names = np.array([f"copies {number}" for number in numbers], object)
            groups = np.where(sizes[numbers] > 1, names, "")
            return groups, _kept(found.table["id"].to_numpy(), groups, level)
    return np.full(train, "", object), ["copies are not kept in one fold: there are too many of one picture for folds"]


def _kept(ids: np.ndarray, groups: np.ndarray, level: float) -> list[str]:
    copied = np.flatnonzero(groups != "")
    if not len(copied):
        return []
    how = "exactly" if level == np.inf else f"exactly or nearly, correlation {level:g} or more"
    return [
        f"{len(copied)} images are copies of each other ({how}), of {len(set(groups[copied]))} pictures, those of one "
        f"are in one fold: {shown(ids[copied])}"
    ]


def contradictions(copies: Copies, truths: list[str], coverage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of train images that are copies when their labels are not: exact ones of which any label differs, near
    ones of which one alone is empty or the coverage differs by more than APART.

    Args: truths: the fingerprints of the labels of the train images; coverage: theirs, 0..1.
    """
    # train comes first, and so does the smaller row of a pair
    exact, near = (pairs[pairs[:, 1] < len(truths)] for pairs in (copies.exact, copies.near))
    other = np.array([truths[a] != truths[b] for a, b in exact], bool)
    a, b = coverage[near].T
    return exact[other], near[((a == 0) != (b == 0)) | (np.abs(a - b) > APART)]


def contradicted(ids: np.ndarray, exact: np.ndarray, near: np.ndarray) -> list[str]:
    """`contradictions` in a line each."""
    lines = []
    if len(exact):
        lines.append(f"{len(exact)} pair(s) of exact copies in train have different labels: {named(ids, exact)}")
    if len(near):
        lines.append(f"{len(near)} pair(s) of near copies in train differ much in coverage: {named(ids, near)}")
    return lines


def in_both_parts(ids: np.ndarray, pairs: np.ndarray, train: int) -> list[str]:
    """A line where copies have one image in train and one in test."""
    across = pairs[(pairs[:, 0] < train) & (pairs[:, 1] >= train)]
    if not len(across):
        return []
    return [f"{len(across)} pair(s) of copies have one image in train and one in test: {named(ids, across)}"]


def named(ids: np.ndarray, pairs: np.ndarray) -> str:
    return shown([f"{ids[a]} and {ids[b]}" for a, b in pairs], limit=2)


def described(found: Compared, folds: np.ndarray) -> list[str]:
    """What must be known before a score of these folds is believed, a line each.

    Args: folds: of the train images, int; -1 is always trained on.
    """
    ids, train = found.table["id"].to_numpy(), len(folds)
    looks, pairs = found.looks[:train], found.copies.pairs
    coverage = found.table["coverage"].to_numpy(float)[: len(looks)]
    lines = contradicted(ids, *contradictions(found.copies, [one.truth for one in looks], coverage))
    within = pairs[pairs[:, 1] < train]
    split = within[folds[within[:, 0]] != folds[within[:, 1]]]
    if len(split):
        apart = f"{len(split)} pair(s) of copies are in different folds: {named(ids, split)}"
        lines.append(f"{apart}: out-of-fold scores are too high")
    return [*lines, *in_both_parts(ids, pairs, train), *_not_compared(found, ids)]


def _not_compared(found: Compared, ids: np.ndarray) -> list[str]:
    lines = []
    if found.left_out:
        left = shown(ids[len(found.looks) :])
        lines.append(
            f"{found.left_out} image(s) were not looked at for copies, it would take long (explore does): {left}"
        )
    if found.copies.alike is None:
        lines.append("exact copies alone were looked for: too many images are there, or resemble each other")
    return lines
