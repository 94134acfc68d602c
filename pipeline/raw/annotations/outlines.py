"""GeoJSON of one large picture, as QuPath and slide viewers write it: features with polygons, drawn a band of lines at
a time."""

from collections.abc import Iterator

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.annotations.drawn import Outline, points_of, polygon
from pipeline.raw.annotations.json_files import content
from pipeline.raw.files import RawFiles

KINDS = ("Polygon", "MultiPolygon")


class Outlines:
    """The union of polygons with holes, of a picture H x W.

    Args: shapes: of each its rings, the outer one first; points: what they are (see `drawn`).
    """

    def __init__(self, shapes: list[list[np.ndarray]], points: str, height: int, width: int):
        self.height, self.width = height, width
        self.shapes = [[Outline((ring,), points) for ring in rings] for rings in shapes]
        self.reach = np.array([(rings[0][:, 1].min() - 1, rings[0][:, 1].max() + 1) for rings in shapes]).reshape(-1, 2)

    def lines(self, top: int, bottom: int) -> np.ndarray:
        """Those from `top` up to `bottom`, h x W bool."""
        found = np.zeros((bottom - top, self.width), bool)
        for number in np.flatnonzero((self.reach[:, 0] < bottom) & (self.reach[:, 1] >= top)):
            rows, cols, mask = self._shape(self.shapes[number])
            first, last = max(rows.start, top), min(rows.stop, bottom)
            if first < last:
                found[first - top : last - top, cols] |= mask[first - rows.start : last - rows.start]
        return found

    def _shape(self, rings: list[Outline]) -> tuple[slice, slice, np.ndarray]:
        """The window of one of them, and its mask."""
        rows, cols, mask = rings[0].covered(self.height, self.width)
        for hole in rings[1:]:
            across, down, inside = hole.covered(self.height, self.width)
            within = slice(across.start - rows.start, across.stop - rows.start)
            mask[within, down.start - cols.start : down.stop - cols.start] &= ~inside
        return rows, cols, mask


def outlines(raw: RawFiles, name: str, height: int, width: int) -> Outlines:
    """The polygons of a file, of a picture of this size. Raises UserError for a file that is cut off, other geometries,
    and outlines that lie outside of the picture."""
    where, shapes = raw.where(name), []
    for number, feature in enumerate(_features(content(raw, name), where), 1):
        try:
            for rings in _polygons(feature):
                shapes.append([polygon(np.asarray(ring).ravel()) for ring in rings])
                _refuse_loose(shapes[-1])
        except UserError as error:
            raise UserError(f"{where}, feature {number}: {error}; mend it, or download it again") from error
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise UserError(
                f"{where}, feature {number}: is no polygon of points (x, y); mend it, or download it again"
            ) from error
    found = Outlines(shapes, points_of(ring for rings in shapes for ring in rings), height, width)
    for number, (outer, *_) in enumerate(found.shapes, 1):
        if (by := outer.beyond(height, width)) > 1:
            raise UserError(
                f"{where}, polygon {number}: leaves its picture of {width} x {height} pixels (width x height) by "
                f"{by:.0f}; download both again"
            )
    return found


def _features(found, where: str) -> Iterator[dict]:
    """Of a list of features, or of one that says so. Raises UserError for anything else."""
    listed = found.get("features") if isinstance(found, dict) else found
    if not isinstance(listed, list):
        raise UserError(f"{where} is no list of features (GeoJSON); download it again")
    yield from listed


def _polygons(feature: dict) -> list[list]:
    """The polygons of a feature, each a list of rings. Raises UserError, KeyError or TypeError for other geometries."""
    geometry = feature["geometry"]
    if geometry["type"] not in KINDS:
        raise UserError(f"is a {geometry['type']}; known are {' and '.join(KINDS)}")
    found = geometry["coordinates"]
    found = [found] if geometry["type"] == "Polygon" else found
    if not found or not all(found):
        raise UserError("is a polygon without points")
    return found


def _refuse_loose(rings: list[np.ndarray]) -> None:
    """Raises UserError for holes that are not in what they are a hole of."""
    low, high = rings[0].min(axis=0), rings[0].max(axis=0)
    if any((hole.min(axis=0) < low).any() or (hole.max(axis=0) > high).any() for hole in rings[1:]):
        raise UserError("is a polygon with a hole beside it")
