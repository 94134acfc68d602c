"""The table of all runs, for people: a page, lines for the terminal, and the rows of a csv."""

from pathlib import Path

from pipeline.reporting.runs.facts import COLUMNS, shown_columns
from pipeline.reporting.shared import lines
from pipeline.reporting.shared.page import filled_in, number, score
from pipeline.runs.identity import in_words
from pipeline.runs.job import Job

UNKNOWN = "?"  # a field of a run that was brought from elsewhere
BY_KIND = "{} run(s) of --split kind stand below the others: their score, of kinds never seen, is another than theirs"


def render(job: Job, rows: list[dict]) -> str:
    """The page as html."""
    columns, fields = shown_columns(rows), _fields(rows)
    scored = [row for row in rows if row["cross_fitted"] is not None]
    content = {
        "competition": job.competition,
        "metric": job.competition.metric.name,
        "official": job.competition.official,
        "titles": [*(COLUMNS[name] for name in columns), *(name.replace("_", " ") for name in fields)],
        "scored": scored,
        "of_kinds": _of_kinds(scored),
        "others": [row for row in rows if row["cross_fitted"] is None],
        "columns": columns[1:],
        "fields": fields,
        "cell": _cell,
        "field": field,
    }
    return filled_in(Path(__file__).with_name("page.html"), content)


def text(job: Job, rows: list[dict]) -> list[str]:
    """The table for the terminal; below it the runs that have no score, with why."""
    scored, others = ([row for row in rows if (row["cross_fitted"] is None) == none] for none in (False, True))
    found = []
    if scored:
        columns, fields = shown_columns(scored), _fields(scored)
        cells = [[_cell(row, name) for name in columns] + [field(row, name) for name in fields] for row in scored]
        titles = [*(COLUMNS[name] for name in columns), *fields]
        found = [f"{job.competition.metric.name}, {len(scored)} run(s)", *lines.table(titles, cells)]
        found += [_of_kinds(scored)] if _of_kinds(scored) else []
    width = max((len(row["run"]) for row in others), default=0)
    return found + [f"{row['run']:<{width}}  {row['why']}" for row in others]


def _of_kinds(scored: list[dict]) -> str:
    """What is to be said of runs by kind among others; blank where there are none."""
    count = sum(row["is_by_kind"] for row in scored)
    return BY_KIND.format(count) if 0 < count < len(scored) else ""


def table(rows: list[dict]) -> tuple[list[str], list[list]]:
    """Titles and rows of the csv, unrounded."""
    names = [*list(COLUMNS)[:2], "standard_error", *list(COLUMNS)[2:]]
    fields = _fields(rows)
    return [*names, *fields, "why"], [
        [*(row[name] for name in names), *(row["fields"][name] for name in fields), row["why"]] for row in rows
    ]


def field(row: dict, name: str) -> str:
    value = row["fields"][name]
    return UNKNOWN if value is None else in_words(value)


def _fields(rows: list[dict]) -> list[str]:
    """Of the fields that differ those in which these rows do."""
    names = list(rows[0]["fields"]) if rows else []
    return [name for name in names if len({repr(row["fields"][name]) for row in rows}) > 1]


def _cell(row: dict, name: str) -> str:
    value = row[name]
    if name == "cross_fitted":
        return lines.with_error(value, row["standard_error"])
    if isinstance(value, str):
        return value
    if name == "images":
        return "-" if value is None else number(value)
    return score(value, 1 if name == "minutes" else 4)
