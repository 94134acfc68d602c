"""The public score that an out-of-fold score leads to expect: the line through what was uploaded, and its spread."""

from dataclasses import dataclass

import numpy as np

from pipeline.store.ledger import Upload

FEW = 6  # fewer points are few
SAME = 1e-4  # apart are scores that are one: no slope is told by them


@dataclass(frozen=True)
class Line:
    """public = intercept + slope x cross-fitted, from n uploads.

    Attributes:
        spread: the standard deviation of public scores around it; None where one upload says nothing of that.
        middle: the mean of the n cross-fitted scores; reach: the sum of their squared distances from it, or 0 where the
            slope is taken to be 1 (fewer than three uploads, or all of one score).
    """

    slope: float
    intercept: float
    n: int
    spread: float | None
    middle: float
    reach: float

    def at(self, score: float) -> float:
        return self.intercept + self.slope * score

    def band(self, score: float) -> float | None:
        """The standard error of a new public score around the line; None where there is no spread."""
        if self.spread is None:
            return None
        along = (score - self.middle) ** 2 / self.reach if self.reach else 0.0
        return self.spread * float(np.sqrt(1 + 1 / self.n + along))

    def in_words(self) -> str:
        spread = "" if self.spread is None else f", spread {self.spread:.4f}"
        if self.reach:
            sign = "+" if self.slope >= 0 else "-"
            return (
                f"public = {self.intercept:.4f} {sign} {abs(self.slope):.3f} x cross-fitted, {self.n} uploads{spread}"
            )
        return f"public = cross-fitted {self.intercept:+.4f} (slope taken for 1), {self.n} upload(s){spread}"


def points(uploads: list[Upload]) -> list[Upload]:
    """Those that have both scores; of a file that was sent several times, the last."""
    known = [one for one in uploads if one.cross_fitted is not None and one.public is not None]
    return list({(one.run, one.file_hash): one for one in known}.values())


def line(given: list[Upload]) -> Line | None:
    """Least squares through points; with fewer than three, or all at one score, the mean distance. None of none."""
    if not given:
        return None
    x, y = (np.array([getattr(one, name) for one in given]) for name in ("cross_fitted", "public"))
    n, middle = len(x), float(x.mean())
    reach = float(((x - middle) ** 2).sum()) if n > 2 and np.ptp(x) > SAME else 0.0
    slope = float(((x - middle) * (y - y.mean())).sum() / reach) if reach else 1.0
    intercept = float(y.mean() - slope * middle)
    left = n - (2 if reach else 1)
    spread = float(np.sqrt(((y - intercept - slope * x) ** 2).sum() / left)) if left else None
    return Line(slope, intercept, n, spread, middle, reach)


def caution(found: Line | None) -> str:
    """What so few points cannot say; blank where they are enough."""
    if found is None:
        return "no upload has both a cross-fitted and a public score: nothing can be expected of a new one"
    if found.n == 1:
        return "one upload: its distance is taken for all, and how far others stray is not known"
    if found.n == 2:
        return "two uploads: their mean distance, and a spread that two points tell badly"
    return f"{found.n} uploads are few: line and band are loosely known" if found.n < FEW else ""
