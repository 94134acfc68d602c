"""runs/<c>/<run>/fold<k>/valid.npy -> runs/<c>/<run>/thresholds.json, tuning.npz (for the report), cross_fitted.npz.

An exact search on the out-of-fold predictions of the trained folds, for the competition's metric.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging.metrics import iou
from pipeline.runs import answers, by_kind, crossed, decoding, official, paired, postprocessing, trained, tuning
from pipeline.runs.crossed import Crossed
from pipeline.runs.job import Job
from pipeline.runs.tuned import command, held_out_folds, inputs_of
from pipeline.store import disk, records
from pipeline.tasks.scoring import Tally

READS = ("train",)


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.thresholds


def is_current(job: Job) -> bool:
    state = records.state(job.store.thresholds, inputs_of(job))
    if state == "yours":
        content, _ = tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
        decoding.as_submitted(job, content)
        job.say(f"{job.store.shown(job.store.thresholds)} is yours: used as it is")
    return state in ("current", "yours")


def run(job: Job, named: bool = False) -> None:
    path = job.store.thresholds
    folds = held_out_folds(job)
    if records.state(path, inputs_of(job)) == "yours" and not job.again:
        _score_yours(job, folds)
        return
    task = job.competition.task
    if not folds:
        content = {"classes": list(task.classes), "thresholds": [rule.to_json() for rule in task.plain_thresholds()]}
        content |= {"oof": None, "cross_fitted": None, "standard_error": None, "n": 0}
        content |= {"postprocess": postprocessing.UNKNOWN} if job.competition.postprocess else {}
        job.say("nothing was held out (--fold all): no score, thresholds of .5")
        _write(job, content)
        return
    if len(folds) < job.fold_table.count:
        job.say(f"tuned on the trained folds {', '.join(map(str, folds))} of {job.fold_table.count}")
    for line in by_kind.of_one_fold(job, folds):
        job.say(f"warning: {line}")
    decoding.check(job)
    apart, found = decided(job, folds)
    content, tally = tuning.tuned(found.data, task, apart)
    content |= {} if found.said is None else {"postprocess": found.said}
    _write_pictures(job, found.data)
    _keep(job, folds, found, apart)
    _write(job, content)
    _say(job, content, tally, found.data)
    if found.said is not None:
        job.say(postprocessing.line(found.said))


def _score_yours(job: Job, folds: list[int]) -> None:
    """Checks thresholds made by hand, and says what they score. Raises UserError where they are none."""
    path, task = job.store.thresholds, job.competition.task
    content, rules = tuning.read_thresholds(path, task.classes)
    decoder = decoding.as_submitted(job, content)
    job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it); its scores are not cross-fitted")
    if folds:
        data = out_of_fold(job, folds)
        other = postprocessing.processed(replace(decoder, applies=job.competition.postprocess is not None), folds, data)
        used = other if decoder.applies else data
        _say(job, *tuning.scored(used, task, rules), used, "with these thresholds")
        if job.competition.postprocess is not None:
            found = postprocessing.measured(other, data, [(np.arange(len(data.ids)), rules)])
            job.say(postprocessing.line_by_hand(found, decoder.applies))


def _say(job: Job, content: dict, tally: Tally, data: tuning.OutOfFold, how: str = tuning.CHOSEN) -> None:
    for line in tuning.table(content, how):
        job.say(line)
    task, metric = job.competition.task, job.competition.metric
    warning = tuning.collapsed(task.is_empty(metric, tally.statistics), data.coverage)
    if warning:
        job.say(f"warning: {warning}")


def decided(job: Job, folds: list[int]) -> tuple[tuning.Apart, postprocessing.Decided]:
    """What these folds hold out, as it is submitted, and the thresholds that were chosen apart from each image."""
    data = out_of_fold(job, folds)
    apart = tuning.chosen_apart(data)
    return apart, postprocessing.decided(decoding.plain(job), folds, data, apart)


def out_of_fold(job: Job, folds: list[int]) -> tuning.OutOfFold:
    """Reads the predictions of these folds, for the search. Raises UserError when they are of other images than the
    folds'."""
    # not `table`: pandas would take longer to load than all of this takes
    columns, rows = job.prepared.columns, answers.held_out(job, folds)
    groups = job.prepared.groups(rows)
    task, metric = job.competition.task, job.competition.metric
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)
    return tuning.OutOfFold(
        ids=[columns["id"][row] for row in rows],
        coverage=np.asarray(columns["coverage"], float)[rows],
        folds=np.repeat(folds, [len(job.fold_table.held_out(fold)) for fold in folds]),
        search=task.search(metric, answers.items(job, folds, "valid"), groups),
        plain=task.plain_thresholds(),
        metric=metric,
        groups=groups,
        also={name: _also(job, folds, formula) for name, formula in job.competition.also.items()},
        incomplete=_incomplete(job, rows),
        **postprocessing.measures(decoding.plain(job), folds, plain_kept),
    )


