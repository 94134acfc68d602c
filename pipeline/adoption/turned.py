"""Whether foreign predictions lie as their images do: told by the truth of what was held out, which they must fit
better than they would if they were transposed, mirrored or turned."""

from collections.abc import Iterable

import numpy as np

LEAST, SHARE, GAIN = 8, 0.9, 0.3  # pictures that tell, the share of them in which another way fits better, by how much
WAYS = {
    "transposed (rows and columns exchanged)": lambda array: array.swapaxes(0, 1),
    "mirrored left to right": lambda array: array[:, ::-1],
    "turned upside down": lambda array: array[::-1],
    "turned by half a turn": lambda array: array[::-1, ::-1],
    "turned by a quarter to the left": lambda array: array.swapaxes(0, 1)[::-1],
    "turned by a quarter to the right": lambda array: array.swapaxes(0, 1)[:, ::-1],
}


def better_way(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> str:
    """How predictions fit the truth better than as they are, with the count; blank where none of these ways is surely
    better.

    Args: pairs: probabilities and truth, both H x W x layers: uint8, and what is not 0.
    """
    fits: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for probabilities, truth in pairs:
        inside = truth != 0
        if inside.all() or not inside.any():
            continue
        as_is = _fit(probabilities, inside)
        for way, turn in WAYS.items():
            other = turn(probabilities)
            if other.shape == inside.shape:
                fits[way].append((_fit(other, inside), as_is))
    better = {way: _votes(own) for way, own in fits.items() if len(own) >= LEAST}
    way = max(better, key=better.get, default="")
    return f"{better[way][1]} of {len(fits[way])} fit the truth better {way}" if way and better[way][0] > 0 else ""


def _fit(probabilities: np.ndarray, inside: np.ndarray) -> float:
    """Their correlation: 1 where they say just the truth, 0 where they are all alike."""
    centred, truth = (array - array.mean() for array in (probabilities.astype(np.float32), inside.astype(np.float32)))
    scale = float(np.sqrt((centred**2).sum() * (truth**2).sum()))
    return float((centred * truth).sum()) / scale if scale else 0.0


def _votes(fits: list[tuple[float, float]]) -> tuple[float, int]:
    """(how much better the mean is, in how many pictures); not better at all where it is not so in nearly all."""
    # what is worse than nothing as it is fits better however it is turned: a way must fit by itself, too
    gains = np.array([other - max(as_is, 0) for other, as_is in fits])
    count = int((gains > 0).sum())
    return (float(gains.mean()) if count >= SHARE * len(gains) and gains.mean() > GAIN else 0.0), count
