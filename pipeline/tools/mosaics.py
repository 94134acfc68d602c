"""[--groups] -> data/<c>/mosaics.csv, mosaics.html: images that are tiles of one picture, as groups for folds.

    ./run.sh tgs mosaics             finds them, says how many are chance, and shows them
    ./run.sh tgs mosaics --groups    also writes folds/<c>-groups.csv, by which the folds are then made

Tiles are found by edges that continue, among train and test images of one size. Each pair must be each other's best,
and clearly better than the next; what the same search finds in edges read backwards is how many are chance. With groups
the tiles of a mosaic are in one fold, and standard errors are over mosaics. Where nothing but chance is found, nothing
is written.
"""

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.reporting.mosaics import facts, page
from pipeline.reporting.shared.page import put_rows, put_text
from pipeline.runs.job import Job


def run(job: Job | None, words: list[str], groups: bool = False) -> int:
    """Writes the table and the page, and with `groups` the groups. Raises UserError when it is given words, or there
    are no groups to write."""
    if job is None or words:
        raise UserError("mosaics wants a competition and nothing more: ./run.sh tgs mosaics [--groups]")
    order.bring_up_to_date(job, "prepare")
    if groups and not job.prepared.own_groups and job.prepared.groups(job.prepared.train) is not None:
        raise UserError(f"{job.competition.name} has groups already, and folds are made by these; leave out --groups")
    job.prepared.check_arrays()
    found = facts.find(job.prepared, job.competition.task)
    for line in facts.lines(found, job.prepared):
        job.say(line)
    rows = facts.groups(found, job.prepared)
    if groups and (found.is_chance or not rows):
        raise UserError("there are no mosaics of several train images to make groups of; leave out --groups")
    if found.is_chance:
        return 0
    job.say(put_rows(job, job.store.data / "mosaics.csv", facts.COLUMNS, facts.table(found, job.prepared)))
    job.say(f"{put_text(job, job.store.data / 'mosaics.html', page.render(job, found))}: open it in a browser")
    if groups:
        names = len({group for _, group in rows})
        said = put_rows(job, job.store.own_groups, ["id", "group"], rows)
        job.say(f"{said}: {len(rows)} train images in {names} groups; ./run.sh {job.competition.name} split")
    return 0
