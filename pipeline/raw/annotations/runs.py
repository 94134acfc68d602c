"""Masks as run lengths in a csv, as Kaggle's competitions have them: a row for each image, image and class, or object.

What the columns say, how pictures are found, what is empty and how runs are counted is found in the file (`look`, for
`new`), or given as a `Format`. What is found is said.
"""

from collections.abc import Callable

import numpy as np

from pipeline.competition import RawData
from pipeline.errors import UserError, shown
from pipeline.raw.annotations import samples
from pipeline.raw.annotations.assembled import Annotated, Drawn, Ways, assembled, unlisted_notes
from pipeline.raw.annotations.drawn import RunLengths
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.annotations.whereabouts import bare, ids, test_folder, with_test
from pipeline.raw.annotations.written import TABLES, Written, not_runs, opened, the_table
from pipeline.raw.files import RawFiles
from pipeline.store.dialect import Format, RunError

ONE_CLASS = ("object",)


def read_runs(
    raw: RawFiles,
    table: str = "train.csv",
    classes: tuple[str, ...] = (),
    dialect: Format | None = None,
    images: str = "",
    test: str = "",
    sample: str = "",
    answer: str = "",
    unlisted: str = "refuse",
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """The images that a csv names, with the masks that it holds.

    Args:
        table: the csv. classes: as it names them, in the order of their numbers; () is all of them, sorted.
        dialect: what the csv looks like; None is found out.
        images, test: the folders of train and test pictures, wherever they lie; "" is every folder, and for test those
            that are called so.
        sample: the sample submission, whose ids are to be answered in its order; "" is looked for.
        answer: `classes`, `overlap` or `objects` (see `assembled.Ways`); "" is as the rows are.
        unlisted: what a picture is that has no row: `refuse`, `test` (to be answered), `empty`, or `leave_out`.
        channels, group: as in `read_folders`.

    Raises:
        UserError: no such table, run lengths that are none or leave their picture, pictures that are missing.
    """
    found = opened(raw, table, dialect, images, test)
    return _data(raw, found, classes, sample, answer or found.answer, unlisted, channels, group)


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """A csv of run lengths among the files, or the one that is named behind the folder of images."""
    images, table, test = (*named, "", "", "")[:3]
    if named and not table.lower().endswith(TABLES):
        return None
    table = table or the_table(raw)
    if not table:
        return None
    found = opened(raw, table, None, images, test)
    answer = answer or found.answer
    classes = found.classes or ONE_CLASS
    sample = samples.find(raw, _asked(found, classes, answer))
    unlisted = found.unlisted(bool(sample.paths or found.test))
    arguments = {"table": table, "classes": classes, "dialect": found.dialect, "images": images}
    arguments |= {"test": test or test_folder(found.test), "sample": sample.file, "answer": answer}
    return Seen(
        what=f"run lengths in {table}: {found.described()}",
        function=read_runs,
        arguments={**arguments, "unlisted": unlisted},
        comments=COMMENTS,
        notes=(*found.notes, *samples.said(sample.form)),
        form=sample.form,
        decided=True,
    )


COMMENTS = {
    "classes": "as the csv names them, in the order of their numbers",
    "dialect": "what the csv looks like; every field is explained in pipeline/store/dialect.py",
    "images": 'the folders of train and test pictures, wherever they lie, also in zips; "" is any',
    "sample": 'the sample submission; "" where there is none',
    "answer": '"classes" (exclusive), "overlap" (a layer for each) or "objects": belongs to TASK above',
    "unlisted": 'pictures without a row: "refuse" them, "test" (to be answered), "empty" or "leave_out"',
}


def _asked(found: Written, classes: tuple[str, ...], answer: str) -> samples.Asked:
    header = [name for name in found.rows[0][3].fields if name in found.dialect.columns]
    return samples.Asked(found.dialect, header, classes, answer, found.columns.pictures.find, found.test)


def _data(raw, found: Written, classes, sample, answer, unlisted, channels, group) -> RawData:
    classes = tuple(classes) or found.classes or ONE_CLASS
    notes = list(found.notes)
    drawn = _drawn(found, classes)
    sizes = _said_sizes(found)
    train = {path: bare(image) for image, path in found.paths.items()}
    of_sample = samples.find(raw, _asked(found, classes, answer), sample)
    notes += of_sample.notes
    more = [path for path in found.train if path not in train and path not in of_sample.paths.values()]
    notes += _unlisted(found, more, unlisted)
    tests = _tests(found, of_sample, more if unlisted == "test" else [], train)
    if beside := sorted(set(found.test) - {path for _, path in tests}):
        notes.append(f"{len(beside)} test picture(s) that the sample does not name are left out: {shown(beside, 1)}")
    if {own for own, _ in tests} & set(train.values()):
        # the sample says what test images are called
        train = {path: f"train_{own}" for path, own in train.items()}
        notes.append("names of test images are names of train images, too: the ids of these begin with train_")
    # empty ones are called as the csv calls the others
    empty = {path: found.columns.pictures.called(path) for path in more} if unlisted == "empty" else {}
    images = [
        Annotated(own, "train", path, drawn.get(path, []), *sizes.get(path, (None, "")))
        for path, own in {**train, **empty}.items()
    ]
    images += [Annotated(own, "test", path) for own, path in tests]
    ways = Ways(classes, answer, channels=channels, group=group)
    return assembled(raw, images, ways, notes, of_sample.content)


def _unlisted(found: Written, more: list[str], unlisted: str) -> list[str]:
    """How it is said what pictures without a row are. Raises UserError where they are refused."""
    if unlisted == "refuse" and more:
        raise UserError(
            f"{found.where}: {len(more)} of {len(found.train)} pictures have no row: {shown(more)}; say what they are: "
            'unlisted="test" (to be answered), "empty" (nothing in them) or "leave_out"'
        )
    return unlisted_notes(more, unlisted, f"without a row in {found.table}") if unlisted != "refuse" else []


def _tests(found: Written, sample, more: list[str], train: dict[str, str]) -> list[tuple[str, str]]:
    """(id, picture) of what is to be answered: as the sample submission calls them, or as the csv would."""
    if sample.paths:
        return list(sample.paths.items())
    paths = [*found.test, *more]
    template = found.columns.pictures.template
    own = {path: template.name(path) for path in paths} if template else ids(paths)
    return [(name, path) for path, name in with_test(train, own).items()]


def _drawn(found: Written, classes: tuple[str, ...]) -> dict[str, list[Drawn]]:
    """picture -> its objects, in the order of the rows."""
    numbers = {name: k for k, name in enumerate(classes, 1)}
    filled = [item for item in found.rows if not found.dialect.is_empty(item[2])]
    try:
        runs = found.dialect.parse([field for _, _, field, _ in filled])
    except RunError as error:
        raise not_runs(found, [(row, field) for _, _, field, row in filled], error) from error
    bounds = np.searchsorted(runs.rows, np.arange(len(runs.of_text) + 1)).tolist()
    result: dict[str, list[Drawn]] = {}
    for k, index in enumerate(runs.of_text.tolist()):
        image, name, _, row = filled[index]
        if name and name not in numbers:
            raise UserError(f"{found.where}, row {row.number}: the class {name!r} is none of {shown(classes)}")
        part = slice(bounds[k], bounds[k + 1])
        shape = RunLengths(found.dialect, runs.starts[part], runs.lengths[part])
        own = Drawn(shape, numbers.get(name, 1), f"{found.where}, row {row.number}")
        result.setdefault(found.paths[image], []).append(own)
    return result


def _said_sizes(found: Written) -> dict[str, tuple[tuple[int, int], str]]:
    """picture -> (height, width) and where the csv says so, where it has such columns."""
    height, width = found.columns.size
    if not height:
        return {}
    sizes = {}
    for image, _, _, row in found.rows:
        try:
            size = int(float(row.fields[height])), int(float(row.fields[width]))
        except ValueError as error:
            raise UserError(
                f"{found.where}, row {row.number}: {height} and {width} are no numbers ({error}); mend the row"
            ) from error
        sizes.setdefault(found.paths[image], (size, f"{found.where}, row {row.number}"))
    return sizes
