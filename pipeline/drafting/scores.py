"""Scores of published competitions, for a csv that looks like theirs: what a kind of answer is scored by elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.drafting.draft import Kind
from pipeline.raw.annotations.seen import Seen


@dataclass(frozen=True)
class Known:
    """Attributes:
    fits: whether what was seen is laid out as in that competition.
    said: for people. metric_import, metric, official: as of `draft.Kind`.
    """

    fits: Callable[[Seen], bool]
    said: str
    metric_import: str
    metric: str
    official: str = ""


def scored(kind: Kind, seen: Seen) -> tuple[Kind, tuple[str, ...]]:
    """The kind with the score of the competition whose layout it is, where there is one, and what is to be said."""
    known = next((one for one in KNOWN if one.fits(seen)), None)
    if known is None:
        return kind, ()
    found = replace(kind, metric_import=known.metric_import, metric=known.metric, official=known.official)
    return found, (f"{known.said}; another score is one line of the file (metric=)",)


def _is_ships(seen: Seen) -> bool:
    """A row for each object, in a table that is called after ships."""
    return seen.arguments["answer"] == "objects" and "ship" in str(seen.arguments.get("table", "")).lower()


def _is_forgery(seen: Seen) -> bool:
    """JSON lists of several objects in a field, and a word where there is none."""
    form = seen.form
    return bool(form.get("brackets") and form.get("between") and form.get("empty") == "authentic")


def _is_steel(seen: Seen) -> bool:
    """Keys of picture and class, classes that are numbers from 1 to 4."""
    numbers = tuple(map(str, seen.arguments["classes"]))
    return seen.arguments["answer"] == "overlap" and bool(seen.form.get("joined")) and numbers == ("1", "2", "3", "4")


KNOWN = (
    Known(
        _is_ships,
        "laid out as Airbus Ship Detection 2018: scored by its F2 of objects over IoU .5 to .95",
        "object_counts import ObjectCountMetric, object_f2",
        'ObjectCountMetric("mean F2 over IoU .5 to .95, objects", object_f2)',
    ),
    Known(
        _is_forgery,
        "laid out as Recod.ai's forgery detection 2025: its F1 of paired objects is reported, rules are searched by F1 "
        "at IoU .5",
        "object_counts import ObjectCountMetric, object_f1\n"
        "from pipeline.imaging.official import OfficialMetric, Part, object_numbers\n"
        "from pipeline.imaging.unit_measures import optimal_f1",
        'ObjectCountMetric("F1 of objects at IoU .5", object_f1, thresholds=(0.5,))',
        'OfficialMetric("F1 of paired objects", (Part("F1", 1.0, optimal_f1),), reads=object_numbers)',
    ),
    Known(
        _is_steel,
        "laid out as Severstal's steel defects 2019: scored by its mean Dice over pictures and classes",
        "metrics import CountMetric, dice",
        'CountMetric("mean Dice over pictures and classes", dice)',
    ),
)
