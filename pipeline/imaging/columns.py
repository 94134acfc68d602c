"""Run lengths down the columns of one large mask, without copies of the whole: written by columns, read by lines.

The same words and masks as `imaging.rle` has.
"""

import numpy as np

AT_ONCE = 1 << 24  # pixels


def encode(mask: np.ndarray) -> str:
    """H x W, not 0 where there is something, as `rle.encode` has it; blank for an empty mask."""
    height, width = mask.shape
    step = max(1, AT_ONCE // max(height, 1))
    changes, before = [], np.zeros(1, bool)
    for left in range(0, width, step):
        flat = np.concatenate([before, (mask[:, left : left + step] != 0).T.reshape(-1)])
        changes.append(np.flatnonzero(flat[1:] != flat[:-1]) + left * height)
        before = flat[-1:].copy()
    found = np.concatenate(changes) if changes else np.zeros(0, np.int64)
    if before[0]:
        # a run down to the last pixel
        found = np.append(found, height * width)
    tokens = np.empty(len(found), np.int64)
    tokens[0::2] = found[0::2] + 1
    tokens[1::2] = found[1::2] - found[0::2]
    return " ".join(map(str, tokens.tolist()))


class Columns:
    """A mask H x W of checked runs, of which lines are drawn when they are asked for.

    Args: starts, lengths: as `rle.parse_many` returns those of one string (starts from 1).
    """

    def __init__(self, starts: np.ndarray, lengths: np.ndarray, height: int, width: int):
        self.height, self.width = height, width
        first, last = starts - 1, starts + lengths - 2
        # cut where one column ends and the next begins
        pieces = last // height - first // height + 1
        number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        self.column = np.repeat(first // height, pieces) + number
        self.top = np.where(number == 0, np.repeat(first % height, pieces), 0)
        self.bottom = np.where(number == np.repeat(pieces, pieces) - 1, np.repeat(last % height + 1, pieces), height)

    def lines(self, top: int, bottom: int) -> np.ndarray:
        """Those from `top` up to `bottom`, h x W bool."""
        inside = (self.top < bottom) & (self.bottom > top)
        column = self.column[inside]
        steps = np.zeros((bottom - top + 1, self.width), np.int8)
        # a run may begin right where the one before it ended: add, do not assign
        np.add.at(steps, (np.maximum(self.top[inside] - top, 0), column), 1)
        np.add.at(steps, (np.minimum(self.bottom[inside], bottom) - top, column), -1)
        return np.cumsum(steps[:-1], axis=0, dtype=np.int8).view(bool)
