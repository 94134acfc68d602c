"""thresholds.json tuning.npz fold<k>/{history.csv,valid.npy} submissions/<c>-<run>.csv -> runs/<c>/<run>/report.html.

One self-contained page about a run. Whether test images look as train images do is kept in data/<c>/dataset_shift.json:
it is the same for all runs. Where the truth of the test part is known and kept apart, the report (and nothing
else) scores the submission on it and ends with that score.
"""

from pathlib import Path

import numpy as np

from pipeline.runs import by_kind, decoding, every, scored_by, trained
from pipeline.runs.job import Job
from pipeline.store import records

READS = ("tune", "submit")


def reads(job: Job) -> tuple[str, ...]:
    """Where nothing can answer the test part, the page is of the out-of-fold predictions alone."""
    return READS if trained.can_answer(job) else ("tune",)


def needs(job: Job) -> tuple[str, ...]:
    if job.store.report.exists():
        return ()
    return ("jinja2", "matplotlib", *(() if job.store.dataset_shift.exists() else ("sklearn",)))


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.report


def is_current(job: Job) -> bool:
    state = records.state(job.store.report, inputs_of(job))
    if state == "yours":
        job.say(f"{job.store.shown(job.store.report)} is yours: left as it is")
    return state in ("current", "yours")


def inputs_of(job: Job) -> dict:
    """Everything the page shows; a file that is not there counts as blank."""
    files = {path.name: path for path in (job.store.thresholds, job.store.tuning, job.store.submission)}
    files |= {path.name: path for path in (job.store.adopted,) if path.exists()}
    for fold in trained.folds(job):
        folder = job.store.fold(fold)
        names = ("history.csv", "environment.json", "valid.npy", "valid_no_tta.npy")
        files |= {f"{folder.name}/{name}": folder / name for name in names}
    known = decoding.inputs_of(job, np.arange(len(job.prepared.table)))
    known |= {"rules": scored_by.fingerprint(job.competition)} if known else {}
    kinds = {kind: job.prepared.fingerprint(kind) for kind in ("train", "test", "truth")}
    known |= {"groups": job.prepared.own_groups} if job.prepared.own_groups else {}
    marks = {name: _mark(path) for name, path in files.items()}
    beside = {one.name: _mark(one.job.store.thresholds) for one in every.split_otherwise(job)}
    known |= {"beside": beside} if beside else {}
    return {**kinds, **known, "folds": job.fold_table.fingerprint(), **marks}


def run(job: Job, named: bool = False) -> None:
    from pipeline.reporting.run import facts, kinds, page

    path, inputs = job.store.report, inputs_of(job)
    if records.state(path, inputs) == "yours" and not job.again:
        job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it)")
        return
    found = facts.gather(job)
    text = page.render(page.collect(job, found))
    with records.recorded(path, inputs) as part:
        part.write_text(text, encoding="utf-8")
    job.say(f"{job.store.shown(path)}: {len(text) / 1e6:.1f} MB, open it in a browser")
    table, shifted = by_kind.table(job), found.shift and found.shift.warning()
    mixed, lacking = kinds.line(found, table), kinds.lacking_line(job, table)
    warnings = [f"warning: {line}" for line in (lacking, shifted) if line]
    for line in [*([mixed] if mixed else []), *kinds.beside_lines(job, found), *warnings]:
        job.say(line)
    if found.hidden:
        job.say(facts.hidden_line(found))


def _mark(path: Path) -> str:
    return records.fingerprint(path) if path.exists() else ""
