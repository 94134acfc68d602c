"""What a fold is made of, whoever learns it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class FoldPlan:
    """What a fold is made of.

    Attributes:
        number: -1 for `all`, otherwise the fold held out.
        learnt, held_out: row numbers of the prepared table.
        inputs: the fingerprints of all this, for checkpoint and records.
        folder: the only place written to.
    """

    number: int
    learnt: np.ndarray
    held_out: np.ndarray
    inputs: dict
    folder: Path
