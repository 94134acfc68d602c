"""What became of each object: found, merged with another, split, missed; and what else was found, twice or of none."""

from typing import NamedTuple

import numpy as np

from pipeline.imaging.objects import Overlaps, overlaps

# of a true object
MATCHED, MERGED, SPLIT, MISSED = range(4)
# of one that was found, beside MATCHED
PART, DOUBLE, INVENTED = range(1, 4)


class Fates(NamedTuple):
    """Of the objects of two maps, in the order of their numbers.

    Attributes:
        truth: MATCHED (IoU > .5); MERGED: at least half of it lies in one that was found, with at least half of another
            true object; SPLIT: two or more that were found lie in it by at least half of theirs, and hold at least half
            of it; MISSED: all others, also where what was found is too small or too large. The first that is true.
        found: MATCHED; PART: at least half of it lies in a true object that is not matched; DOUBLE: in one that is;
            INVENTED: in none.
    """

    truth: np.ndarray
    found: np.ndarray

    def counts(self) -> np.ndarray:
        """(true, matched, merged, split, missed, found, double, invented), int64; adds up over images."""
        true, found = np.bincount(self.truth, minlength=4), np.bincount(self.found, minlength=4)
        return np.array([len(self.truth), *true, len(self.found), *found[DOUBLE:]], np.int64)


COUNTS = ("true", "matched", "merged", "split", "missed", "found", "double", "invented")


def fates(found: np.ndarray, truth: np.ndarray) -> Fates:
    """From two H x W maps of object numbers, 0 is background."""
    table = overlaps(found, truth)
    found_area, truth_area = table.found_areas[table.found], table.truth_areas[table.truth]
    hits = 2 * table.intersection > found_area + truth_area - table.intersection
    # in integers: half of an odd area is more than half of it rounded down
    holds, lies = 2 * table.intersection >= truth_area, 2 * table.intersection >= found_area
    of_truth = np.full(len(table.truth_areas), MISSED)
    of_truth[_split(table, lies)] = SPLIT
    several = np.bincount(table.found[holds], minlength=len(table.found_areas)) > 1
    of_truth[table.truth[holds & several[table.found]]] = MERGED
    of_truth[table.truth[hits]] = MATCHED
    of_found = np.full(len(table.found_areas), INVENTED)
    within_matched = of_truth[table.truth] == MATCHED
    of_found[table.found[lies & within_matched]] = DOUBLE
    of_found[table.found[lies & ~within_matched]] = PART
    of_found[table.found[hits]] = MATCHED
    return Fates(of_truth, of_found)


def those(numbers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Where a map holds the chosen of its objects (a bool for each, in the order of their numbers): bool, H x W."""
    objects = np.unique(numbers)
    return np.isin(numbers, objects[objects != 0][chosen])


def _split(table: Overlaps, lies: np.ndarray) -> np.ndarray:
    """Which true objects hold two or more of those found, by at least half of theirs, that hold half of it."""
    count = len(table.truth_areas)
    pieces = np.bincount(table.truth[lies], minlength=count)
    pixels = np.bincount(table.truth[lies], table.intersection[lies], minlength=count)
    return (pieces > 1) & (2 * pixels >= table.truth_areas)
