"""Which two runs to choose: what each would get on the private part, alone and as the better of two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.reporting.ablation import facts as paired
from pipeline.runs import simulated
from pipeline.runs.crossed import Crossed
from pipeline.runs.paired import common
from pipeline.runs.simulated import LEAD, Drawn
from pipeline.tasks.scoring import Tally

SECOND = 1e-9  # what a second run's own score counts beside the better of two: less than any difference that is shown
SHARE = 1 / 3  # of the test images that are public, where it is not said: typical of Kaggle


@dataclass(frozen=True)
class Sizes:
    """Images of the public and of the private part; `said`: where the numbers are from, in words."""

    public: int
    private: int
    said: str


@dataclass(frozen=True)
class Picked:
    """r runs, the highest cross-fitted score first.

    Attributes:
        names; tallies: what they got on the n images that all held out; folds; notes: what was left out.
        sizes: of the parts in images; parts: how many independent ones there are, and are drawn for each side.
        drawn: the scores in the drawn competitions. pair: places of the two to choose.
    """

    names: list[str]
    tallies: list[Tally]
    folds: list[int]
    notes: list[str]
    sizes: Sizes
    parts: tuple[int, int, int]
    drawn: Drawn
    pair: tuple[int, int]

    def alike(self, place: int) -> list[int]:
        """The other runs that cannot be told from a run: their paired difference is at most its standard error."""
        others = (other for other in range(len(self.names)) if other != place)
        return [other for other in others if self._verdict(place, other) in ("no difference", "unknown")]

    def _verdict(self, first: int, second: int) -> str:
        return paired.verdict(*paired.paired(self.tallies[first], self.tallies[second]))


def sizes(public: int, private: int, test: int, held_out: int) -> Sizes:
    """Of the parts as they are given (0: not given), or as they are typical of so many test images. Raises
    UserError where one part is given, and is all of them or more."""
    total = test or held_out
    of = f"{test} test images" if test else f"{held_out} held-out images (there is no test part)"
    if public and private:
        return Sizes(public, private, "as given")
    if public or private:
        rest = total - (public or private)
        if rest < 1:
            given, other = ("public", "private") if public else ("private", "public")
            raise UserError(
                f"--{given} {public or private} leaves none of the {of} for the {other} part; give both numbers, "
                "--public and --private"
            )
        return Sizes(public or rest, private or rest, f"the rest of the {of}")
    first = max(1, round(total * SHARE))
    return Sizes(first, max(1, total - first), f"a third and two thirds of the {of}, which is typical; see --public")


def pick(
    metric, runs: dict[str, Crossed], sizes: Sizes, repeats: int = simulated.DRAWS, notes: Sequence[str] = ()
) -> Picked:
    """Draws competitions. `notes`: how these came about, a line each.

    Raises UserError: fewer than two runs, no images in common, one independent part.
    """
    if len(runs) < 2:
        raise UserError(f"picks wants two runs at least; there is {len(runs)} with cross-fitted scores")
    found = common(list(runs), list(runs.values()))
    tallies = [one.tally(metric, rows) for one, rows in zip(runs.values(), found.places, strict=True)]
    order = sorted(range(len(tallies)), key=lambda place: -tallies[place].score())
    names, tallies = [list(runs)[place] for place in order], [tallies[place] for place in order]
    parts = simulated.parts_of(tallies)
    if len(parts) < 2:
        raise UserError("all held-out images are of one group: how far scores stray is not known; train more folds")
    drawn = simulated.drawn(parts, sizes.public, sizes.private, repeats=repeats)
    drawn_parts = len(parts), parts.size(sizes.public), parts.size(sizes.private)
    said = [*found.notes, *notes]
    return Picked(names, tallies, found.folds, said, sizes, drawn_parts, drawn, best_pair(drawn))


def best_pair(drawn: Drawn) -> tuple[int, int]:
    """The places of the two runs whose better one has the highest expected private score; the better of them first.
    Where one run beats all others every time, the second is the one with the highest score of its own."""
    expected = drawn.expected()
    best = drawn.expected_best() + SECOND * (expected[:, None] + expected)
    np.fill_diagonal(best, -np.inf)
    pair = np.unravel_index(best.argmax(), best.shape)
    return tuple(sorted(map(int, pair), key=lambda place: -expected[place]))


def rows(found: Picked) -> list[dict]:
    """For each run its scores and chances; `partner`: the best second one beside it, and what the better of both is
    expected to get."""
    drawn, best = found.drawn, found.drawn.expected_best()
    beats, chances, expected = drawn.beats(), drawn.best(), drawn.expected()
    np.fill_diagonal(best, -np.inf)
    top = found.pair[0]
    return [
        {
            "run": name,
            "chosen": place in found.pair,
            "score": tally.score(),
            "error": tally.error(),
            "expected": float(expected[place]),
            "best": float(chances[place]),
            "beats": None if place == top else float(beats[place, top]),
            "partner": found.names[int(best[place].argmax())],
            "both": float(best[place].max()),
        }
        for place, (name, tally) in enumerate(zip(found.names, found.tallies, strict=True))
    ]


def sentences(found: Picked) -> list[str]:
    """What to do, and how far it can be told."""
    (first, second), drawn = found.pair, found.drawn
    both, alone = float(drawn.expected_best()[first, second]), float(drawn.expected()[first])
    names = found.names
    said = [
        f"Choose {names[first]} and {names[second]}: the better of the two is expected to get {both:.4f} on the "
        f"private part, {names[first]} alone {alone:.4f}."
    ]
    alike = [names[place] for place in found.alike(first) if place != second]
    if second in found.alike(first):
        said.append(f"{names[first]} and {names[second]} themselves are too alike to tell which is better.")
    if alike:
        listed = ", ".join(alike[:6]) + (", …" if len(alike) > 6 else "")
        said.append(
            f"Too alike to tell from {names[first]}, by a paired standard error: {listed}. Another second one may do."
        )
    held, seen = drawn.holding()
    if held is None:
        said.append(f"No run led another by {LEAD:g} on any public part that was drawn.")
    else:
        said.append(
            f"A lead of {LEAD:g} or more on the public part holds on the private one in {100 * held:.0f} % of "
            f"{seen} leads: between runs like these."
        )
    return said
