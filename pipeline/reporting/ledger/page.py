"""The ledger for people: a page with a picture, and lines for the terminal."""

from pathlib import Path

from pipeline.reporting.ledger import facts
from pipeline.reporting.ledger.facts import Found
from pipeline.reporting.shared import lines, relations
from pipeline.reporting.shared.page import filled_in
from pipeline.runs import expected
from pipeline.runs.job import Job


def render(job: Job, found: Found) -> str:
    """The page as html."""
    points = [(one.cross_fitted, one.public) for one in found.points]
    new = [(one.cross_fitted, one.public) for one in found.new]
    content = {
        "competition": job.competition,
        "metric": job.competition.metric.name,
        "uploads": uploads(found),
        "new": new_runs(found),
        "line": found.line,
        "sentences": sentences(found),
        "teams": None if found.board is None else len(found.board.scores),
        "chart": relations.uploads(points, found.line, new) if points else "",
    }
    return filled_in(Path(__file__).with_name("page.html"), content)


def text(found: Found) -> list[str]:
    """For the terminal."""
    placed = [] if found.board is None else ["public's rank", "private's rank"]
    titles = ["when", "run", "cross-fitted", "public", "private", "public - cross-fitted", *placed]
    rows = [
        [
            row["when"],
            row["run"],
            *(lines.number(row[name]) for name in ("cross_fitted", "public", "private")),
            lines.number(row["apart"], sign="+"),
            *([row["public_place"] or "-", row["private_place"] or "-"] if placed else []),
        ]
        for row in uploads(found)
    ]
    said = [*(lines.table(titles, rows, left=2) if rows else []), *sentences(found)]
    if found.new:
        titles = ["not uploaded", "cross-fitted", "public expected", *(["rank"] if placed else [])]
        rows = [
            [
                row["run"],
                lines.number(row["cross_fitted"]),
                lines.with_error(row["public"], row["band"]),
                *([row["place"]] if placed else []),
            ]
            for row in new_runs(found)
        ]
        said += lines.table(titles, rows)
    return said


def uploads(found: Found) -> list[dict]:
    return [
        {
            "when": one.when[:16].replace("T", " "),
            "run": one.run,
            "cross_fitted": one.cross_fitted,
            "public": one.public,
            "private": one.private,
            "apart": None if None in (one.public, one.cross_fitted) else one.public - one.cross_fitted,
            "public_place": facts.placed(found, one.public),
            "private_place": facts.placed(found, one.private),
        }
        for one in found.uploads
    ]


def new_runs(found: Found) -> list[dict]:
    return [
        {
            "run": one.run,
            "cross_fitted": one.cross_fitted,
            "public": one.public,
            "band": one.band,
            "place": facts.between(found, one),
        }
        for one in found.new
    ]


def sentences(found: Found) -> list[str]:
    """The line, how far it can be trusted, and what the ranks are of."""
    said = [] if found.line is None else [f"{found.line.in_words()}."]
    if caution := expected.caution(found.line):
        said.append(f"{caution[0].upper()}{caution[1:]}.")
    if found.line is not None and found.line.spread is not None:
        said.append("Behind ± stands one standard error of a new score.")
    left = sum(one.public is None or one.cross_fitted is None for one in found.uploads)
    if left:
        said.append(f"{left} upload(s) lack a public or a cross-fitted score and are not on the line.")
    if found.board is not None:
        said.append(
            f"Ranks among {len(found.board.scores)} teams, behind those of the same score; "
            f"{'higher' if found.board.higher else 'lower'} is better; medals by kaggle.com/progression."
        )
        said += [f"{note[0].upper()}{note[1:]}." for note in found.board.notes]
    return said
