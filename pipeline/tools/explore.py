"""-> data/<c>/explore.html: what is in the data, before anything is trained. Sizes, classes, copies, doubts, examples.

One self-contained page, and a dozen lines of it on the terminal. The test part is looked at without its truth.
"""

from pipeline import store
from pipeline.errors import UserError
from pipeline.stages import download, prepare


def run(job, words: list[str]) -> int:
    """Writes the page and prints its summary. Raises UserError when it is given words."""
    if job is None or words:
        raise UserError("explore wants a competition and nothing more: ./run.sh tgs explore")
    for stage in (download, prepare):
        if not stage.is_current(job):
            stage.run(job)
    from pipeline.reporting import exploration, explored

    found = explored.explore(job.prepared, job.competition.task)
    content = exploration.collect(job, found)
    text, path = exploration.render(content), job.store.data / "explore.html"
    store.write_text(path, text)
    for line in exploration.summary(content):
        job.say(line)
    job.say(f"{job.store.shown(path)}: {len(text) / 1e6:.1f} MB, open it in a browser")
    return 0
