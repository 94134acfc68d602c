"""submissions/<c>-<run>.csv -> Kaggle, submissions/ledger.csv: validated, submitted, its score noted.

A code competition takes no csv but a notebook that writes one: `upload --kernel USER/SLUG/VERSION` submits that version
of it. Its row in the ledger names it where a csv's has the hash of the file.
"""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle import kernels, site
from pipeline.runs import drawn, trained
from pipeline.runs.job import Job
from pipeline.store import answer_file, disk, ledger, records
from pipeline.store.ledger import write_row

READS = ("submit",)
# an upload costs one of the day's few submissions: never a side effect
ONLY_NAMED = True


def reads(job: Job) -> tuple[str, ...]:
    """A notebook makes its answer on Kaggle: nothing here need be made."""
    return () if job.kernel else READS


def is_current(job: Job) -> bool:
    """Never: what is asked for is done."""
    return False


def run(job: Job, named: bool = False, timeout: float = 900, every: float = 10) -> None:
    """Uploads the run's submission, or submits a notebook, and waits for its score.

    The ledger row is written as soon as Kaggle has the file, and again with the score: whatever happens while
    waiting, the upload is written down.

    Raises:
        UserError: not a Kaggle competition, an invalid file, a broken ledger, or what `kaggle.site` says.
    """
    slug, page, path = job.competition.slug, job.competition.page, job.store.submission
    if not job.kernel:
        answer_file.validate(path, job.competition.format, trained.expected(job))
    # before the upload: what cannot be written down later must show now
    ledger.read(job.store.ledger)
    row = _row(job, path)
    message = message_of(row, job.message)
    if job.kernel:
        name = f"submission{job.store.suffix}"
        reference = kernels.submit(slug, job.kernel, name, message, page)
    else:
        reference = site.submit(slug, path, message, page)
    write_row(job.store.ledger, row)
    job.say(f"{job.kernel or job.store.shown(path)} is with Kaggle: {message}")
    scores = site.wait_for_score(slug, reference, message, page, timeout=timeout, every=every)
    shown = job.store.shown(job.store.ledger)
    if scores is None:
        job.say(f"no score after {timeout / 60:.0f} minutes: see {page}, and fill it in in {shown}")
        return
    row["public"], row["private"] = scores
    write_row(job.store.ledger, row)
    private = f", private {row['private']}" if row["private"] else ""
    job.say(f"public {row['public'] or 'not shown'}{private}; written to {shown}")


def needs(job: Job) -> tuple[str, ...]:
    return ("kaggle",)


def refuse(job: Job) -> None:
    """Raises UserError where Kaggle takes no submissions: not there, or only a data set."""
    name, slug = job.competition.name, job.competition.slug
    if not job.competition.uploads or not slug or "/" in slug:
        raise UserError(
            f"{name}: Kaggle takes no submissions for it, nothing is uploaded; its scores are in the report "
            f"({job.store.shown(job.store.report)})"
        )
    drawn.refuse(job)
    if job.kernel:
        kernels.version_of(job.kernel)


def message_of(row: dict, words: str = "") -> str:
    """What Kaggle shows beside the submission: the user's words, then always run and out-of-fold score."""
    parts = [f"run {row['run']}"]
    for key, name in (("out_of_fold", "out-of-fold"), ("cross_fitted", "cross-fitted")):
        value = row[key]
        parts.append(f"{name} unknown" if value is None else f"{name} {value:.4f}")
    # one line, as Kaggle's list has room for
    words = " ".join(words.split())
    return f"{words} | {', '.join(parts)}" if words else ", ".join(parts)


def _row(job: Job, path: Path) -> dict:
    """The ledger's row before there is a score; values are blank where there are none."""
    # a score belongs to the file only as long as both are as they were written
    ours = records.read_record(job.store.thresholds) and (job.kernel or records.read_record(path))
    found = disk.read_json(job.store.thresholds) if ours else {}
    scores = {key: found.get(key) for key in ("oof", "cross_fitted")}
    return {
        "when": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "competition": job.competition.name,
        "run": job.store.run,
        "file_hash": job.kernel or disk.file_hash(path),
        "out_of_fold": scores["oof"],
        "cross_fitted": scores["cross_fitted"],
        "public": "",
        "private": "",
    }
