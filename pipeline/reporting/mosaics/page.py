"""The page of the largest mosaics: their tiles beside each other, with outlines where the labels are known."""

from pathlib import Path

import numpy as np

from pipeline.reporting.mosaics.facts import Found, lines
from pipeline.reporting.shared import pictures
from pipeline.reporting.shared.page import css, filled_in
from pipeline.runs.job import Job

SHOWN = 24  # mosaics
LARGEST = 1 << 24  # pixels of a mosaic that is drawn
NOWHERE = 128  # the grey of a place without a tile


def render(job: Job, found: Found) -> str:
    """The page as html."""
    cards = (_card(job, found, number) for number in range(min(SHOWN, len(found.placed.sizes))))
    content = {
        "competition": job.competition,
        "count": len(found.placed.sizes),
        "lines": lines(found, job.prepared),
        "mosaics": [card for card in cards if card],
        "truth": css(pictures.TRUTH),
    }
    return filled_in(Path(__file__).with_name("page.html"), content)


def _card(job: Job, found: Found, number: int) -> dict | None:
    prepared, placed = job.prepared, found.placed
    rows = np.flatnonzero(placed.mosaic == number)
    height, width = (int(prepared.columns[name][rows[0]]) for name in ("height", "width"))
    shape = height * (int(placed.row[rows].max()) + 1), width * (int(placed.column[rows].max()) + 1)
    if shape[0] * shape[1] > LARGEST:
        return None
    picture, truth = np.full((*shape, 3), NOWHERE, np.uint8), np.zeros(shape, bool)
    for row in rows:
        top, left = height * placed.row[row], width * placed.column[row]
        place = slice(top, top + height), slice(left, left + width)
        picture[place] = pictures.rgb(prepared.images[row], prepared.scaling)
        if prepared.is_train[row]:
            truth[place] = job.competition.task.filled(np.asarray(prepared.labels[row]))
    ids = [prepared.columns["id"][row] for row in rows]
    return {
        "number": number,
        "tiles": len(rows),
        "tests": int((~prepared.is_train[rows]).sum()),
        "ids": ", ".join(ids[:6]) + (" …" if len(ids) > 6 else ""),
        "picture": pictures.outlined(picture, truth),
    }
