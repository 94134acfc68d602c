"""A competition's own functions, tried on two drawn images before the work: a mistake in a metric shows at once."""

import numpy as np

from pipeline.command.names import where
from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.models import catalogue as models
from pipeline.recipe import resolve
from pipeline.runs import identity
from pipeline.runs.job import Job
from pipeline.tasks.scoring import Tally
from pipeline.training.plan import check_loss

SIDE = 8


def check(job: Job) -> None:
    """Raises UserError for a loss that this kind of answer cannot learn by; and, naming the line, for a metric or a
    further score that fails or gives no number, or a recipe that names what there is not."""
    competition = job.competition
    if models.is_network(job.recipe):
        check_loss(job.recipe, competition)
    for name, fields in competition.recipes.items():
        try:
            identity.check(resolve(fields, {}))
        except UserError as error:
            raise UserError(f"{competition.name}, recipe '{name}': {error}") from error
    _number(competition, f"the metric '{competition.metric.name}'", _score)
    for name, formula in competition.also.items():
        _number(competition, f"also['{name}']", lambda chosen, formula=formula: _also(chosen, formula))


def _number(competition: Competition, what: str, measure) -> None:
    try:
        with np.errstate(all="ignore"):
            found = float(measure(competition))
    except Exception as error:  # whatever somebody's own code raises
        line = where(competition.name, error)
        raise UserError(f"{line}: {what} fails on two drawn images: {type(error).__name__}: {error}") from error
    if not np.isfinite(found):
        raise UserError(f"{where(competition.name, None)}: {what} is {found} for two images that are answered rightly")


def _score(competition: Competition) -> float:
    """Of two images that are answered rightly."""
    task, metric = competition.task, competition.metric
    images = _drawn(competition)
    rules = task.plain_thresholds()
    decoded = task.decoded((("a", task.target(labels)) for labels in images), rules)
    statistics = [metric.statistic(task, found, labels) for found, labels in zip(decoded, images, strict=True)]
    return Tally(metric, np.stack(statistics), np.array(["a", "a"])).score()


def _also(competition: Competition, formula) -> float:
    return np.mean([formula(competition.task.target(labels), labels) for labels in _drawn(competition)])


def _drawn(competition: Competition) -> list[np.ndarray]:
    """Labels SIDE x SIDE x layers of two images: nothing but the first class or background, and a square."""
    empty = np.zeros((SIDE, SIDE, competition.task.layers), np.uint8)
    square = empty.copy()
    square[2:6, 2:6] = 1
    return [empty, square]
