"""Two runs beside each other, for people: a page, and lines for the terminal."""

from pathlib import Path

from pipeline.reporting.compare import facts, gallery
from pipeline.reporting.compare.facts import Compared
from pipeline.reporting.shared import lines, pictures, relations
from pipeline.reporting.shared.page import css, filled_in
from pipeline.runs.identity import in_words
from pipeline.runs.job import Job

SHOWN = 6  # images of each side
TITLES = {
    "all": "All images",
    "fold": "By fold",
    "coverage class": "By coverage",
    "kind": "By kind",
    "group": "By group",
    "class": "By class",
}


def collect(job: Job, found: Compared, rows: list[dict]) -> dict:
    """The content of the page, by section."""
    task = job.competition.task
    names = [side.name for side in found.sides]
    chosen = facts.most(found, SHOWN)
    coverage = [row for row in rows if row["part"] == "coverage class" and row["error"] is not None]
    chart = [[row[name] for row in coverage] for name in ("name", "difference", "error")]
    return {
        "competition": job.competition,
        "names": names,
        "metric": job.competition.metric.name,
        "whole": rows[0],
        "sentence": facts.sentence(found),
        "notes": notes(job, found),
        "fields": _fields(found),
        "known": found.fields is not None,
        "sections": [(TITLES[part], [row for row in rows if row["part"] == part]) for part in _parts(rows)],
        "chart": relations.gains(*chart, "coverage class, in tenths of the image") if len(coverage) > 1 else "",
        "gallery": [
            {"name": name, "cards": gallery.cards(found, places)} for name, places in zip(names, chosen, strict=True)
        ],
        "colours": {"truth": css(pictures.TRUTH), "found": css(pictures.FOUND)},
        "legend": [(name, css(colour)) for name, colour in zip(task.classes, pictures.palette(task), strict=False)],
    }


def render(content: dict) -> str:
    """The page as html."""
    return filled_in(Path(__file__).with_name("page.html"), content)


def notes(job: Job, found: Compared) -> list[str]:
    """What a reader must know before believing the numbers."""
    said = list(found.notes)
    if len({side.name for side in found.sides}) == 1:
        said.append("it is one run")
    if job.competition.official is not None:
        metric, official = job.competition.metric.name, job.competition.official.name
        said.append(f"scored by {metric}, by which thresholds are searched, not by {official}")
    return said


def text(job: Job, found: Compared, rows: list[dict]) -> list[str]:
    """For the terminal: what differs, the table, and what it says."""
    said = [f"{name} {' | '.join(values)}" for name, values in _fields(found)]
    differs = "; ".join(said) or "nothing"
    first = f"of the recipes: {differs}" if found.fields is not None else "the recipe of one of them is not known"
    titles = ["", "", "images", *(side.name for side in found.sides), "difference", "wins", "loses"]
    cells = [_cells(row) for row in rows]
    return [
        f"{job.competition.metric.name}, {len(found)} images of fold(s) {', '.join(map(str, found.folds))}",
        first,
        *notes(job, found),
        *lines.table(titles, cells, left=2),
        facts.sentence(found),
    ]


def _cells(row: dict) -> list[str]:
    counts = ["" if row[name] is None else str(row[name]) for name in ("wins", "losses")]
    scores = [lines.number(row[name]) for name in ("first", "second")]
    difference = lines.with_error(row["difference"], row["error"], "+")
    return [row["part"], row["name"][-24:], str(row["n"]), *scores, difference, *counts]


def _fields(found: Compared) -> list[tuple[str, tuple[str, str]]]:
    return [(name, tuple(map(in_words, values))) for name, values in (found.fields or {}).items()]


def _parts(rows: list[dict]) -> list[str]:
    return list(dict.fromkeys(row["part"] for row in rows[1:]))
