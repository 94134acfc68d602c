"""The decoding rule of one class: from uint8 probabilities to a mask, in the order the file contract fixes."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from pipeline.errors import UserError


def level(threshold: float) -> int:
    """The smallest stored uint8 value that counts as at least `threshold` (0..1)."""
    return int(np.floor(255 * threshold + 0.5))


@dataclass(frozen=True)
class Thresholds:
    """How one class is decoded.

    If fewer than `min_area` pixels are at or above `top`, or the image's score is below `min_score`, the mask is
    empty; otherwise it is the pixels at or above `bottom`, less the connected parts (4-neighbours) smaller than
    `min_component`. `top` = `bottom` with no minimum is the plain threshold. (The two-threshold rule won SIIM-ACR
    Pneumothorax 2019.)

    Attributes: top, bottom, min_score: probabilities 0..1; min_area, min_component: pixels at the image's own size.
    """

    top: float = 0.5
    min_area: int = 0
    bottom: float = 0.5
    min_component: int = 0
    min_score: float = 0.0

    def mask(self, probabilities: np.ndarray, score: float | None = None) -> np.ndarray:
        """H x W uint8 probabilities to an H x W bool mask; `score` is the image's "is there anything", 0..1."""
        if score is not None and score < self.min_score:
            return np.zeros(probabilities.shape, bool)
        if self.min_area and np.count_nonzero(probabilities >= level(self.top)) < self.min_area:
            return np.zeros(probabilities.shape, bool)
        mask = probabilities >= level(self.bottom)
        return _without_small_parts(mask, self.min_component) if self.min_component else mask

    def to_json(self) -> dict:
        content = asdict(self)
        return {name: value for name, value in content.items() if value or name in ("top", "min_area", "bottom")}

    @classmethod
    def from_json(cls, content: dict, where: str) -> "Thresholds":
        try:
            thresholds = cls(**content)
        except TypeError as error:
            raise UserError(f"{where}: {error}; known are top, min_area, bottom, min_component, min_score") from error
        for name, value in asdict(thresholds).items():
            highest = math.inf if name in ("min_area", "min_component") else 1
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not 0 <= value <= highest:
                wanted = "a number of 0 or more" if highest > 1 else "a number from 0 to 1"
                raise UserError(f"{where}: {name} is {value!r}, not {wanted}")
        return thresholds


def _without_small_parts(mask: np.ndarray, smallest: int) -> np.ndarray:
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    keep = sizes >= smallest
    keep[0] = False
    return keep[labels]
