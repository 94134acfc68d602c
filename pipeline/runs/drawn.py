"""Files drawn in a competition's layout where its own are not there: what marks them, and what is said of them.

They lie apart from `raw`, so that what is downloaded or copied there later is taken instead, and the mark lies among
them, so that they are known for what they are wherever they are copied to.
"""

from pipeline.errors import UserError
from pipeline.runs.job import Job
from pipeline.store import disk

MARK = "DRAWN.txt"
SAID = (
    "THE DATA IS DRAWN, not the competition's: scores say that everything runs, not how good it is; name the "
    "competition's files with --data DIR, or log in to Kaggle and run the stage download with --again"
)


def may_stand_in(job: Job) -> bool:
    """Whether files can be drawn where the competition's own are not there. Not in a Kaggle notebook: what it writes
    is submitted."""
    return bool(job.competition.draw and job.competition.slug) and job.store.kaggle_output is None


def is_taken(job: Job) -> bool:
    """Whether the raw files that would be read are those drawn here."""
    return job.data is None and job.raw_folder() == job.store.drawn


def draw(job: Job) -> None:
    """Draws them, as a whole or not at all. Raises UserError."""
    with disk.whole_folder(job.store.drawn) as part:
        job.competition.draw(part)
        disk.write_text(part / MARK, f"{SAID}\n")


def refuse(job: Job) -> None:
    """Raises UserError where what is prepared, or would be, is drawn: no answer to it belongs on Kaggle."""
    done = job.store.prepared / "prepared.json"
    if is_taken(job) if not done.exists() else disk.read_json(done).get("drawn"):
        raise UserError(
            f"{job.competition.name}: its data here is drawn, not the competition's: nothing is uploaded; name the "
            "competition's files with --data DIR"
        )
