"""The organisers' own run lengths among the raw files, against those that the labels give when they are encoded.

Where both are there, a competition's `format=` that counts runs in another way shows at once, instead of in a
submission that scores nothing.
"""

from dataclasses import replace

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.store.bands import Bands, whole
from pipeline.store.dialect import ORDERS, Format
from pipeline.store.submission import rows_of

TRIED = 20  # images by which the field at fault is looked for


class Organisers:
    """Compares labels with the rows of a train csv that has the columns of the format.

    Args:
        ids: of the train images; a table of others is none.
    """

    def __init__(self, raw: RawFiles | None, form: Format, task, ids: set[str]):
        self.form, self.task = form, task
        self.name, self.rows = "", {}
        for name in raw.names if raw else ():
            if name.lower().endswith(".csv") and not self.rows:
                self.name, self.rows = name, _rows(raw, name, form, ids)
        self.compared = 0
        self.other: list[tuple[str, np.ndarray]] = []

    def compare(self, image_id: str, labels: np.ndarray | Bands) -> None:
        """Labels H x W x layers of a train image; where there are rows of it they are put together of bands."""
        if image_id not in self.rows:
            return
        labels = whole(labels)
        self.compared += 1
        if self._written(self.form, image_id, labels) != self.rows[image_id]:
            # the pixels of a few are enough to find out why
            self.other.append((image_id, labels if len(self.other) < TRIED else labels[:0]))

    def notes(self) -> list[str]:
        """What differs, in words. Raises UserError where another way of counting explains it."""
        if not self.other:
            return []
        held = [(name, labels) for name, labels in self.other if len(labels)]
        for said, form in _others(self.form):
            if all(self._written(form, name, labels) == self.rows[name] for name, labels in held):
                raise UserError(
                    f"{self.name}: the run lengths of {len(self.other)} of {self.compared} train images are those of "
                    f"their labels with {said}, not as format= of this competition says: {shown(self._ids())}; mend it"
                )
        return [
            f"the labels of {len(self.other)} of {self.compared} train images are not the run lengths in {self.name}: "
            f"{shown(self._ids())}"
        ]

    def _ids(self) -> list[str]:
        return [name for name, _ in self.other]

    def _written(self, form: Format, image_id: str, labels: np.ndarray) -> set:
        turned = form.turned(labels)
        texts = self.task.texts(turned)
        return {tuple(row) for row in rows_of(image_id, texts, form, self.task.classes)}


def _rows(raw: RawFiles, name: str, form: Format, ids: set[str]) -> dict[str, set]:
    """The rows of each image; {} where the table is none of train images in this format."""
    content = raw.read(name)
    header = tables.first_lines(content)[:1]
    # a train csv may have them in another order than the submission
    if not header or sorted(field.strip().strip('"') for field in header[0].split(",")) != sorted(form.columns):
        return {}
    if len(tables.records(content, raw.where(name))) < 2:
        # a placeholder, as code competitions have for a sample submission
        return {}
    found: dict[str, set] = {}
    for row in tables.parse(content, raw.where(name), *form.columns):
        values = tuple(row.fields[column] for column in form.columns)
        found.setdefault(form.image_of(form.key_of(values)), set()).add(values)
    return {image: rows for image, rows in found.items() if image in ids}


def _others(form: Format) -> list[tuple[str, Format]]:
    """Other ways of counting, each in the words of a file."""
    order = next(order for order in ORDERS if order != form.order)
    first = 1 - form.first
    return [
        (f'order="{order}"', replace(form, order=order)),
        (f"first={first}", replace(form, first=first)),
        (f"relative={not form.relative}", replace(form, relative=not form.relative)),
        *((f'empty="{word}"', replace(form, empty=word)) for word in ("", "-1", "-", "1 1") if word != form.empty),
        (f'order="{order}", first={first}', replace(form, order=order, first=first)),
    ]
