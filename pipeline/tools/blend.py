"""RUN RUN … [--run NAME] -> one run of several: weights found on what all held out; tuned, scored, submitted.

    ./run.sh tgs blend quick theirs                   as run blend-quick-theirs
    ./run.sh tgs blend quick theirs wide --run final  under a name of your own

Weights are found for the competition's metric on out-of-fold predictions, with thresholds searched for each mixture
(greedy ensemble selection, Caruana et al. 2004), and cross-fitted: what finding them gains is scored on images that
neither weights nor thresholds were chosen on. They are kept where they gain more than one paired standard error over
the plain mean; otherwise the plain mean is. The best single run is shown beside both. In the run, too, each fold is
answered by weights that were chosen without it: its cross-fitted score may be compared with that of any other run.

Predictions are averaged pixel by pixel, of objects the maps that they are decoded from: each run votes for what a pixel
is, and numbers of objects are never averaged. Runs of other folds are joined where each held out the same images. What
comes of it is a run as `adopt` makes it, trained by nobody: when a run that it is of predicts anew, blend again.
"""

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.command import order
from pipeline.errors import UserError, shown
from pipeline.runs import adopted, blending, brought, every, mixture, trained, tuning
from pipeline.runs.blending import Choice, Trials, Weights
from pipeline.runs.job import Job
from pipeline.runs.mixture import Mixture
from pipeline.stages import predict
from pipeline.store import disk, records

OF_RUNS_IN_WORDS = True
EXAMPLE = "./run.sh tgs blend RUN RUN … [--run NAME]"


def run(job: Job | None, words: list[str]) -> int:
    """Finds the weights, writes the run, and does what comes after training. Returns 0.

    Raises UserError for runs that cannot be mixed, before anything is read or written.
    """
    if job is None or len(set(words)) < 2:
        raise UserError(f"blend wants a competition and two different runs or more: {EXAMPLE}")
    if len(set(words)) < len(words):
        raise UserError(f"run '{next(word for word in words if words.count(word) > 1)}' is named twice; name it once")
    order.bring_up_to_date(job, "split")
    runs = [one.job for one in every.chosen(job, words)]
    job = _job(job, runs[0], words)
    mixed = mixture.of_jobs(runs)
    for name, folds in mixed.left_out.items():
        job.say(f"left out, not held out by all: fold(s) {shown(folds, 10)} of {name}")
    trials, choice = _chosen(job, mixed)
    lines = _lines(mixed, choice)
    for line in lines:
        job.say(line)
    count = sum(len(mixed.rows(fold)) for fold in mixed.folds)
    held = mixed.by_fold(blending.of_images(trials, choice.kept, count))
    tests = mixed.tests(choice.kept.weights, held)
    _write(job, mixed, choice, lines, held, tests if _answering(job, mixed, tests) else {})
    order.bring_up_to_date(job, "report")
    return 0


def _job(job: Job, first: Job, words: list[str]) -> Job:
    """The blend's own. Raises UserError where its name is another run's."""
    name = job.store.run if job.has_own_name else f"blend-{'-'.join(words)}"
    if len(name.encode()) > 200:
        raise UserError("the blend's name would be too long for a file; give a shorter one with --run NAME")
    found = replace(job, store=replace(job.store, run=name), recipe=first.recipe)
    if name in words:
        raise UserError(f"run '{name}' is one of those that are blended; give another --run NAME")
    known = adopted.read(found.store)
    if known is None and any(found.store.run_folder.glob("[!.]*")):
        raise UserError(f"run '{name}' is there and no blend; give another --run NAME")
    # a name may also be that of other runs: blend-a-b-c of a-b and c, or of a and b-c
    if known is not None and set(known.get("weights", ())) != set(words) and not job.again:
        raise UserError(
            f"run '{name}' was made from {known.get('from')}; give another --run NAME, or --again to replace it"
        )
    # a blend is as cheap as its thresholds: the same command makes it anew
    return adopted.job_of(replace(found, again=found.again or known is not None), first.recipe.fit)


def _chosen(job: Job, mixed: Mixture) -> tuple[Trials, Choice]:
    from tqdm import tqdm

    with tqdm(desc="mixtures", unit="mixture", disable=not sys.stderr.isatty(), delay=1) as bar:
        trials = Trials(len(mixed.jobs), mixed.data, bar.update)
        return trials, blending.choose(trials)


