"""Vesuvius Challenge: Ink Detection (Kaggle, 2023): find ink on charred papyrus in X-ray scans of its fragments.

Raw files: `train/1/surface_volume/00.tif` to `64.tif` (H x W each, 16 bits: slices along the papyrus, its surface near
the middle), `train/1/mask.png` (where there is papyrus), `inklabels.png` (where there is ink), `inklabels_rle.csv`
(`Id,Predicted`, the same as run lengths) and `ir.png` (an infrared photograph, of train fragments alone: not read);
`test/a/` likewise without the last three. LAYERS become the channels of one picture for each fragment. The score is
F0.5 of all pixels together: invented ink weighs more than missed ink.

Traps in its files: runs go across the rows, not down the columns. A blank answer is refused: where nothing is found the
first pixel alone is written, `1 1`. Beside the papyrus the slices are no emptier than within: what `mask.png` leaves
out is neither learnt nor answered. Fragments are as large as 14830 x 9506 pixels, and there are three: each is a fold,
and learnt in windows, answered in tiles. Those below test/ that everybody may see are copies of fragment 1; the hidden
ones are there when the notebook is submitted.
"""

import re
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging.f_beta import f05
from pipeline.imaging.metrics import CountMetric, whole_set
from pipeline.imaging.rle import RunError
from pipeline.raw import large, masks, tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.bands import AT_ONCE, Bands
from pipeline.store.disk import atomic, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary

FORMAT = Format("Id", "Predicted", order="across", empty="1 1")
LAYERS = range(24, 40)  # of 65, from 0: those around the surface
NO_PAPYRUS = 0  # the value of pixels beside the papyrus
PAPYRUS, INK, RUNS = "mask.png", "inklabels.png", "inklabels_rle.csv"
_FILE = re.compile(rf"(?:^|/)(train|test)/([^/]+)/(?:surface_volume/(\d+)\.tiff?|({PAPYRUS}|{INK}|{RUNS}))$")


