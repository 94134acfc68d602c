"""How much of the pixels each class covers, and what that says of a score."""

import numpy as np

NEARLY_ALL = 0.95  # of the pixels: who answers nothing else than this class is right nearly everywhere
WHOLE = 0.5  # of the images, filled to the last pixel


class Shares:
    """Counts the pixels of the classes, image by image.

    Attributes:
        pixels: of each class, int64; known: of all images, those that are not void.
        whole: how many images each class fills to the last known pixel.
        images: how many were counted.
    """

    def __init__(self, classes: int):
        self.pixels, self.whole = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
        self.known = self.images = 0

    def add(self, pixels: np.ndarray, known: int) -> None:
        """Of one image: the pixels of each class, and how many are not void."""
        self.pixels += pixels
        self.known += known
        self.images += 1
        # where nothing is known, nothing is filled
        self.whole += (pixels >= known) & (known > 0)

    def notes(self, names: tuple[str, ...], has_background: bool) -> list[str]:
        """A line for each class that is nearly everywhere; `has_background`: the first one may be."""
        lines = []
        for k, name in enumerate(names):
            share = self.pixels[k] / max(self.known, 1)
            filled = int(self.whole[k])
            if (k == 0 and has_background) or not (share > NEARLY_ALL or filled > WHOLE * self.images):
                continue
            lines.append(
                f"{name} covers {_percent(share)} of the pixels, and all of {filled} of {self.images} train images: a "
                "score near 1 says nothing of what is learnt; are the masks inverted, or is what is not 0 something "
                "else?"
            )
        return lines


def _percent(share: float) -> str:
    # only all of it is 100 %
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"
