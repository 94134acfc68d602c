"""What variants of a recipe gain over it, in numbers."""

from dataclasses import dataclass

from pipeline.tasks import scoring
from pipeline.tasks.scoring import Tally

BASE = "base"
COLUMNS = [
    "variant",
    "run",
    "n",
    "folds",
    "score",
    "standard_error",
    "gain",
    "gain_error",
    "gain_at_half",
    "gain_at_half_error",
    "verdict",
    "minutes",
]


@dataclass(frozen=True)
class Outcome:
    """What the images held out by some folds got from one recipe.

    Attributes:
        label: the variant; run: its run's name.
        crossed: under thresholds chosen on the other folds, or None where there is one unit only.
        half: under the plain thresholds of .5.
        minutes: that its folds learnt, or None where that is not known.
    """

    label: str
    run: str
    folds: list[int]
    crossed: Tally | None
    half: Tally
    minutes: float | None


def rows(outcomes: list[Outcome]) -> list[dict]:
    """A row of `COLUMNS` for each, the first of which is what the others are compared with; None is not known."""
    base, *others = outcomes
    return [_row(base, None), *(_row(outcome, base) for outcome in others)]


def _row(outcome: Outcome, base: Outcome | None) -> dict:
    crossed = outcome.crossed
    gain, gain_error = (None, None) if base is None else paired(crossed, base.crossed)
    at_half, at_half_error = (None, None) if base is None else paired(outcome.half, base.half)
    return {
        "variant": outcome.label,
        "run": outcome.run,
        "n": len(outcome.half),
        "folds": " ".join(map(str, outcome.folds)),
        "score": None if crossed is None else crossed.score(),
        "standard_error": crossed.error() if crossed is not None and _has_error(crossed) else None,
        "gain": gain,
        "gain_error": gain_error,
        "gain_at_half": at_half,
        "gain_at_half_error": at_half_error,
        "verdict": None if base is None else verdict(gain, gain_error),
        "minutes": None if outcome.minutes is None else round(outcome.minutes, 2),
    }


def paired(tally: Tally | None, other: Tally | None) -> tuple[float | None, float | None]:
    """The gain on the same images and its standard error, which a single independent part (one drive) does not have."""
    if tally is None or other is None:
        return None, None
    gain, error = scoring.gain(tally, other)
    return gain, error if _has_error(tally) else None


def _has_error(tally: Tally) -> bool:
    return len(tally.deviations()) > 1


def verdict(gain: float | None, error: float | None) -> str:
    if gain is None or error is None:
        return "unknown"
    return "gains" if gain > error else "loses" if gain < -error else "no difference"
