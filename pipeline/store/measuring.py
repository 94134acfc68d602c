"""What is measured of the train images while they pass by once: what holds for all their values."""

from collections.abc import Iterable

import numpy as np

from pipeline.store.bands import in_steps
from pipeline.store.scaling import Sample, fitted, missing

AT_ONCE = 1 << 23  # values


class Measure:
    """Adds up pictures of one kind.

    Args:
        picture: any of them, for its channels and type.
        nodata: the value of what is not known of them, as it is in them, or None.

    Attributes:
        top: the largest value, or 0. filled: how many pictures hold nodata. gaps, values: how many values are nodata,
            and how many there are.
    """

    def __init__(self, picture: np.ndarray, nodata: float | None):
        self.nodata = nodata
        self.is_uint8 = picture.dtype == np.uint8
        # pictures of 8 bits are seen as they are: 0 to 255
        self.sample = None if self.is_uint8 and nodata is None else Sample(picture.shape[2])
        self.top, self.sums, self.squares, self.pixels = 0.0, 0.0, 0.0, 0
        self.filled, self.gaps, self.values = 0, 0, 0

    def add(self, picture: np.ndarray) -> None:
        self.add_bands((picture,), picture.shape[2])

    def add_bands(self, bands: Iterable[np.ndarray], channels: int) -> None:
        """The same of a picture in bands from top to bottom: what is measured does not depend on their height."""
        gaps = self.gaps
        # a large one in parts, as it is eight times as large while it is measured
        for rows in in_steps(bands, max(1, AT_ONCE // channels)):
            self._add(rows)
        self.filled += self.gaps > gaps

    def _add(self, rows: np.ndarray) -> None:
        """Pixels, n x C."""
        flat, pixels = rows.astype(np.float64), len(rows)
        if self.nodata is not None:
            flat, pixels = self._known(rows, flat)
        if self.sample is not None:
            self.sample.add(flat)
        if self.nodata is not None:
            flat = np.nan_to_num(flat)
        self.top = max(self.top, float(flat.max()))
        self.sums = self.sums + flat.sum(axis=0)
        self.squares = self.squares + (flat**2).sum(axis=0)
        self.pixels = self.pixels + pixels

    def _known(self, picture: np.ndarray, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values with NaN where they are nodata, and how many are not, of each channel."""
        gaps = missing(picture, self.nodata)
        count = int(np.count_nonzero(gaps))
        self.gaps, self.values = self.gaps + count, self.values + gaps.size
        return np.where(gaps, np.nan, flat), (~gaps).sum(axis=0)

    def info(self) -> dict:
        """range, mean and std of each channel as shares of it, and, of all but plain pictures of 8 bits, the scaling
        (`Scaling.to_json`)."""
        value_range = 255.0 if self.is_uint8 else max(self.top, 1e-6)
        pixels = np.maximum(self.pixels, 1)
        mean = self.sums / pixels / value_range
        variance = self.squares / pixels / value_range**2 - mean**2
        found = {
            "range": value_range,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in np.sqrt(np.maximum(variance, 1e-12))],
        }
        if self.sample is None:
            return found
        return {**found, "scaling": fitted(self.sample.pixels(), self.nodata, self.is_uint8).to_json()}
