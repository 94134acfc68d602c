"""Which networks answer for a run: those of its folds or, where it is a blend, of the runs that it is of."""

from dataclasses import dataclass

from pipeline.errors import UserError, shown
from pipeline.models import catalogue
from pipeline.runs import adopted, every, mixture, trained
from pipeline.runs.job import Job


@dataclass(frozen=True)
class Share:
    """Attributes: job: of the run; fold: whose network it is; weight: how much it counts, a whole number."""

    job: Job
    fold: object
    weight: int


def of(job: Job) -> list[list[Share]]:
    """The answers of which the submission is the mean; each is a mixture. Raises UserError naming what is missing."""
    known = adopted.read(job.store)
    if known is None:
        folds = trained.predicting_folds(job)
        _refuse_missing(job, folds)
        return [[Share(job, fold, 1)] for fold in folds]
    weights = known.get("weights")
    if not isinstance(weights, dict):
        raise UserError(
            f"run '{job.store.run}' was adopted from {known.get('from')}: its networks are another program's, and "
            "without them nothing can be answered on a hidden test part; pack a run that was trained here"
        )
    tests = known.get("tests")
    if not isinstance(tests, dict) or not tests:
        raise UserError(
            f"run '{job.store.run}' does not say how its runs are mixed on the test part; blend them again: "
            f"{known.get('command')}"
        )
    return [_mixed(job, mix, fold) for fold, mix in tests.items()]


def _mixed(job: Job, mix: dict, fold: str) -> list[Share]:
    """One answer of a blend."""
    runs = [one.job for one in every.chosen(job, [name for name, weight in mix.items() if weight])]
    for one in runs:
        if (other := adopted.read(one.store)) is not None:
            what = "a blend itself" if "weights" in other else f"adopted from {other.get('from')}"
            raise UserError(
                f"run '{job.store.run}' is blended of '{one.store.run}', which is {what}: it has no networks of its "
                "own here; blend runs that were trained here, and pack that"
            )
        trained.require(one)
    number = fold if fold == "all" else int(fold)
    weights = [mix[one.store.run] for one in runs]
    shares = mixture.shares_of(runs, weights, number, trained.predicting_folds)
    for one in runs:
        _refuse_missing(one, [own for other, own, _ in shares if other is one])
    return [Share(*share) for share in shares]


def _refuse_missing(job: Job, folds: list) -> None:
    """Raises UserError where a fold has predictions but no network."""
    missing = [f"fold{fold}" for fold in folds if not job.store.model_file(fold)]
    if missing:
        name = "model.weights.h5" if catalogue.is_network(job.recipe) else "model.json"
        raise UserError(
            f"run '{job.store.run}' lacks {name} in {shown(missing)}: its predictions were brought from elsewhere, or "
            f"its weights were deleted; bring them to {job.store.shown(job.store.run_folder)}/, or train these folds"
        )