def _incomplete(job: Job, rows: np.ndarray) -> int:
    """Of units of the organisers' metric, where there is one, how many are not all among these rows."""
    if job.competition.official is None:
        return 0
    official.check(job)
    return official.incomplete(job, rows)


def cross_fitted(job: Job) -> Crossed:
    """What the held-out images got, cross-fitted: as it was kept, otherwise counted now and kept.

    Raises UserError: nothing was held out, by predictions that are still true; or by one group alone, so that no
    thresholds can be chosen apart from it.
    """
    trained.check(job)
    folds = held_out_folds(job)
    if not folds:
        raise UserError(f"run '{job.store.run}' holds nothing out: {command(job, 'train')}")
    found = crossed.kept(job.store.crossed, inputs_of(job))
    if found is None:
        apart, now = decided(job, folds)
        found = _keep(job, folds, now, apart)
    if found is None:
        raise UserError(
            f"run '{job.store.run}' has no cross-fitted score: what it holds out is of one group; train more folds"
        )
    return found


def cross_fitted_alike(runs: Iterable[tuple[str, Job]]) -> tuple[dict[str, Crossed], list[str]]:
    """What runs (name, job) got on the folds that all of them hold out alike, cross-fitted within these; and what is
    to be said of that besides what `paired.common` finds in it, a line each.

    A run of more folds would choose its thresholds on more images than the others can, and by kind on other kinds.
    Raises UserError as `cross_fitted` does, or where there is no such fold.
    """
    jobs, found = {}, {}
    for name, job in runs:
        jobs[name], found[name] = job, cross_fitted(job)
    shared = paired.common(list(found), list(found.values()))
    if not shared.notes:
        return found, []
    within = {name: _within(job, found[name], shared.folds) for name, job in jobs.items()}
    if any(one is None for one in within.values()):
        more = "thresholds are those that each run chose with all its folds: within these there is one group alone"
        return found, [more]
    return within, [*shared.notes, "thresholds are chosen within these, for all runs"]


def _within(job: Job, found: Crossed, folds: list[int]) -> Crossed | None:
    """The same of some folds alone; None where they are of one group."""
    if set(found.folds.tolist()) == set(folds):
        return found
    apart, now = decided(job, folds)
    return _crossed(job, folds, now, apart)


def _keep(job: Job, folds: list[int], now: postprocessing.Decided, apart: tuning.Apart) -> Crossed | None:
    """Writes down what each image got under thresholds chosen on others; None where there are none."""
    found = _crossed(job, folds, now, apart)
    if found is not None:
        crossed.keep(job.store.crossed, found, inputs_of(job))
    return found


def _crossed(job: Job, folds: list[int], now: postprocessing.Decided, apart: tuning.Apart) -> Crossed | None:
    tally = tuning.crossed_by(now.data, apart)
    if tally is None:
        return None
    return crossed.of(now.data, tally, apart, _overlap(now.decoder, folds, tally, apart), now.decoder.applies)


def _overlap(decoder: decoding.Decoder, folds: list[int], tally: Tally, apart: tuning.Apart) -> np.ndarray:
    """The IoU of each image's pixels as decoded, mean over classes; read from pixels where the metric counts others."""
    job = decoder.job
    found = job.competition.metric.overlap(tally.statistics)
    if found is not None:
        return found
    task, labels = job.competition.task, job.prepared.labels
    rows = answers.held_out(job, folds)
    found = np.zeros(len(rows))
    for place, decoded in answers.decoded(decoder, folds, list(apart)):
        counts = task.counts(decoded, labels[rows[place]])
        found[place] = iou(*counts.T).mean()
    return found


def _also(job: Job, folds: list[int], formula) -> np.ndarray:
    """A further score of each held-out image, from its probabilities."""
    found = [formula(probabilities, labels) for _, probabilities, labels in answers.items(job, folds, "valid")]
    return np.array(found, float)


def _write_pictures(job: Job, data: tuning.OutOfFold) -> None:
    """What the report draws: what the search saw, and of which images."""
    arrays = {"ids": np.array(data.ids), **data.search.pictures(np.arange(len(data.ids)))}
    with disk.atomic(job.store.tuning) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _write(job: Job, content: dict) -> None:
    with records.recorded(job.store.thresholds, inputs_of(job)) as part:
        disk.write_json(part, content)
