"""What the leaderboard said of each upload, what it leads to expect of other runs, and the rank it would have been."""

from dataclasses import dataclass

from pipeline.kaggle.leaderboard import Board, Place
from pipeline.runs import expected
from pipeline.runs.expected import Line
from pipeline.store.ledger import Upload


@dataclass(frozen=True)
class Expected:
    """A run that has no public score: its cross-fitted one, the public one to expect, and a standard error of that,
    None where too little was uploaded."""

    run: str
    cross_fitted: float
    public: float
    band: float | None


@dataclass(frozen=True)
class Found:
    """Attributes: uploads: as the ledger has them; points: those the line goes through; line; new: other runs, the
    highest first; board: or None."""

    uploads: list[Upload]
    points: list[Upload]
    line: Line | None
    new: list[Expected]
    board: Board | None


def gather(uploads: list[Upload], scores: dict[str, float], board: Board | None) -> Found:
    """`scores`: cross-fitted, of every run that is tuned."""
    points = expected.points(uploads)
    line = expected.line(points)
    known = {one.run for one in uploads if one.public is not None}
    new = [] if line is None else [_expected(line, run, score) for run, score in scores.items() if run not in known]
    return Found(uploads, points, line, sorted(new, key=lambda one: -one.public), board)


def _expected(line: Line, run: str, score: float) -> Expected:
    return Expected(run, score, line.at(score), line.band(score))


def in_words(place: Place | None) -> str:
    """`12, gold`."""
    if place is None:
        return ""
    return f"{place.rank}" + (f", {place.medal}" if place.medal else "")


def placed(found: Found, score: float | None) -> str:
    """The rank and medal that a score would have had, in words; blank where there is none, or no leaderboard."""
    return "" if found.board is None or score is None else in_words(found.board.place(score))


def between(found: Found, one: Expected) -> str:
    """The ranks of an expected score's band, the better end first."""
    if found.board is None:
        return ""
    if one.band is None:
        return placed(found, one.public)
    ends = [found.board.place(one.public + sign * one.band) for sign in (1, -1)]
    first, last = sorted(ends, key=lambda place: place.rank)
    return in_words(first) if first.rank == last.rank else f"{in_words(first)} to {in_words(last)}"
