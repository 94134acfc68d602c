"""The sizes that a network takes and answers for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """A network answers for pictures of `multiple` x k + `remainder` pixels a side, and sees `margin` more all around.

    `reach` is how far around a pixel its answer looks; None is far, or at the whole picture. All in pixels. A network
    that pads its convolutions has neither remainder nor margin.
    """

    multiple: int
    remainder: int = 0
    margin: int = 0
    reach: int | None = None

    def side(self, length: int) -> int:
        """The smallest side of an answer, in pixels, that is `length` or more."""
        steps = max(1, -(-(length - self.remainder) // self.multiple))
        return steps * self.multiple + self.remainder
