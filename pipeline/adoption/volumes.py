"""Files of whole volumes, dealt out to the slices that are our images: C x Z x H x W (nnU-Net), or Z x H x W."""

import functools
from dataclasses import replace

import numpy as np

from pipeline.adoption import ids
from pipeline.adoption.parts import Part
from pipeline.errors import UserError
from pipeline.store.prepared import VOLUME, Prepared


def in_slices(part: Part, prepared: Prepared, names: dict[str, str]) -> Part | None:
    """The part with a picture for each slice, called by our ids in their order; None where its ids are of no volumes,
    or of images (a patient and a test image may both be called 7).

    Raises UserError where a volume has another number of slices than there are images of it.
    """
    table = prepared.table
    if set(part.ids) <= set(table["id"]):
        return None
    ours = [name for name in dict.fromkeys(table[VOLUME]) if name]
    try:
        found, _ = ids.matched(part.ids, ours, names, part.where) if ours else ([], "")
    except UserError:
        # of images, then: whoever looks for these says what is wrong
        return None
    if not found or part.is_picture:
        return None
    rows = [np.flatnonzero(table[VOLUME].to_numpy() == name) for name in found]
    # slices that follow each other are of one file
    opened = functools.lru_cache(maxsize=4)(part.read)
    places = [(case, z) for case, own in enumerate(rows) for z in range(len(own))]

    def read(place: int) -> np.ndarray:
        case, z = places[place]
        volume = opened(case)
        axis = volume.ndim - 3
        if axis not in (0, 1) or volume.shape[axis] != len(rows[case]):
            shape = " x ".join(map(str, volume.shape))
            raise UserError(
                f"{part.of(case)} is {shape}, and there are {len(rows[case])} images of {found[case]}; slices are the "
                "axis before height and width"
            )
        return volume.take(z, axis)

    own_ids = table["id"].to_numpy()
    # an object has one number, and one score, in all the slices of its volume
    scores = (lambda place: part.scores(places[place][0])) if part.scores else None
    return replace(part, ids=[own_ids[row] for own in rows for row in own], read=read, scores=scores)
