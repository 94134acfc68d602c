"""A B -> runs/<c>/compare-A-B.html: two runs on the same images: how much better is A, and where?

    ./run.sh tgs compare quick quick-width-24

Each image is decoded by thresholds that were chosen on other folds (cross-fitted). The difference is paired, image by
image, and its standard error is that of the differences, over groups where images belong to groups. It is shown for
all images, by fold, coverage class, kind, group where there are few, and class; the page ends with the images on which
each wins most: both probability maps, both answers. "No difference that n images can show": it is at most one paired
standard error from nothing. Runs of other folds are refused; where only some folds hold out the same images, these are
compared, by thresholds that both chose within them, and it is said.
"""

from pipeline.errors import UserError
from pipeline.reporting.compare import facts, page
from pipeline.reporting.shared.page import put_text
from pipeline.runs import every
from pipeline.runs.job import Job
from pipeline.stages import tune
from pipeline.store import disk

OF_EVERY_RUN = True


def run(job: Job | None, words: list[str]) -> int:
    """Prints the table and writes the page. Raises UserError: not two runs, or runs that cannot be compared."""
    if job is None or len(words) != 2:
        raise UserError("compare wants a competition and two runs: ./run.sh tgs compare A B")
    runs = every.chosen(job, words)
    crossed, notes = tune.cross_fitted_alike((one.name, one.job) for one in runs)
    sides = [facts.Side(one, crossed[one.name]) for one in runs]
    found = facts.compare(job.competition, *sides, notes)
    rows = facts.parts(found, job.competition, sides[0].job.prepared.columns)
    for line in page.text(job, found, rows):
        job.say(line)
    path = job.store.runs / f"{_name(words, {one.name for one in every.found(job)})}.html"
    content = page.collect(sides[0].job, found, rows)
    job.say(f"{put_text(job, path, page.render(content))}: open it in a browser")
    return 0


def _name(words: list[str], known: set[str]) -> str:
    """What the page is called; of runs whose names may be cut apart in another way, both `known`, with what tells them
    apart: `a-b` and `c` are not `a` and `b-c`."""
    joined = "-".join(words)
    cuts = [[joined[:i], joined[i + 1 :]] for i, letter in enumerate(joined) if letter == "-"]
    is_clear = not any(cut != words and known.issuperset(cut) for cut in cuts)
    name = f"compare-{joined}" if is_clear else f"compare-{joined}-{disk.text_hash(*words)[:8]}"
    # a file's name has an end
    return name if len(name.encode()) <= 200 else f"compare-{disk.text_hash(*words)}"
