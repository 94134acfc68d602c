"""What lies beside pictures without masks and looks like annotations, but is not read: which file it is, of which
program, and why, so that nobody looks for folders instead."""

import itertools
import re

from pipeline.errors import UserError, shown
from pipeline.raw.annotations import no_runs, samples
from pipeline.raw.annotations.array_formats import ARRAYS, arrays_of
from pipeline.raw.annotations.axes import shape
from pipeline.raw.annotations.written import LONG, TABLES, parsed
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import formats

_HEAD = 1 << 16  # bytes of a file that are looked at
_EXPORT = (
    "which are not read: export them as COCO's json (what is read: run lengths in a csv, COCO, labelme, YOLO's "
    "outlines, VOC's folders, arrays, pictures of masks)"
)
_BOXES = "boxes alone: masks cannot be made of boxes; bring outlines or masks"
# endings of files that may hold pictures or masks, and why they are not read
_OTHERS = (
    (
        (".pt", ".pth", ".pkl", ".pickle", ".joblib"),
        "Python objects, which can run code when they are opened and are not read: save the arrays with numpy.save",
    ),
    ((".tfrec", ".tfrecord", ".tfrecords"), "records of TensorFlow, which are not read: save their pictures as PNG"),
    (
        (".parquet", ".feather", ".arrow", ".lmdb", ".mdb", ".rec", ".beton"),
        "pictures or tables in a data base, which are not read: save its pictures as PNG, its run lengths as csv",
    ),
)
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
    others = (_of_text(raw, name) if name.lower().endswith(".txt") else _of_other(raw, name) for name in raw.names)
    return next((line for line in itertools.chain(told, others) if line), "")


def _of_other(raw: RawFiles, name: str) -> str:
    """Files of arrays in which nothing is called as it should be, and of kinds that are not read."""
    lower = name.lower()
    if ".zarr/" in lower:
        return f"{raw.where(name)} is part of an array of Zarr, which is not read: save it as NIfTI, or with numpy.save"
    if lower.endswith(ARRAYS):
        return _of_arrays(raw, name)
    if said := next((said for endings, said in _OTHERS if lower.endswith(endings)), ""):
        return f"{raw.where(name)} is {said}"
    if lower.endswith(formats.OTHER_ENDINGS):
        try:
            formats.format_of(raw.read(name)[:_HEAD])
        except UserError as error:
            return f"{raw.where(name)} {error}"
    return ""


def _of_arrays(raw: RawFiles, name: str) -> str:
    try:
        content = arrays_of(raw.read(name), name, raw.where(name))
    except UserError as error:
        return str(error)
    held = [f"{key or 'an array'} of {shape(array)}" for key, array in content.items()]
    return (
        f"{raw.where(name)} holds {shown(held, 4)}; which arrays are images and which are masks is not told by names: "
        "say it (./run.sh new NAME FOLDER IMAGES MASKS: folders, X.npy, data.npz:images; :image is that array of every "
        "file), or call them image and mask"
    )


def _of_table(raw: RawFiles, name: str) -> str:
    if samples.is_sample(name.rpartition("/")[2]):
        return ""
    where = raw.where(name)
    try:
        rows = parsed(raw, name)
    except UserError as error:
        # in UTF-16 every other byte is 0
        return str(error) if LONG.search(raw.read(name).replace(b"\0", b"")) else ""
    if "region_shape_attributes" in rows[0].fields:
        return f"{where} holds annotations of VIA, {_EXPORT}"
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
