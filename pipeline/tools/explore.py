"""-> data/<c>/explore.html: what is in the data, before anything is trained.

Sizes, classes, copies, doubts, examples.

One self-contained page, and a dozen lines of it on the terminal. The test part is looked at without its truth.
"""

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.store import disk


def run(job, words: list[str]) -> int:
    """Writes the page and prints its summary. Raises UserError when it is given words."""
    if job is None or words:
        raise UserError("explore wants a competition and nothing more: ./run.sh tgs explore")
    order.bring_up_to_date(job, "prepare")
    from pipeline.reporting.explore import facts, page

    found = facts.explore(job.prepared, job.competition.task)
    content = page.collect(job, found)
    text, path = page.render(content), job.store.data / "explore.html"
    disk.write_text(path, text)
    for line in page.summary(content):
        job.say(line)
    job.say(f"{job.store.shown(path)}: {len(text) / 1e6:.1f} MB, open it in a browser")
    return 0
