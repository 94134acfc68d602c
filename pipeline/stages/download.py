"""nothing -> data/<c>/raw: the zip as Kaggle gives it, never unpacked, or what a competition draws itself."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle import site
from pipeline.kaggle.refusals import NoCredentials
from pipeline.runs import drawn
from pipeline.runs.job import Job

READS = ()


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.raw


def is_current(job: Job) -> bool:
    """Whether there is something to prepare, or it is prepared already. Raises UserError for a bad --data."""
    found = _has_raw_files(job) or (job.store.prepared / "prepared.json").exists()
    if found and drawn.is_taken(job):
        job.say(f"warning: {drawn.SAID}")
    return found


def run(job: Job, named: bool = False) -> None:
    competition, raw = job.competition, job.store.raw
    if job.data is not None:
        job.say(f"the raw files are taken from {job.raw_folder()}: nothing to download")
    elif _has_raw_files(job) and not job.again:
        job.say(f"raw files are in {job.store.shown(job.raw_folder())}: not fetched again (--again does)")
    elif competition.slug:
        _download(job)
    elif competition.draw:
        # it is written last: what is being drawn must not look finished
        try:
            (raw / "train.csv").unlink(missing_ok=True)
            raw.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {raw}: {error.strerror}; use --root DIR") from error
        competition.draw(raw)
        job.say(f"drew the images of {competition.name} into {job.store.shown(raw)}")
    else:
        where = f"get its files from {competition.page} and " if competition.page else ""
        raise UserError(f"{competition.name} is not on Kaggle: {where}name the folder of its files with --data DIR")


def _download(job: Job) -> None:
    """From Kaggle; where nobody is logged in, what can stand in for it is drawn, apart from `raw`, and that is said."""
    competition = job.competition
    try:
        path = site.download(competition.slug, job.store.raw, competition.page, job.say)
    except NoCredentials as error:
        if not drawn.may_stand_in(job) or job.raw_folder() not in (None, job.store.drawn):
            raise
        drawn.draw(job)
        job.say(str(error))
        job.say(f"warning: {drawn.SAID} (drawn into {job.store.shown(job.store.drawn)})")
        return
    job.say(f"downloaded {job.store.shown(path)}, {path.stat().st_size / 1e6:.1f} MB")


def _has_raw_files(job: Job) -> bool:
    folder = job.raw_folder()
    if job.data is None and job.competition.draw and not job.competition.slug:
        return (job.store.raw / "train.csv").exists()
    return folder is not None
