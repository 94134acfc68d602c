"""Kinds of answers as a competition's file says them, each from what is known of the classes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.drafting.draft import Kind
from pipeline.raw import masks
from pipeline.raw.masks import Labels
from pipeline.raw.meaning.colours import plain_of, rgb_of


def one_class(said: str = "masks of one class", labels: str = "binary", reads: Labels = masks.binary) -> Kind:
    """Background and one class; `labels` may be `above(127)`, and `reads` is then what that says."""
    return Kind(
        said=said,
        names=("background", "object"),
        reads=reads,
        task_import="binary import Binary",
        labels_import=labels.partition("(")[0],
        task='Binary(("object",))',
        labels=labels,
        metric_import="metrics import CountMetric, dice",
        metric='CountMetric("mean Dice", dice)',
        loss='{"loss": "bce+dice", "late_loss": "bce+lovasz"}',
        format="pictures=True",
    )


def near_two(said: str, background: masks.Value, one: masks.Value, most: float | None = None) -> Kind:
    """Background and one class by their values, others fall to the nearest; `most` of a mask can, by default few."""
    values = {"background": background, "object": one}
    options = {"most": most} if most is not None else {}
    text = "".join(f", {name}={value}" for name, value in options.items())
    return one_class(said, f"near({_dict(values)}{text})", masks.near(values, **options))


def palette_two(said: str, background: tuple[int, int, int], one: tuple[int, int, int]) -> Kind:
    """Background and one class by their colours."""
    colours = {"background": background, "object": one}
    return one_class(said, f"palette({_dict(colours)})", masks.palette(colours))


def _dict(values: Mapping[str, masks.Value]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items()) + "}"


def exclusive(names: Sequence[str]) -> Kind:
    """Classes of which every pixel has one, in the order of their numbers; what masks hold is not said."""
    return Kind(
        said=f"{len(names)} classes that exclude each other",
        task_import="multiclass import MultiClass",
        labels_import="",
        constants=_constant("in the order of their numbers", names),
        task="MultiClass(CLASSES)",
        labels="",
    )


def overlapping(names: Sequence[str]) -> Kind:
    """Classes that may overlap, a layer of labels for each."""
    return Kind(
        said=f"{len(names)} classes that may overlap",
        task_import="multilabel import MultiLabel",
        labels_import="binary",
        constants=_constant("in the order of the layers of labels", names),
        task="MultiLabel(CLASSES)",
        labels="binary",
        metric_import="metrics import CountMetric, dice",
        metric='CountMetric("mean Dice of the classes", dice)',
        loss='{"loss": "bce+dice", "late_loss": "bce+lovasz"}',
        format='class_column="class"',
    )


def overlapping_as(kind: Kind) -> Kind:
    """One class of its own layer, whose masks are read as those of `kind`."""
    return replace(
        overlapping(kind.names[1:]),
        labels_import=kind.labels_import,
        labels=kind.labels,
        constants=_constant("in the order of the layers of labels", kind.names[1:]) + kind.constants,
        names=kind.names,
        reads=kind.reads,
    )


def of_objects(labels: str, names: tuple[str, ...] = ("object",)) -> Kind:
    """Objects of one class; `labels` is `objects` or `parts` of `raw.masks`, blank where no masks are read. Of several
    names, which become one class, none stays."""
    name = names[0] if len(names) == 1 else "object"
    return Kind(
        said="objects, each found on its own",
        task_import="instances import Instances",
        labels_import=labels.partition("(")[0],
        task=f"Instances(({json.dumps(name, ensure_ascii=False)},))",
        labels=labels,
        metric_import="objects import ObjectMetric",
        metric='ObjectMetric("mean precision over IoU 0.5 to 0.95, objects")',
        loss='{"loss": "bce", "late_loss": ""}',
        format="several=True",
        names=("background", name),
        reads=getattr(masks, labels, None) if labels else None,
    )


def _constant(order: str, names: Sequence[str]) -> str:
    rows = "".join(f"    {json.dumps(name, ensure_ascii=False)},\n" for name in names)
    return f"# their names, {order}\nCLASSES = (\n{rows})\n\n"


def numbered(count: int, void: int | None) -> Kind:
    """The masks hold 0 to count - 1, and `void` where a pixel is to be ignored."""
    names = tuple(f"class_{k}" for k in range(count))
    ignored = f", void={void}" if void is not None else ""
    return Kind(
        said=f"masks that hold the numbers of {count} classes" + (f", {void} meaning ignore" if ignored else ""),
        task_import="multiclass import MultiClass",
        labels_import="class_ids",
        constants=_constant("in the order of the numbers in the masks; give them better ones", names),
        task=f"MultiClass(CLASSES{', void=255' if ignored else ''})",
        labels=f"class_ids(len(CLASSES){ignored})",
        names=names,
        reads=masks.class_ids(count, void),
    )


def coloured(values: Mapping[str, int], void: int | None, how: str = "palette", **more: float) -> Kind:
    """The masks hold these greys or colours, as `raw.meaning.colours.values_of` numbers them, one for each class.

    Args:
        how: `palette` for these alone; `near` or `soft` forgive others, as `more` says.
    """
    colours = {name: rgb_of(value) for name, value in values.items()}
    options = {**({"void": rgb_of(void)} if void is not None else {}), **more}
    text = "".join(f", {name}={value}" for name, value in options.items())
    rows = "".join(f"    {json.dumps(name)}: {colour},\n" for name, colour in colours.items())
    return Kind(
        said=f"masks that show {len(values)} classes by colours"
        + (f", {rgb_of(void)} meaning ignore" if void is not None else ""),
        task_import="multiclass import MultiClass",
        labels_import=how,
        constants="# name -> (red, green, blue) in the masks, in the order of their numbers; give them better names\n"
        f"COLOURS = {{\n{rows}}}\n\n",
        task=f"MultiClass(tuple(COLOURS){', void=255' if void is not None else ''}, colours=tuple(COLOURS.values()))",
        labels=f"{how}(COLOURS{text})",
        names=tuple(values),
        values=tuple(str(plain_of(value)) for value in values.values()),
        reads=getattr(masks, how)(colours, **options),
    )


def valued(values: Mapping[str, int], void: int | None, how: str = "near", **more: float) -> Kind:
    """The masks hold these numbers, which are not 0, 1, 2 …, or others among them that are forgiven."""
    options = {**({"void": void} if void is not None else {}), **more}
    text = "".join(f", {name}={value}" for name, value in options.items())
    rows = "".join(f"    {json.dumps(name)}: {value},\n" for name, value in values.items())
    return Kind(
        said=f"masks that hold numbers of {len(values)} classes ({', '.join(map(str, values.values()))})"
        + (f", {void} meaning ignore" if void is not None else ""),
        task_import="multiclass import MultiClass",
        labels_import=how,
        constants="# name -> value in the masks, in the order of their numbers; give them better names\n"
        f"VALUES = {{\n{rows}}}\n\n",
        task=f"MultiClass(tuple(VALUES){', void=255' if void is not None else ''})",
        labels=f"{how}(VALUES{text})",
        names=tuple(values),
        values=tuple(map(str, values.values())),
        reads=getattr(masks, how)(values, **options),
    )


def within(kind: Kind, how: str) -> Kind:
    """The same of what `how` of `raw.masks` makes of a mask: `in_alpha`, `over_black`, `parts_of`."""
    return replace(
        kind,
        labels_import=", ".join(sorted({how, *kind.labels_import.split(", ")})),
        labels=f"{how}({kind.labels})",
        reads=getattr(masks, how)(kind.reads),
    )
