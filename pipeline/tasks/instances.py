"""Objects of one class that may touch: nuclei, cells. A network draws them, a watershed tells them apart."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.imaging.objects import ObjectMetric, encode_labels, matches, paint_runs, stretches
from pipeline.tasks.ahead import in_order
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.task import Items, Task, runs_of_each
from pipeline.tasks.thresholds import Thresholds, level
from pipeline.tasks.touching import parted

# how much of a border a pixel is whose nearest pixel of another object is 1, 2, … steps up, down, left or right away
BORDER = (255, 85, 42)
# and one at that border through which alone a tip of its object is reached: it is flooded before its neighbours
WAY_TO_TIP = 204
DEEP = 6.0  # pixels from an object's edge that are its centre however large it is
SEED = 4  # pixels; smaller seeds give way to larger ones
MOST = 65535  # objects of an image

# what the search tries: levels of the mask, levels of the seeds, smallest objects in pixels
BOTTOMS = (0.3, 0.4, 0.5, 0.6, 0.7)
TOPS = (0.35, 0.5, 0.65, 0.75, 0.85, 0.93)
SMALLEST = (0, 8, 16, 32, 64)


@dataclass(frozen=True)
class Instances(Task):
    """A task with one layer of object numbers (uint16, 0 is background) and three probabilities per pixel.

    The probabilities are those of an object (`mask`), of a place where two objects touch or nearly so (`border`), and
    how deep inside its object the pixel lies (`centre`). What decides is (1 - border) x (1 + centre) / 2: without a
    border it is .5 or more, so objects of any shape stay whole at .5; higher levels also part what is joined by a
    narrow bridge; and where two objects touch it is lowest, on both sides alike, so that what floods it meets there.

    Attributes:
        classes: the name of the class, alone in a tuple.
    """

    classes: tuple[str] = ("object",)

    layers = 1
    outputs = 3
    # the Lovász hinge knows no shares
    losses = ("bce", "dice")
    objects = True

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 numbers of objects, 0..65535, to H x W x 3 uint8: mask, border, centre.

        Border: see BORDER; the same on both sides of a line between two objects. Centre: (d - .5) / (the largest d of
        the object or DEEP - .5), at most 1, where d is the Euclidean distance in pixels to the nearest one of
        something else. The picture's edge is no edge of an object.
        """
        numbers = np.ascontiguousarray(labels[..., 0], np.uint16)
        mask = numbers != 0
        return np.stack([np.where(mask, np.uint8(255), np.uint8(0)), _border(numbers), _centre(numbers)], axis=-1)

    def apart(self, labels: np.ndarray) -> np.ndarray:
        return labels[..., 0]

    def of_one(self, soft: np.ndarray) -> np.ndarray:
        """The mask is the map; border and centre are those of the objects that `touching.parted` sees in its shape."""
        found = self.target(parted(soft >= 128)[..., None])
        found[..., 0] = soft
        return found

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x 3 uint8 probabilities to H x W x 1 numbers of objects, uint16.

        The mask is where its channel reaches `bottom`. Seeds are the connected parts (4 neighbours) of the mask where
        (1 - border) x (1 + centre) / 2 reaches `top`, less those of fewer than SEED pixels beside larger ones in the
        same part of the mask. They grow inside the mask from high to low values until they meet (Meyer's flooding, as
        in `skimage.segmentation.watershed`). A connected part of the mask without a seed is an object, too. Objects
        smaller than `min_component` pixels are left out. Numbers are 1, 2, … in the order of the first pixels, row
        after row.

        `decode(target(labels))` at .5 gives the labels back, up to the numbers, where objects are connected and three
        pixels thick along others. An object of several parts becomes several; where it is one or two pixels thick
        and lies along another, pixels may go to that; where it is that thin between two parts, it may be cut.
        """
        rule = thresholds[0]
        return _in_order(_objects(probabilities, rule.bottom, rule.top), rule.min_component)[..., None]

    def search(self, metric: ObjectMetric, items: Items, groups=None) -> Candidates:
        """Tries each of BOTTOMS x TOPS x SMALLEST on each image."""
        rules = [
            [Thresholds(top=top, bottom=bottom, min_component=area)]
            for bottom in BOTTOMS
            for top in TOPS
            for area in SMALLEST
        ]
        statistics = np.stack(list(in_order(_statistics, items)), axis=1)
        axes = (
            ("bottom", "threshold of the mask", BOTTOMS),
            ("top", "threshold of the seeds", TOPS),
            ("min_component", "smallest object, pixels", SMALLEST),
        )
        return Candidates(rules, statistics, metric, groups, tuple(len(values) for *_, values in axes), axes)

    def in_words(self, rule: Thresholds) -> str:
        text = f"The pixels from {rule.bottom:.3f}, shared out among seeds from {rule.top:.3f}"
        if rule.min_component:
            text += f", without objects smaller than {rule.min_component} pixels"
        return f"{text}."

    def texts_of_each(self, labels: np.ndarray) -> list[list[str]]:
        """The run lengths of each object, in the order of their numbers; one blank text where there is none."""
        return [encode_labels(image[..., 0]) or [""] for image in labels]

    def labels_of(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        """The inverse: n x H x W x 1 uint16, numbers 1, 2, … in the order of the rows."""
        of_each = runs_of_each(images, shape[0])
        painted = [paint_runs(rows[runs], starts[runs], lengths[runs], shape[1:]) for runs in of_each]
        return np.stack(painted)[..., None]


def _border(numbers: np.ndarray) -> np.ndarray:
    """H x W uint8, see BORDER."""
    border = np.zeros(numbers.shape, np.uint8)
    mask = numbers != 0
    # the largest and the smallest number of a neighbourhood; background must be neither
    inverse = np.where(mask, ~numbers, np.uint16(0))
    for steps in range(len(BORDER), 0, -1):
        near = _diamond(steps)
        other = (cv2.dilate(numbers, near) != numbers) | (cv2.dilate(inverse, near) != inverse)
        border[other & mask] = BORDER[steps - 1]
    border[_ways_to_tips(numbers, mask & (border == BORDER[0]))] = WAY_TO_TIP
    return border


def _ways_to_tips(numbers: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Where an object is so thin beside another that its pixels all lie at the line between the two (bool, H x W)."""
    # no pixel off the line has a neighbour of another object, so whatever it reaches is of its own
    off = ((numbers != 0) & ~line).astype(np.uint8)
    tips = line & (cv2.dilate(off, _diamond(1)) == 0)
    ways = tips.copy()
    if tips.any():
        for ids, tip, way in ((numbers, tips, ways), (numbers.T, tips.T, ways.T)):
            same = ids[1:] == ids[:-1]
            way[1:] |= tip[:-1] & same
            way[:-1] |= tip[1:] & same
    return ways & line


