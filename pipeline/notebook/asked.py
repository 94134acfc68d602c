"""What the first argument of a notebook's function names: a competition, a metric, or a csv's format."""

from dataclasses import dataclass

from pipeline import source
from pipeline.command import names
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric
from pipeline.imaging.official import OfficialMetric
from pipeline.store.dialect import Format
from pipeline.tasks.of_metric import task_of
from pipeline.tasks.task import Task

COUNTS = ("intersection", "predicted", "truth")


@dataclass(frozen=True)
class Asked:
    """The kind of answer, how it is scored (None where a format was named), how it is written (None where a metric
    was named), and the organisers' own metric where that is another one."""

    task: Task
    metric: object | None
    format: Format | None
    official: OfficialMetric | None = None


def asked(of, classes: tuple[str, ...] = ()) -> Asked:
    """A competition's name or object, a formula's name (`dice`), a formula, a metric, or a `Format`.

    Args: classes: their names, where it is no competition and there are several.

    Raises UserError for anything else.
    """
    if isinstance(of, str):
        of = names.competition(of) if of in names.competitions() else _formula(of)
    if hasattr(of, "task"):
        return Asked(of.task, of.metric, of.format, of.official)
    if hasattr(of, "rle_column"):
        return Asked(task_of(of.several or bool(of.between), classes), None, of)
    metric = of if hasattr(of, "statistic") else CountMetric(of.__name__, of) if callable(of) else None
    if metric is None:
        raise UserError(f"{of!r} is no competition, metric or Format; {_known()}")
    return Asked(task_of(metric.objects, classes), metric, None)


def _formula(name: str):
    found = {one: file for file in source.modules("imaging") for one in source.functions(f"imaging/{file}", *COUNTS)}
    if name not in found:
        raise UserError(f"'{name}' is no competition and no formula; {_known(', '.join(sorted(found)))}")
    import importlib

    return getattr(importlib.import_module(f"pipeline.imaging.{found[name]}"), name)


def _known(formulas: str = "a formula's name such as dice") -> str:
    return f"known are {', '.join(names.competitions())}; {formulas}"
