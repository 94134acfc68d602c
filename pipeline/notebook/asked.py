"""What the first argument of a notebook's function names: a competition, a metric, or a csv's format."""

import inspect
from dataclasses import dataclass

from pipeline import source
from pipeline.command import names
from pipeline.errors import UserError, one_line
from pipeline.imaging.metrics import CountMetric
from pipeline.imaging.official import OfficialMetric
from pipeline.notebook import given
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

    Raises UserError for anything else, a class in the place of its object, a formula that cannot be called with COUNTS.
    """
    classes = _names(classes)
    if isinstance(of, type):
        raise UserError(f"{of.__name__} is a class; give an object of it, {of.__name__}(…), or a competition's name")
    if isinstance(of, str):
        of = names.competition(of) if of in names.competitions() else _formula(of)
    if hasattr(of, "task"):
        return Asked(of.task, of.metric, of.format, of.official)
    if hasattr(of, "rle_column"):
        return Asked(task_of(of.several or bool(of.between), classes), None, of)
    metric = of if hasattr(of, "statistic") else _counted_by(of) if callable(of) else None
    if metric is None:
        raise UserError(one_line(f"{of!r} is no competition, metric or Format; {_known()}"))
    return Asked(task_of(metric.objects, classes), metric, None)


def _names(classes) -> tuple:
    if isinstance(classes, str):
        raise UserError(f"classes: '{classes}' is one text; wanted is a tuple of names, ('{classes}',)")
    return () if classes is None else tuple(given.each(classes, "classes"))


def _counted_by(formula) -> CountMetric:
    name = getattr(formula, "__name__", type(formula).__name__)
    try:
        inspect.signature(formula).bind(*COUNTS)
    except TypeError as error:
        raise UserError(f"{name} is no formula ({error}); wanted is a function of ({', '.join(COUNTS)})") from error
    except ValueError:  # a built-in that does not say what it takes
        pass
    return CountMetric(name, formula)


def _formula(name: str):
    found = {one: file for file in source.modules("imaging") for one in source.functions(f"imaging/{file}", *COUNTS)}
    if name not in found:
        raise UserError(f"'{name}' is no competition and no formula; {_known(', '.join(sorted(found)))}")
    import importlib

    return getattr(importlib.import_module(f"pipeline.imaging.{found[name]}"), name)


def _known(formulas: str = "a formula's name such as dice") -> str:
    return f"known are {', '.join(names.competitions())}; {formulas}"