def _centre(numbers: np.ndarray) -> np.ndarray:
    """H x W uint8: how deep inside its object a pixel lies."""
    outermost = cv2.morphologyEx(numbers, cv2.MORPH_GRADIENT, _diamond(1), borderType=cv2.BORDER_REPLICATE)
    inside = np.where((numbers != 0) & (outermost == 0), np.uint8(255), np.uint8(0))
    # where nothing is outermost there is no distance at all: OpenCV gives a huge one everywhere
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5) + np.float32(0.5)
    where = np.flatnonzero(numbers)
    index, distance = numbers.ravel()[where], distance.ravel()[where]
    largest = np.zeros(int(index.max(initial=0)) + 1, np.float32)
    np.maximum.at(largest, index, distance)
    largest = np.minimum(largest, np.float32(DEEP - 0.5))
    centre = np.zeros(numbers.size, np.uint8)
    centre[where] = np.minimum(distance / largest[index], 1) * 255 + 0.5
    return centre.reshape(numbers.shape)


def _diamond(steps: int) -> np.ndarray:
    """The pixels at most so many steps up, down, left or right away."""
    rows, columns = np.abs(np.mgrid[-steps : steps + 1, -steps : steps + 1])
    return (rows + columns <= steps).astype(np.uint8)


def _objects(probabilities: np.ndarray, bottom: float, top: float) -> np.ndarray:
    """H x W int32 numbers in no order, some of which may be missing."""
    mask = (probabilities[..., 0] >= level(bottom)).astype(np.uint8)
    height = _height(probabilities)
    high = mask & (height >= 2 * 255 * level(top)).astype(np.uint8)
    parts_count, parts = cv2.connectedComponents(mask, connectivity=4)
    seed_count, seeds = cv2.connectedComponents(high, connectivity=4)
    of_part, kept = _seeds_of_parts(parts, parts_count, seeds, seed_count)
    labels = of_part[parts]
    several = labels < 0
    if several.any():
        grown = _grown(height, np.where(kept, np.arange(seed_count, dtype=np.int32), 0)[seeds], several)
        np.copyto(labels, grown, where=several)
    return labels


