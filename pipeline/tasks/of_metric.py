"""The kind of answer, where nobody names a competition: told by what is counted or written."""

from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.task import Task


def task_of(objects: bool, classes: tuple[str, ...] = ()) -> Task:
    """Objects where there are such; else one class, or several that may overlap, as many as are named."""
    if objects:
        return Instances(classes or ("object",))
    return MultiLabel(classes) if len(classes) > 1 else Binary(classes or ("object",))
