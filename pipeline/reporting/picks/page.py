"""Which two runs to choose, for people: a page with a table and a picture, and lines for the terminal."""

from pathlib import Path

from pipeline.reporting.picks import facts
from pipeline.reporting.picks.facts import Picked
from pipeline.reporting.shared import lines, relations
from pipeline.reporting.shared.page import filled_in
from pipeline.runs.job import Job

SHOWN = 12  # runs in the picture: of more nothing can be read


def render(job: Job, found: Picked) -> str:
    """The page as html."""
    rows = facts.rows(found)
    content = {
        "competition": job.competition,
        "metric": job.competition.metric.name,
        "rows": rows,
        "chosen": [found.names[place] for place in found.pair],
        "both": max(row["both"] for row in rows),
        "sentences": facts.sentences(found),
        "notes": notes(job, found),
        "setting": setting(found),
        "chart": relations.shares(found.names[:SHOWN], found.drawn.beats()[:SHOWN, :SHOWN]),
        "left_out": max(0, len(rows) - SHOWN),
    }
    return filled_in(Path(__file__).with_name("page.html"), content)


def text(job: Job, found: Picked) -> list[str]:
    """For the terminal."""
    titles = [
        "",
        "run",
        "cross-fitted",
        "expected",
        "best",
        f"beats {found.names[found.pair[0]][:16]}",
        "with",
        "the better",
    ]
    cells = [
        [
            "*" if row["chosen"] else "",
            row["run"],
            lines.with_error(row["score"], row["error"]),
            lines.number(row["expected"]),
            lines.share(row["best"]),
            lines.share(row["beats"]),
            row["partner"],
            lines.number(row["both"]),
        ]
        for row in facts.rows(found)
    ]
    first = f"{job.competition.metric.name}, {len(found.tallies[0])} images of fold(s) {_listed(found)}"
    return [first, setting(found), *notes(job, found), *lines.table(titles, cells, left=2), *facts.sentences(found)]


def notes(job: Job, found: Picked) -> list[str]:
    said = list(found.notes)
    if job.competition.official is not None:
        metric, official = job.competition.metric.name, job.competition.official.name
        said.append(f"scored by {metric}, by which thresholds are searched, not by {official}")
    return said


def setting(found: Picked) -> str:
    """What was drawn, in a line."""
    sizes, (parts, public, private) = found.sizes, found.parts
    groups = "" if parts == len(found.tallies[0]) else f" ({public} and {private} of {parts} groups)"
    return (
        f"{len(found.drawn.private)} competitions drawn: {sizes.public} public and {sizes.private} private "
        f"images{groups}, {sizes.said}"
    )


def _listed(found: Picked) -> str:
    return ", ".join(map(str, found.folds))