class _Fragment:
    """The slices of a fragment by their numbers, and its other files by their names."""

    def __init__(self, raw: RawFiles):
        self.raw = raw
        self.files: dict[int | str, str] = {}
        self.folder = ""
        self.papyrus: np.ndarray | None = None
        self.said: Doubt | None = None

    @property
    def is_labelled(self) -> bool:
        return INK in self.files or RUNS in self.files

    def image(self) -> Bands:
        """H x W x LAYERS, uint16: NO_PAPYRUS beside the papyrus, and nowhere else. Raises UserError."""
        papyrus = self.papyrus = self._mask(PAPYRUS)
        layers = [self._layer(number, papyrus.shape) for number in LAYERS]
        shape = (*papyrus.shape, len(LAYERS))

        def read(top: int, bottom: int) -> np.ndarray:
            found = np.empty((bottom - top, *shape[1:]), np.uint16)
            for k, layer in enumerate(layers):
                part = layer.read(top, bottom) if isinstance(layer, Bands) else layer[top:bottom]
                # one level of 65,535 more where the scan itself has none
                found[..., k] = np.maximum(part[..., 0], NO_PAPYRUS + 1)
            found[~papyrus[top:bottom]] = NO_PAPYRUS
            return found

        held = sum(layer.nbytes for layer in layers if isinstance(layer, np.ndarray))
        return Bands(shape, np.dtype(np.uint16), read, held)

    def labels(self) -> np.ndarray:
        """H x W x 1, {0, 1} uint8. Raises UserError."""
        papyrus = self.papyrus if self.papyrus is not None else self._mask(PAPYRUS)
        written = self._written(papyrus.shape) if RUNS in self.files else None
        ink = self._mask(INK) if INK in self.files else written
        if ink.shape == papyrus.shape:
            other = 0 if written is None else int(np.count_nonzero(ink != written))
            beside = int(np.count_nonzero(ink & ~papyrus))
            self.said = Doubt(f"{INK} and {RUNS} differ: the picture is learnt", other) if other else None
            if beside and not other:
                self.said = Doubt(f"ink beside the papyrus ({PAPYRUS}) is scored, but neither learnt nor found", beside)
        self.papyrus = None
        return ink[..., None].astype(np.uint8)

    def doubt(self, labels: np.ndarray) -> Doubt | None:
        return self.said

    def _layer(self, number: int, size: tuple[int, int]) -> np.ndarray | Bands:
        """H x W x 1, uint16."""
        path = self._path(number)
        found = large.picture(self.raw, path, most=AT_ONCE // len(LAYERS))
        if found.dtype != np.uint16 or found.shape != (*size, 1):
            raise UserError(
                f"{self.raw.where(path)} has {_said(found.shape)} pixels of {found.shape[2]} channel(s) of "
                f"{found.dtype}; wanted is one of 16 bits, {_said(size)} like {PAPYRUS}; download it again"
            )
        return found

    def _mask(self, name: str) -> np.ndarray:
        """H x W, bool."""
        path = self._path(name)
        try:
            return masks.binary(self.raw.picture(path))[..., 0] != 0
        except UserError as error:
            where = self.raw.where(path)
            raise error if where in str(error) else UserError(f"{where} {error}") from error

    def _written(self, size: tuple[int, int]) -> np.ndarray:
        """H x W, bool, of the run lengths."""
        path = self._path(RUNS)
        where = self.raw.where(path)
        rows = tables.parse(self.raw.read(path), where, *FORMAT.columns)
        if len(rows) > 1:
            raise UserError(f"{where} has {len(rows)} rows; wanted is that of this fragment alone; download it again")
        try:
            return FORMAT.decode(rows[0].fields["Predicted"], *size).any(axis=0)
        except RunError as error:
            raise UserError(
                f"{where}: {error}; {PAPYRUS} has {size[1]} x {size[0]} pixels (width x height); download both again"
            ) from error

    def _path(self, key: int | str) -> str:
        if key not in self.files:
            name = key if isinstance(key, str) else f"surface_volume/{key:02d}.tif"
            raise UserError(f"{self.raw.where(self.folder)} holds no {name}; download or unpack it again")
        return self.files[key]


def _said(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} (width x height)"


def read(raw: RawFiles) -> RawData:
    """Finds the fragments by the folders of their slices, wherever they are."""
    fragments = _fragments(raw)
    if not fragments["train"]:
        raise UserError(f"{raw.folder} holds no train/1/surface_volume/….tif; is it the Vesuvius ink data?")
    bare = [one.folder for one in fragments["train"].values() if not one.is_labelled]
    if bare:
        raise UserError(f"{raw.where(bare[0])} holds neither {INK} nor {RUNS}; download or unpack it again")
    found = [
        RawImage(name, part, one.image, one.labels if one.is_labelled else None, group=name, doubt=one.doubt)
        for part, named in fragments.items()
        for name, one in named.items()
    ]
    return RawData(found, sample=tables.sample(raw, FORMAT).content, notes=_notes(fragments), nodata=NO_PAPYRUS)


def _fragments(raw: RawFiles) -> dict[str, dict[str, _Fragment]]:
    """part -> id -> fragment. Of a file that is there twice the first in the order of names counts. Where two folders
    train/ hold the same fragment they are one."""
    found: dict[str, dict[str, _Fragment]] = {"train": {}, "test": {}}
    for path in raw.names:
        match = _FILE.search(path)
        if match:
            part, name, number, file = match.groups()
            fragment = found[part].setdefault(name, _Fragment(raw))
            fragment.files.setdefault(int(number) if number else file, path)
            fragment.folder = fragment.folder or path[: match.end(2)]
    return found


def _notes(fragments: dict[str, dict[str, _Fragment]]) -> list[str]:
    numbers = {key for named in fragments.values() for one in named.values() for key in one.files if key not in _OTHERS}
    unread = sorted(numbers - set(LAYERS))
    if not unread:
        return []
    layers = f"{len(LAYERS)} slices of each fragment are read, {LAYERS[0]} to {LAYERS[-1]}"
    return [f"{layers}; {len(unread)} others are not: {shown(unread)} (LAYERS in the competition's file)"]


_OTHERS = (PAPYRUS, INK, RUNS)

# (height, width) of the fragments that are drawn: no squares, so that runs across the rows are no others
DRAWN = {
    "train": {"1": (168, 136), "2": (200, 260), "3": (150, 184)},
    "test": {"a": (104, 140), "b": (124, 110)},
}
DEPTH = 65
LINES = ("AEHK", "MNOT", "XIZP")


def draw(folder: Path) -> None:
    """Writes fragments in the competition's layout into `folder`, small ones; those of test have their truth, too,
    which the report alone reads."""
    for part, fragments in DRAWN.items():
        for name, size in fragments.items():
            slices, papyrus, ink, photograph = _fragment(name, size)
            here = folder / part / name
            for number, layer in enumerate(slices):
                _write(here / "surface_volume" / f"{number:02d}.tif", layer)
            _write(here / PAPYRUS, papyrus * np.uint8(255))
            _write(here / INK, ink * np.uint8(255))
            if part == "train":
                _write(here / "ir.png", photograph)
                write_rows(here / RUNS, FORMAT.columns, [(name, FORMAT.encode(ink[None]))])
    write_rows(folder / "sample_submission.csv", FORMAT.columns, [(name, "1 1 5 1") for name in DRAWN["test"]])


def _write(path: Path, picture: np.ndarray) -> None:
    # as they come: the slices are not compressed
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if path.suffix == ".tif" else []
    with atomic(path) as file:
        file.write_bytes(cv2.imencode(path.suffix, picture, options)[1].tobytes())


def _fragment(name: str, size: tuple[int, int]):
    """DEPTH slices of H x W uint16; where there is papyrus and ink, {0, 1} uint8; the photograph, uint8.

    A sheet that is not quite flat, with fibres; ink makes it a little thicker, as cracks beside the papyrus do, too.
    """
    random = np.random.default_rng((2023, *name.encode()))
    surface = 32 + 40 * _smooth(random, size, 20)
    fibres = cv2.GaussianBlur(random.normal(0, 1, size).astype(np.float32), (0, 0), sigmaX=6, sigmaY=0.8)
    half = int(size[1] * 0.47), int(size[0] * 0.46)
    outline = cv2.ellipse(np.zeros(size, np.uint8), (size[1] // 2, size[0] // 2), half, 0, 0, 360, 1, -1)
    papyrus = outline & (_smooth(random, size, 8) > -0.06).astype(np.uint8)
    ink = _letters(size) & papyrus
    thicker = cv2.GaussianBlur(np.where(papyrus, ink, _smooth(random, size, 3) > 0).astype(np.float32), (0, 0), 1)
    slices = []
    for number in range(DEPTH):
        height = number - surface
        density = 0.30 + 0.40 * np.exp(-((height / 6) ** 2)) + 0.25 * thicker * np.exp(-(((height - 4) / 3) ** 2))
        density += 0.2 * fibres * np.exp(-((height / 8) ** 2)) + random.normal(0, 0.05, size)
        slices.append((np.clip(density, 0, 1) * 65535).astype(np.uint16))
    photograph = np.clip(150 + 60 * fibres - 90 * ink, 0, 255) * papyrus
    return slices, papyrus, ink, photograph.astype(np.uint8)


def _smooth(random: np.random.Generator, size: tuple[int, int], width: float) -> np.ndarray:
    return cv2.GaussianBlur(random.normal(0, 1, size).astype(np.float32), (0, 0), width)


def _letters(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    found = np.zeros(size, np.uint8)
    for row, line in enumerate(LINES):
        for column, letter in enumerate(line):
            place = int(width * (0.12 + 0.2 * column)), int(height * (0.32 + 0.24 * row))
            cv2.putText(found, letter, place, cv2.FONT_HERSHEY_SIMPLEX, height / 150, 1, 4)
    return found


# ./run.sh vesuvius --recipe smoke
# No GPU: under two minutes on 2 cores. Proves the path, windows and tiles too; its score means nothing, not measured.
SMALLEST = {name: value for name, value in SMOKE.items() if name != "fit"}
SMALLEST |= {"folds": 3, "size": 0, "crop": 48, "non_empty": 0.5, "tile": 96}

# ./run.sh vesuvius --recipe quick
# No GPU: hours on 2 cores for the three fragments of the competition. Time and score not measured.
QUICK = {
    "folds": 3,
    "width": 16,
    "size": 0,
    "crop": 192,
    "non_empty": 0.5,
    "epochs": 8,
    "steps": 250,
    "batch_size": 8,
    "ema": 0.99,
    "rotation": 10.0,
    "score_every": 8,
}

# ./run.sh vesuvius
# One GPU. Time and score not measured.
DEFAULT = {
    "folds": 3,
    "size": 0,
    "crop": 256,
    "non_empty": 0.5,
    "epochs": 30,
    "steps": 500,
    "batch_size": 16,
    "rotation": 20.0,
    "elastic": 4.0,
    "score_every": 10,
}

competition = Competition(
    name="vesuvius",
    title="Vesuvius Challenge: Ink Detection",
    page="https://www.kaggle.com/c/vesuvius-challenge-ink-detection",
    slug="vesuvius-challenge-ink-detection",
    task=Binary(("ink",)),
    metric=CountMetric("F0.5 of the whole set", f05, whole_set),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="turns",
    recipes={"smoke": SMALLEST, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path, on drawn fragments where there are no others: under two minutes on 2 cores",
        "quick": "no GPU: hours on 2 cores (estimated)",
        "default": "one GPU",
    },
    remarks=(
        "Three fragments are three folds: out-of-fold scores of single fragments lie far apart. The test fragments "
        "that everybody may see are copies of fragment 1, which is learnt: how good answers to them look says nothing.",
    ),
)
