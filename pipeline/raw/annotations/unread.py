"""What lies beside pictures without masks and looks like annotations, but is not read: which file it is, of which
program, and why, so that nobody looks for folders instead."""

import itertools
import re

from pipeline.errors import UserError
from pipeline.raw.annotations import no_runs, samples
from pipeline.raw.annotations.written import LONG, TABLES, parsed
from pipeline.raw.files import RawFiles

_HEAD = 1 << 16  # bytes of a file that are looked at
_EXPORT = (
    "which are not read: export them as COCO's json (what is read: run lengths in a csv, COCO, labelme, YOLO's "
    "outlines, VOC's folders, arrays, pictures of masks)"
)
_BOXES = "boxes alone: masks cannot be made of boxes; bring outlines or masks"
# ending, what is found in such a file, what it holds
_PROGRAMS = (
    (".json", rb'"shape_attributes"', f"annotations of VIA, {_EXPORT}"),
    (".json", rb'"(polygon|rectangle|brush|ellipse)labels"', f"annotations of Label Studio, {_EXPORT}"),
    (".json", rb'"classTitle"', f"annotations of Supervisely, {_EXPORT}"),
    (".geojson", rb'"Feature(Collection)?"', f"outlines in GeoJSON (QuPath, maps), {_EXPORT}"),
    (".xml", rb"<annotations>.*<image\s", f"annotations of CVAT, {_EXPORT}"),
    (".xml", rb"<annotation\b.*<bndbox>", f"PASCAL VOC's annotations, {_BOXES}"),
    (".xml", rb"<Annotations?\b.*<(Vertex|Coordinate)\b", f"annotations of slides (Aperio, ASAP), {_EXPORT}"),
    (".jsonl", rb"^\s*\{", f"annotations as a json in each line, {_EXPORT}"),
)


def why(raw: RawFiles) -> str:
    """Why a file that looks like annotations is not read, in a line; blank where there is none."""
    told = (_of_table(raw, name) if name.lower().endswith(TABLES) else _of_program(raw, name) for name in raw.names)
    told = itertools.chain(told, (_of_text(raw, name) for name in raw.names if name.lower().endswith(".txt")))
    return next((line for line in told if line), "")


def _of_table(raw: RawFiles, name: str) -> str:
    if samples.is_sample(name.rpartition("/")[2]):
        return ""
    where = raw.where(name)
    try:
        rows = parsed(raw, name)
    except UserError as error:
        # in UTF-16 every other byte is 0
        return str(error) if LONG.search(raw.read(name).replace(b"\0", b"")) else ""
    return no_runs.refusal(rows, where)


def _of_text(raw: RawFiles, name: str) -> str:
    """A table that is called otherwise, as spreadsheets save their "Unicode text"."""
    if not LONG.search(raw.read(name)[:_HEAD].replace(b"\0", b"")):
        return ""
    return f"{raw.where(name)} holds run lengths, but tables are read by their ending; call it {TABLES[0]}"


def _of_program(raw: RawFiles, name: str) -> str:
    lower = name.lower()
    for ending, held, said in _PROGRAMS:
        if lower.endswith(ending) and re.search(held, raw.read(name)[:_HEAD], re.DOTALL | re.IGNORECASE):
            return f"{raw.where(name)} holds {said}"
    return ""
