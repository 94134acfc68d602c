"""A competition's own functions, tried on two drawn images before the work: a mistake in a metric shows at once."""

import numpy as np

from pipeline import source
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
    # what an adopted run has learnt by, nobody here knows
    if models.is_network(job.recipe) and not job.store.adopted.exists():
        check_loss(job.recipe, competition)
    for name, fields in competition.recipes.items():
        try:
            identity.check(resolve(fields, {}))
        except UserError as error:
            raise UserError(f"{competition.name}, recipe '{name}': {error}") from error
    _number(competition, f"the metric '{competition.metric.name}'", _score)
    if competition.official is not None:
        _number(competition, f"the official metric '{competition.official.name}'", _official)
    for name, formula in competition.also.items():
        _number(competition, f"also['{name}']", lambda chosen, formula=formula: _also(chosen, formula))


def _number(competition: Competition, what: str, measure) -> None:
    try:
        with np.errstate(all="ignore"):
            found = float(measure(competition))
    except UserError as error:
        raise UserError(f"{where(competition.name, None)}: {what}: {error}") from error
    except BaseException as error:  # whatever somebody's own code raises
        if not source.is_mistake(error):
            raise
        line = where(competition.name, error)
        raise UserError(f"{line}: {what} fails on two drawn images: {source.in_words(error)}") from error
    if not np.isfinite(found):
        raise UserError(f"{where(competition.name, None)}: {what} is {found} for two images that are answered rightly")


def _score(competition: Competition) -> float:
    """Of two images that are answered rightly."""
    task, metric = competition.task, competition.metric
    statistics = [metric.statistic(task, *pair) for pair in _answered(competition)]
    _refuse_other_shape(metric, np.stack(statistics))
    return Tally(metric, np.stack(statistics), np.array(["a", "a"])).score()


def _official(competition: Competition) -> float:
    """Of the same two, as slices of one unit."""
    found, truth = map(np.stack, zip(*_answered(competition), strict=True))
    official = competition.official
    return float(official.scores(official.statistic(competition.task, found, truth)))


def _answered(competition: Competition) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is decoded of two images whose probabilities are right, and their labels."""
    task, images = competition.task, _drawn(competition)
    decoded = task.decoded((("a", task.target(labels)) for labels in images), task.plain_thresholds())
    return list(zip(decoded, images, strict=True))


def _refuse_other_shape(metric, statistics: np.ndarray) -> None:
    """Raises UserError where a formula does not give a score for each of many counts: the search asks for thousands at
    once."""
    many = np.stack([statistics] * 3, axis=1)
    found = metric.class_scores(many)
    # of objects there is no score of a class
    if found is not None and np.shape(found) != many.shape[:-1]:
        raise UserError(f"it gives {_shape(found)} for counts of the shape {_shape(many[..., 0])}: use NumPy on arrays")


def _shape(found) -> str:
    return " x ".join(map(str, np.shape(found))) or "one value"


def _also(competition: Competition, formula) -> float:
    return np.mean([formula(competition.task.target(labels), labels) for labels in _drawn(competition)])


def _drawn(competition: Competition) -> list[np.ndarray]:
    """Labels SIDE x SIDE x layers of two images: nothing but the first class or background, and a square."""
    empty = np.zeros((SIDE, SIDE, competition.task.layers), np.uint8)
    square = empty.copy()
    square[2:6, 2:6] = 1
    return [empty, square]
