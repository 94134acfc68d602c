"""Stored values of any kind as a network sees them: 0..1 over what nearly all pixels hold, and neutral where there is
no data.

Decibels, Hounsfield units, heights, reflectances: what matters is where most values lie, and one pixel far away must
not decide it. So the ends are the percentiles of the train part, channel by channel.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError

ENDS = (0.5, 99.5)  # percentiles that are seen as 0 and 1
LINEAR = (-1.0, 2.0)  # what lies farther out counts by its logarithm: levels stay apart, and none shouts
FARTHEST = 1e6  # beyond this many spreads values are no longer told apart
FLAT = 1e-30  # a spread below this is none
MOST = 1 << 22  # values that a sample keeps at most


@dataclass(frozen=True)
class Scaling:
    """How stored values are seen.

    Attributes:
        low, high: the values seen as 0 and as 1, of each channel.
        mean, std: of what is seen, of each channel, over the train part.
        nodata: the value of pixels that nothing is known of; NaN is one, too; None where there is none.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    nodata: float | None = None

    def seen(self, picture: np.ndarray) -> np.ndarray:
        """H x W x C of any dtype (or n x C) as float32: 0..1 from `low` to `high` and a little beyond, never infinite;
        the channel's mean where a value is nodata."""
        low, high = (np.asarray(values, np.float32) for values in (self.low, self.high))
        with np.errstate(over="ignore", invalid="ignore"):
            values = (picture.astype(np.float32) - low) / (high - low)
            near = np.clip(values, *map(np.float32, LINEAR))
            beyond = np.clip(values - near, np.float32(-FARTHEST), np.float32(FARTHEST))
        if beyond.any():
            near = near + np.copysign(np.log1p(np.abs(beyond)), beyond)
        if self.nodata is None:
            return near
        return np.where(missing(picture, self.nodata), np.asarray(self.mean, np.float32), near)

    def known(self, picture: np.ndarray) -> np.ndarray:
        """H x W x 1 float32: 0 where nothing is known of a pixel, otherwise 1."""
        unknown = is_nodata(picture, self.nodata).all(axis=-1, keepdims=True)
        return np.where(unknown, np.float32(0), np.float32(1))

    def filled(self, picture: np.ndarray) -> np.ndarray:
        """H x W x C as it is, or, where values are nodata, as float32 with what is seen as the mean in their place."""
        gaps = missing(picture, self.nodata)
        if not gaps.any():
            return picture
        low, high, mean = (np.asarray(values) for values in (self.low, self.high, self.mean))
        return np.where(gaps, (low + mean * (high - low)).astype(np.float32), picture.astype(np.float32))

    def to_json(self) -> dict:
        content = {name: list(getattr(self, name)) for name in ("low", "high", "mean", "std")}
        if self.nodata is not None:
            content["nodata"] = self.nodata if math.isfinite(self.nodata) else str(self.nodata)
        return content

    @classmethod
    def from_json(cls, content, channels: int, where) -> "Scaling":
        """The inverse of `to_json`. Raises UserError, with `where` it stands, for anything else."""
        try:
            ends = [tuple(map(float, content[name])) for name in ("low", "high", "mean", "std")]
            nodata = content.get("nodata")
            found = cls(*ends, float(nodata) if isinstance(nodata, str) else nodata)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise UserError(f"{where}: its scaling is none ({error}); {_AGAIN}") from error
        good = all(len(values) == channels and np.isfinite(values).all() for values in ends)
        good = good and all(a < b for a, b in zip(*ends[:2], strict=True)) and min(found.std) > 0
        if not good or not (nodata is None or is_number(found.nodata)):
            raise UserError(f"{where}: its scaling is none of {channels} channel(s); {_AGAIN}")
        return found


_AGAIN = "name the raw files with --data DIR to have them prepared again"


def is_number(value) -> bool:
    """Whether it can be the value of a pixel: a plain number, NaN and infinities included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_nodata(picture: np.ndarray, nodata: float | None) -> np.ndarray:
    """Of every value whether it is `nodata`, as bool of the picture's shape."""
    if nodata is None:
        return np.zeros(picture.shape, bool)
    return np.isnan(picture) if math.isnan(nodata) else np.asarray(picture == nodata)


def missing(picture: np.ndarray, nodata: float | None) -> np.ndarray:
    """Which values are not known: those that are nodata; in pictures of 8 bits only where all channels of the pixel
    are, because 0 in one of them is a colour."""
    found = is_nodata(picture, nodata)
    if picture.dtype == np.uint8:
        return np.broadcast_to(found.all(axis=-1, keepdims=True), found.shape)
    return found


class Sample:
    """Values evenly drawn from many pictures as they pass by, at most `most` of them; where there are fewer, all.

    The same pictures in the same order give the same sample.
    """

    def __init__(self, channels: int, most: int = MOST):
        self.most = max(most // channels, 1024)
        self.random = np.random.default_rng(0)
        # one of so many pixels is kept
        self.stride = 1
        self.parts: list[np.ndarray] = []
        self.count = 0

    def add(self, pixels: np.ndarray) -> None:
        """n x C, float; NaN is what is not known."""
        kept = pixels if self.stride == 1 else pixels[self._places(len(pixels), len(pixels) / self.stride)]
        self.parts.append(kept.astype(np.float32))
        self.count += len(kept)
        while self.count > self.most:
            self.stride *= 2
            everything = np.concatenate(self.parts)
            self.parts = [everything[self._places(len(everything), len(everything) / 2)]]
            self.count = len(self.parts[0])

    def _places(self, length: int, wanted: float) -> np.ndarray:
        """About so many places among `length`, one at random in each of as many equal parts: a fixed step would meet
        the same columns of every picture."""
        count = min(length, int(wanted + self.random.random()))
        return ((np.arange(count) + self.random.random(count)) * (length / max(count, 1))).astype(np.int64)

    def pixels(self) -> np.ndarray:
        """n x C float32."""
        return np.concatenate(self.parts)


def fitted(pixels: np.ndarray, nodata: float | None, is_uint8: bool = False) -> Scaling:
    """The scaling by a sample, n x C float32, NaN where not known. Values of pictures of 8 bits are seen as 0..255 over
    255, as they are without nodata."""
    columns = [column[~np.isnan(column)] for column in pixels.T]
    ends = [(0.0, 255.0) if is_uint8 else _ends(column.astype(np.float64)) for column in columns]
    low, high = (tuple(end[i] for end in ends) for i in (0, 1))
    plain = Scaling(low, high, (0.0,) * len(ends), (1.0,) * len(ends))
    seen = plain.seen(pixels).astype(np.float64)
    seen = [column[~np.isnan(column)] for column in seen.T]
    mean = tuple(float(column.mean()) if len(column) else 0.5 for column in seen)
    std = tuple(max(float(column.std()), 1e-6) if len(column) else 1.0 for column in seen)
    return Scaling(low, high, mean, std, nodata)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """The values seen as 0 and 1."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, ENDS)
    others = values[values != low]
    if high - low < FLAT and len(others):
        # nearly everything is one value: what else there is decides
        first, last = np.percentile(others, ENDS)
        low, high = min(low, first), max(high, last)
    wide = float(np.float32(high)) - float(np.float32(low)) >= FLAT
    return float(low), float(high) if wide else float(low) + max(1.0, abs(float(low)))