def _height(probabilities: np.ndarray) -> np.ndarray:
    """(1 - border) x (1 + centre), H x W int32, 0 to 2 x 255 x 255."""
    return (255 + probabilities[..., 2].astype(np.int32)) * (255 - probabilities[..., 1].astype(np.int32))


def _seeds_of_parts(parts: np.ndarray, parts_count: int, seeds: np.ndarray, seed_count: int):
    """Which object each connected part of the mask is, and which of the seeds count.

    Returns: int32 numbers for each part: its only seed, or a new one behind the seeds where it has none; -1 where it
        holds several; 0 for the background. And bool for each seed.
    """
    starts, lengths = stretches(seeds)
    of_stretch = seeds.reshape(-1)[starts]
    areas = np.bincount(of_stretch, lengths, minlength=seed_count).astype(np.int64)
    part_of_seed = np.zeros(seed_count, np.int64)
    part_of_seed[of_stretch] = parts.reshape(-1)[starts]
    part_of_seed[0] = areas[0] = 0  # what is no seed
    largest = np.zeros(parts_count, np.int64)
    np.maximum.at(largest, part_of_seed, areas)
    kept = (areas >= SEED) | (largest[part_of_seed] < SEED)
    kept[0] = False
    numbers = np.flatnonzero(kept)
    held = np.bincount(part_of_seed[numbers], minlength=parts_count)
    found = np.zeros(parts_count, np.int32)
    found[part_of_seed[numbers]] = numbers
    found[held > 1] = -1
    empty = np.flatnonzero(held[1:] == 0) + 1
    found[empty] = seed_count + np.arange(len(empty))
    return found, kept


def _grown(height: np.ndarray, seeds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The seeds grown inside the bool mask, from high to low."""
    from skimage.segmentation import watershed

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    grown = np.zeros_like(seeds)
    grown[window] = watershed(-height[window], seeds[window], mask=mask[window])
    return grown


def _in_order(labels: np.ndarray, smallest: int) -> np.ndarray:
    """Numbers 1, 2, … in the order of the first pixels, uint16, without the objects that are too small."""
    starts, lengths = stretches(labels)
    of_stretch = labels.reshape(-1)[starts]
    areas = np.bincount(of_stretch, lengths).astype(np.int64)
    areas[0] = 0
    kept = np.flatnonzero((areas > 0) & (areas >= smallest))
    if len(kept) > MOST:
        # noise; the largest are the likeliest
        kept = kept[np.argsort(-areas[kept], kind="stable")[:MOST]]
    first = np.zeros(len(areas), np.int64)
    # of several assignments to one place the last holds
    first[of_stretch[::-1]] = starts[::-1]
    numbers = np.zeros(len(areas), np.uint16)
    numbers[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    return numbers[labels]


def _statistics(item: tuple) -> np.ndarray:
    """Of one (group, probabilities, labels) under each rule: rules x 10 x 3. One watershed serves all of SMALLEST."""
    _, probabilities, labels = item
    found = (_objects(probabilities, bottom, top) for bottom in BOTTOMS for top in TOPS)
    return np.concatenate([matches(numbers, labels[..., 0], SMALLEST) for numbers in found])
