"""thresholds.json tuning.npz fold<k>/{history.csv,valid.npy} submissions/<c>-<run>.csv -> runs/<c>/<run>/report.html.

One self-contained page about a run. Where the truth of the test part is known and kept apart, the report (and nothing
else) scores the submission on it and ends with that score.
"""

from pathlib import Path

from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import records

READS = ("tune", "submit")


def needs(job: Job) -> tuple[str, ...]:
    return () if job.store.report.exists() else ("jinja2", "matplotlib")


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
    for fold in trained.folds(job):
        folder = job.store.fold(fold)
        names = ("history.csv", "environment.json", "valid.npy", "valid_no_tta.npy")
        files |= {f"{folder.name}/{name}": folder / name for name in names}
    kinds = {kind: job.prepared.fingerprint(kind) for kind in ("train", "test", "truth")}
    return {**kinds, "folds": job.fold_table.fingerprint(), **{name: _mark(path) for name, path in files.items()}}


def run(job: Job, named: bool = False) -> None:
    from pipeline.reporting.run import facts, page

    path, inputs = job.store.report, inputs_of(job)
    if records.state(path, inputs) == "yours" and not job.again:
        job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it)")
        return
    found = facts.gather(job)
    text = page.render(page.collect(job, found))
    with records.recorded(path, inputs) as part:
        part.write_text(text, encoding="utf-8")
    job.say(f"{job.store.shown(path)}: {len(text) / 1e6:.1f} MB, open it in a browser")
    if found.hidden:
        job.say(facts.hidden_line(found))


def _mark(path: Path) -> str:
    return records.fingerprint(path) if path.exists() else ""
