"""What is known of every run: its scores, what they cost, and in which fields of the recipe it differs."""

from dataclasses import dataclass

from pipeline.runs.every import Run
from pipeline.store.ledger import Upload

# of a row, by the names in the csv -> over the column on a page and the terminal
COLUMNS = {
    "run": "run",
    "cross_fitted": "cross-fitted",
    "official": "organisers'",
    "iou": "IoU",
    "minutes": "minutes",
    "public": "public",
    "private": "private",
    "images": "images",
    "folds": "folds",
}


@dataclass(frozen=True)
class Standing:
    """A run and what is true of it today.

    Attributes:
        content: of thresholds.json; empty where its scores are not true. why: what is missing, in words, or blank.
        overlap: IoU of the pixels as decoded, cross-fitted, mean over images and classes; None where not known.
        minutes: of learning. upload: the last one that has a score, or None.
    """

    run: Run
    content: dict
    why: str
    overlap: float | None = None
    minutes: float | None = None
    upload: Upload | None = None

    @property
    def score(self) -> float | None:
        return self.content.get("cross_fitted")

    @property
    def is_by_kind(self) -> bool:
        """Whether its score is of kinds of pictures never seen: another question than other runs answer."""
        return self.run.job is not None and self.run.job.recipe.split == "kind"


def sorted_by_score(standings: list[Standing]) -> list[Standing]:
    """The highest cross-fitted score first, those of kinds never seen below the others; what has none at the end, by
    name."""
    return sorted(standings, key=lambda one: (one.score is None, one.is_by_kind, -(one.score or 0), one.run.name))


def rows(standings: list[Standing], differing: list[str]) -> list[dict]:
    """A row for each run: COLUMNS, standard_error, is_by_kind, why, and under `fields` those of the recipe that
    differ."""
    return [_row(one, differing) for one in sorted_by_score(standings)]


def shown_columns(found: list[dict]) -> list[str]:
    """The names of COLUMNS in which there is something to see: of images and folds only what differs."""
    known = [name for name in COLUMNS if any(row[name] is not None for row in found)]
    same = {name for name in ("images", "folds") if len({row[name] for row in found if row["images"]}) < 2}
    return [name for name in known if name not in same]


def _row(one: Standing, differing: list[str]) -> dict:
    content, fields = one.content, one.run.fields
    return {
        "run": one.run.name,
        "cross_fitted": one.score,
        "standard_error": content.get("standard_error"),
        "official": (content.get("official") or {}).get("cross_fitted"),
        "iou": one.overlap,
        "minutes": one.minutes,
        "public": one.upload and one.upload.public,
        "private": one.upload and one.upload.private,
        "images": content.get("n"),
        "folds": " ".join(map(str, content["folds"])) if content.get("folds") else None,
        "fields": {name: None if fields is None else fields[name] for name in differing},
        "is_by_kind": one.is_by_kind,
        "why": one.why,
    }