def _lines(mixed: Mixture, choice: Choice) -> list[str]:
    """The table of what was tried, and what is kept."""
    names = mixed.names
    found = [f"{'':<28}{'out-of-fold':>12}{'cross-fitted':>14}"]
    for one in (choice.single, choice.mean, choice.weighted):
        crossed = "" if one.cross_fitted is None else f"{one.cross_fitted.score():>14.4f}"
        error = "" if one.cross_fitted is None else f" ± {one.cross_fitted.error():.4f}"
        found.append(f"{one.name:<28}{one.on_all:>12.4f}{crossed}{error}  {_shares(names, one.weights)}")
    for (one, other), (gain, error) in choice.gains.items():
        found.append(f"{one} against {other}: {gain:+.4f} ± {error:.4f} (paired)")
    found.append(f"kept: {choice.kept.name}; {_why(choice)}")
    if choice.kept is choice.weighted:
        found.append("each held-out image is answered by weights that were chosen without its part")
    gain, error = choice.gains.get((choice.mean.name, choice.single.name), (0.0, 0.0))
    if choice.kept is choice.mean and gain < -error:
        found.append(f"warning: {_shares(names, choice.single.weights)} alone is better than this blend; submit that")
    return found


def _why(choice: Choice) -> str:
    if not choice.gains:
        return _UNKNOWN
    gain, error = choice.gains[choice.weighted.name, choice.mean.name]
    if gain > error and choice.kept is choice.mean:
        return f"fewer than {tuning.FEWEST} independent parts are too few to tell what weights gain from chance"
    why = "gain more than" if choice.kept is choice.weighted else "do not gain more than"
    return f"weights {why} one paired standard error over the plain mean"


_UNKNOWN = "what is held out is of one group, so that nothing can be cross-fitted and what weights gain is not known"


def _shares(names: list[str], weights: Weights) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in _share(names, weights).items() if share)


def _share(names: list[str], weights: Weights) -> dict[str, float]:
    """Of each run; they add up to 1."""
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}


def _answering(job: Job, mixed: Mixture, tests: dict[object, Weights]) -> bool:
    """Whether the blend can answer the test part: the runs that count predict it, where they have not yet."""
    if trained.answered_part(job) == "valid":
        return False
    counting = [one for one, weights in zip(mixed.jobs, zip(*tests.values(), strict=True), strict=True) if any(weights)]
    silent = [one.store.run for one in counting if not trained.can_answer(one)]
    if silent:
        job.say(f"no test predictions of {shown(silent)}: the submission is left out")
        return False
    for one in counting:
        job.say(f"run {one.store.run}:")
        order.bring_up_to_date(one, "predict")
    return True


def _write(
    job: Job,
    mixed: Mixture,
    choice: Choice,
    lines: list[str],
    held: dict[int, list[Weights]],
    tests: dict[object, Weights],
) -> None:
    """The run's folder, as a whole. `held`, `tests`: the weights of each held-out image and of the test predictions."""
    weights, files = choice.kept.weights, {}
    for one in mixed.jobs:
        for fold in one.store.folds_holding(trained.DONE):
            path = one.store.fold(fold) / trained.DONE
            files[job.store.shown(path)] = records.fingerprint(path)
    fingerprint = disk.text_hash(weights, choice.kept.apart, *files.items())
    words = ["./run.sh", job.competition.name, "blend", *mixed.names, "--run", job.store.run]
    content = {
        "from": f"runs {shown(mixed.names, len(mixed.names))}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(words),
        "options": {},
        "fingerprint": fingerprint,
        "files": files,
        "weights": _share(mixed.names, weights),
        "apart": [_share(mixed.names, own) for own in choice.kept.apart],
        "tests": {str(fold): dict(zip(mixed.names, own, strict=True)) for fold, own in tests.items()},
        "assumed": lines,
        "warnings": [],
    }
    ids = job.prepared.table["id"]
    valid = {
        fold: brought.Answers(
            len(own), lambda fold=fold, own=own: ((ids.iloc[row], p) for row, p in mixed.valid(own, fold))
        )
        for fold, own in held.items()
    }
    test = {
        fold: brought.Answers(len(job.prepared.test), lambda fold=fold, own=own: mixed.test(own, fold))
        for fold, own in tests.items()
    }
    brought.write(job, content, valid, test, predict.inputs_of, "blend")
