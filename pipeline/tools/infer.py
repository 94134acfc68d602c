"""[--data DIR] [--time-limit 8h30m] -> submission.csv of the mounted test part, by the pack beside the code.

    python -m pipeline tgs infer                               in a Kaggle notebook: /kaggle/working/submission.csv
    python -m pipeline tgs infer --data DIR --root OUT         elsewhere: OUT/submission.csv

Runs from what `pack` has made: no train data, no folds, no installs, and nothing is written beside the code or the
pictures. The test part is prepared, predicted and encoded piece by piece. Ids are those of the sample submission, or of
the pictures where it is missing or a placeholder (it names less than half of them). A picture that cannot be read, has
other channels, another size or one value costs its own row at most (`--on-bad-image refuse` ends instead). With a time
limit scales are left out, then flips, then folds, by the pace that is measured on the first images, and again where
that gets worse; images that are not reached get an empty row. All of it is said.
"""

from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.inference.whole import Inference
from pipeline.packing import opened
from pipeline.packing.opened import Pack
from pipeline.runs.job import Job
from pipeline.training import trainer

# the run, its recipe and folds are those of the pack: options of others are refused
OF_A_PACK = True


def run(job: Job | None, words: list[str], time_limit: str = "") -> int:
    """Answers the test part. Returns 0. Raises UserError where there is no pack, no test part, or nowhere to write."""
    if job is None or words:
        raise UserError("infer wants a competition: python -m pipeline tgs infer [--data DIR] [--time-limit 8h30m]")
    limit = seconds(time_limit)
    pack = Pack(opened.beside_the_code(), job.competition)
    target, folder = _target(job, pack), job.raw_folder()
    if folder is None:
        raise UserError(
            f"no files of the competition in {job.raw_places()[-1]}; add it to the notebook, or name their folder: "
            "--data DIR"
        )
    trainer.packages(pack.recipe_of(pack.content["answers"][0][0]["run"]))
    Inference(pack, job, limit, job.say).run(folder, target)
    return 0


def seconds(time_limit: str) -> float:
    """0 is none. Raises UserError for what is no time."""
    try:
        return recipes.seconds(time_limit) if time_limit else 0.0
    except ValueError as error:
        raise UserError(f"--time-limit: {error}") from error


def _target(job: Job, pack: Pack) -> Path:
    """The submission. Raises UserError where nobody said where to write."""
    if job.store.root != pack.root:
        return job.store.root / f"submission{job.competition.format.suffix}"
    if job.store.kaggle_output is None:
        raise UserError("this is no Kaggle notebook: name the folder for the submission, --root DIR")
    return job.store.kaggle_output
