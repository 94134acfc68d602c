"""A hidden test part, made of the test part there is: its pictures several times under new ids, odd ones among them.

The odd ones are what a hidden test part may hold and the known one does not: another size, one channel, one value
everywhere, damage. The sample submission names all of them, in no order.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.packing.contents import Remembered
from pipeline.raw import archives
from pipeline.raw.files import RawFiles
from pipeline.raw.remembered import Mounted
from pipeline.runs.job import Job
from pipeline.store import disk, submission
from pipeline.store.submission import Expected

ENCODED = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Hidden:
    """Attributes: expected: what a submission must answer. odd: id -> what is odd about it. notes: what could not be
    made."""

    expected: Expected
    odd: dict[str, str]
    notes: list[str]


def write(job: Job, raw_folder: Path, found: Remembered, folder: Path, times: int) -> Hidden:
    """Writes the files of a hidden test part, without any of the train part. Raises UserError where there is none."""
    columns = job.prepared.columns
    rows = job.prepared.test
    if not len(rows):
        raise UserError(f"{job.competition.name} has no test part: there is nothing to rehearse")
    sizes = {columns["id"][row]: (int(columns["height"][row]), int(columns["width"][row])) for row in rows}
    with RawFiles(raw_folder) as raw:
        hidden = _copied(raw, found, folder, sizes, times)
    sizes, odd, notes = hidden
    ids = sorted(sizes)
    if not _are_found(job, folder, found, set(ids)):
        raise UserError(
            f"read() of {job.competition.name} does not find the pictures of a hidden test part whose ids are new: "
            "with --times 1 the known one is rehearsed as it is"
        )
    if found.sample and job.competition.format.empty is not None:
        random.Random(0).shuffle(ids)
        _write_sample(job, folder / found.sample, ids)
    heights, widths = np.array([sizes[name] for name in ids], np.int64).T
    return Hidden(Expected(ids, heights, widths, job.competition.task.classes), odd, notes)


def _copied(
    raw: RawFiles, found: Remembered, folder: Path, sizes: dict[str, tuple[int, int]], times: int
) -> tuple[dict[str, tuple[int, int]], dict[str, str], list[str]]:
    """Copies the files of the test part; (sizes by id, what is odd, notes)."""
    train = set(found.names)
    names = [name for name in raw.names if name not in train and name.rpartition("/")[2] != found.sample]
    of_id = _by_id(names, sizes)
    if times == 1 or set(of_id) != set(sizes):
        for name in names:
            _put(folder / _unpacked(name), raw.read(name))
        known = "" if times == 1 else "files do not bear the ids of the test pictures: "
        return sizes, {}, [f"not rehearsed: {known}no new ids, no odd pictures"]
    now, odd, notes = {}, {}, []
    for name, own in of_id.items():
        for number in range(times):
            new = renamed(name, number, sizes)
            for file in own:
                _put(folder / _unpacked(_with_id(file, name, new)), raw.read(file))
            now[new] = sizes[name]
    for number, (what, change) in enumerate(ODD.items()):
        name = sorted(of_id)[number % len(of_id)]
        new = renamed(name, times + number, sizes)
        content = [_changed(raw, file, change) for file in of_id[name]]
        if any(one is None for one, _ in content):
            notes.append(f"not rehearsed: a picture with {what}, of files that are not written here")
            continue
        for file, (changed, _) in zip(of_id[name], content, strict=True):
            _put(folder / _unpacked(_with_id(file, name, new)), changed)
        now[new], odd[new] = content[0][1] or (1, 1), what
    return now, odd, notes


def _by_id(names: list[str], ids) -> dict[str, list[str]]:
    """id -> the files that bear it: a folder or a file of that name is on their way, however they are packed."""
    found = defaultdict(list)
    for name in names:
        parts = _unpacked(name).split("/")
        stem = parts[-1].partition(".")[0]
        ways = ["/".join([*parts[i:-1], stem]) for i in range(len(parts))]
        bearing = next((word for word in [*ways, *parts] if word in ids), None)
        if bearing is not None:
            found[bearing].append(name)
    return found


def _with_id(file: str, old: str, new: str) -> str:
    """The name of a file with another id in it: the last place where it stands alone."""
    head, _, tail = _unpacked(file).rpartition(old)
    return f"{head}{new}{tail}"


def _unpacked(name: str) -> str:
    """How a file is called when nothing is packed."""
    return "/".join(re.sub(archives.ENDING, "", part) for part in name.split("/"))


def renamed(name: str, number: int, ids) -> str:
    """A new id of the kind that the others are: of digits alone where they are."""
    if all(one.isdigit() for one in ids):
        longest = max(map(len, ids))
        return str((number + 1) * 10**longest + int(name))
    return f"{name}x{number}"


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _larger(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, None, fx=1.37, fy=1.61)


def _grey(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[..., 0]) if picture.ndim == 3 else picture


def _constant(picture: np.ndarray) -> np.ndarray:
    return np.full_like(picture, picture.flat[0])


# what is odd -> what makes a picture so; None is damage
ODD: dict[str, Callable | None] = {
    "an odd size": _larger,
    "one channel": _grey,
    "one value everywhere": _constant,
    "damage": None,
}


def _changed(raw: RawFiles, file: str, change: Callable | None) -> tuple[bytes | None, tuple[int, int] | None]:
    """(bytes, height and width) of a picture file; None of a kind that is not written here. Of a damaged one the size
    is not known."""
    content = raw.read(file)
    if change is None:
        return content[: len(content) // 2], None
    ending = Path(file).suffix.lower()
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if ending in ENCODED else None
    if picture is None:
        return None, None
    picture = change(picture)
    done, encoded = cv2.imencode(ending, picture)
    return (encoded.tobytes(), picture.shape[:2]) if done else (None, None)


def _are_found(job: Job, folder: Path, found: Remembered, ids: set[str]) -> bool:
    with Mounted(folder, found.names, found.memory) as raw:
        return ids <= {image.id for image in job.competition.read(raw).images if image.part == "test"}


def _write_sample(job: Job, path: Path, ids: list[str]) -> None:
    """A sample submission in the order of these ids."""
    form, classes = job.competition.format, job.competition.task.classes
    blank = [""] * len(classes)
    rows = [row for one in ids for row in submission.rows_of(one, blank, form, classes)]
    disk.write_rows(path, form.columns, rows)
