"""A leaderboard as Kaggle gives it out, and the rank and medal that a score would have had on it.

Its csv has a team in each row, the best first: `Rank,TeamId,TeamName,LastSubmissionDate,Score,…`, or `rank,score`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.store import disk
from pipeline.store.numbers import number

# https://www.kaggle.com/progression, "Competition medals": the last rank that has each, of so many teams.
# (fewer teams than, gold, silver, bronze); a gold medal more for every 500 teams is their "top 10 + 0.2 %".
MEDALS = (
    (100, lambda teams: teams * 10 // 100, lambda teams: teams * 20 // 100, lambda teams: teams * 40 // 100),
    (250, lambda teams: 10, lambda teams: teams * 20 // 100, lambda teams: teams * 40 // 100),
    (1000, lambda teams: 10 + teams // 500, lambda teams: 50, lambda teams: 100),
    (np.inf, lambda teams: 10 + teams // 500, lambda teams: teams * 5 // 100, lambda teams: teams * 10 // 100),
)
NAMES = ("gold", "silver", "bronze")


@dataclass(frozen=True)
class Place:
    """Where a score would have come: rank 1, 2, …, behind `ties` teams that have the same; medal: or blank."""

    rank: int
    ties: int
    medal: str


@dataclass(frozen=True)
class Board:
    """Attributes: scores: of the teams, the best first; higher: whether a higher one is better; notes: what was left
    out or assumed, a line each."""

    scores: np.ndarray
    higher: bool
    notes: tuple[str, ...] = ()

    def place(self, score: float) -> Place:
        """Of a score that comes last: who had the same one before is ahead."""
        better = self.scores > score if self.higher else self.scores < score
        ties = int((self.scores == score).sum())
        rank = int(better.sum()) + ties + 1
        return Place(rank, ties, medal(rank, len(self.scores)))


def medal(rank: int, teams: int) -> str:
    """The medal of a rank among so many teams; blank where there is none."""
    *_, limits = next(row for row in ((row[0], row[1:]) for row in MEDALS) if teams < row[0])
    # the first of very few teams has gold
    return next((name for name, last in zip(NAMES, limits, strict=True) if rank <= max(1, last(teams))), "")


def read(path: Path) -> Board:
    """Raises UserError: no csv, no column of scores, or scores that neither fall nor rise."""
    if path.suffix.lower() == ".zip":
        raise UserError(f"{path}: unpack it, and name the csv in it")
    if not path.is_file():
        raise UserError(f"{path} is no file; download a leaderboard from Kaggle and name its csv")
    header, rows = disk.table_of(disk.read_bytes(path), str(path))
    column = {name.strip().lower(): place for place, name in reversed(list(enumerate(header)))}
    if "score" not in column:
        raise UserError(f"{path} has no column 'score' (it has {','.join(header)[:80]}); name the csv of a leaderboard")
    rows = [row for row in rows if row]
    scores = np.array([_number(row[column["score"]]) for row in rows])
    ranks = [_number(row[column["rank"]]) for row in rows] if "rank" in column else range(len(rows))
    known = np.isfinite(scores)
    order = np.argsort(np.array(ranks, float)[known], kind="stable")
    found = scores[known][order]
    if not len(found):
        raise UserError(f"{path} holds no score; name the csv of a leaderboard")
    steps = np.diff(found)
    if (steps > 0).any() and (steps < 0).any():
        raise UserError(f"{path}: its scores neither fall nor rise with the rank; name the csv of a leaderboard")
    notes = [f"{(~known).sum()} team(s) without a score are left out"] if not known.all() else []
    if not steps.any():
        notes.append("all scores are the same: higher is taken for better")
    return Board(found, not (steps > 0).any(), tuple(notes))


def _number(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return np.nan
