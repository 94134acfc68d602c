"""[RUN …] [--public N --private N] -> runs/<c>/picks.html: the two submissions to choose at the end.

    ./run.sh tgs picks
    ./run.sh tgs picks quick quick-width-24 mine --public 6000 --private 12000

Competitions are drawn from what the held-out images got (cross-fitted), with public and private parts of these sizes;
groups stay whole. Shown: how often each run is the best on the private part, how often one beats another there, how
often a lead of .003 on the public part holds, and which two make the expected best of both the highest. Without names
all runs are taken that are tuned and hold out the same images as the one with the highest score. Sizes are in images; a
third and two thirds of the test part where they are not given.
"""

from pipeline.errors import UserError, shown
from pipeline.reporting.picks import facts, page
from pipeline.reporting.shared.page import put_text
from pipeline.runs import every, tuned
from pipeline.runs.crossed import Crossed
from pipeline.runs.job import Job
from pipeline.stages import tune

OF_EVERY_RUN = True


def run(job: Job | None, words: list[str], public: int = 0, private: int = 0) -> int:
    """Draws, prints and writes the page. Raises UserError: fewer than two runs, or runs that have no images in
    common."""
    if job is None:
        raise UserError("picks wants a competition: ./run.sh tgs picks [RUN …] [--public N --private N]")
    if len(words) != len(set(words)):
        raise UserError(f"a run is named twice: {shown(words)}")
    if len(words) == 1:
        raise UserError(f"picks wants two runs at least, or no name for all: ./run.sh {job.competition.name} picks")
    runs, notes = _named(job, words) if words else (_all(job), [])
    held_out = max((len(one) for one in runs.values()), default=0)
    sizes = facts.sizes(public, private, len(job.prepared.test), held_out)
    found = facts.pick(job.competition.metric, runs, sizes, notes=notes)
    for line in page.text(job, found):
        job.say(line)
    path = job.store.runs / "picks.html"
    job.say(f"{put_text(job, path, page.render(job, found))}: open it in a browser")
    return 0


def _named(job: Job, words: list[str]) -> tuple[dict[str, Crossed], list[str]]:
    return tune.cross_fitted_alike((one.name, one.job) for one in every.one_by_one(every.chosen(job, words)))


def _all(job: Job) -> dict[str, Crossed]:
    """Those that are tuned and hold out the same images as the best of them; who is left out is said."""
    standing = [(one, *tuned.standing(one.job)) for one in every.found(job) if one.job is not None]
    scored = [(content["cross_fitted"], one) for one, content, why in standing if content and not why]
    if len(scored) < 2:
        raise UserError(
            f"picks wants two runs at least that are tuned, there is {len(scored)}: "
            f"./run.sh {job.competition.name} runs says what the others lack"
        )
    best_first = [one for _, one in sorted(scored, key=lambda pair: -pair[0])]
    runs = {one.name: tune.cross_fitted(one.job) for one in every.one_by_one(best_first)}
    reference = next(iter(runs.values()))
    taken = {name: one for name, one in runs.items() if _holds(one) == _holds(reference)}
    if left := [name for name in runs if name not in taken]:
        job.say(f"{len(left)} run(s) hold out other images than {next(iter(runs))} and are left out: {shown(left)}")
    return taken


def _holds(found: Crossed) -> list[tuple]:
    return list(zip(found.folds.tolist(), found.ids.tolist(), strict=True))
