"""Masks of one class of which some have class and background exchanged: told by what lies along their frames.

Objects lie within the frame, a tissue or a ground around it. Masks of one data set agree, or differ by degrees: salt
covers any share of a frame. Two kinds that are far apart, with hardly a mask between, are two hands.
"""

from collections.abc import Iterable

import numpy as np

from pipeline.errors import shown

ALONG = 0.75  # of the pixels at the frame: the class lies along it; as far from 1 as the other kind may be from 0
BETWEEN = 0.2  # of the masks: if more are of neither kind, they differ by degrees
FEWEST, SMALLEST = 3, 0.05  # masks, and their share, that are a kind of their own


class Frames:
    """Collects masks while they pass by; those that are all of one value tell nothing.

    Attributes: shares: name -> share of the class among the pixels at the frame, 0..1 (corners count twice).
    """

    def __init__(self):
        self.shares: dict[str, float] = {}

    def add(self, name: str, bands: Iterable[np.ndarray]) -> None:
        """A mask in bands from top to bottom, each h x W bool."""
        rims, covered, pixels, band = [], 0, 0, None
        for band in bands:
            rims += [band[0]] if not rims else []
            rims += [band[:, 0], band[:, -1]]
            covered, pixels = covered + np.count_nonzero(band), pixels + band.size
        if 0 < covered < pixels:
            self.shares[name] = float(np.concatenate([*rims, band[-1]]).mean())

    def notes(self) -> list[str]:
        """A line where some of the masks may have class and background exchanged; [] where nothing says so."""
        around = [name for name, share in self.shares.items() if share >= ALONG]
        within = [name for name, share in self.shares.items() if share <= 1 - ALONG]
        between = len(self.shares) - len(around) - len(within)
        fewest = max(FEWEST, SMALLEST * len(self.shares))
        if min(len(around), len(within)) < max(fewest, between + 1) or between > BETWEEN * len(self.shares):
            return []
        return [
            f"the class lies along the frame of {len(around)} masks ({shown(around, 3)}) and within that of "
            f"{len(within)} ({shown(within, 3)}), {between} between: may class and background be exchanged in some? "
            "Look at one of each, and invert the files that are wrong"
        ]
