"""HuBMAP: Hacking the Kidney (Kaggle, 2021): find glomeruli in pictures of slices of kidneys.

Raw files: `train/<id>.tiff` (H x W x 3, 8 bits, up to 50,000 pixels a side; packed, in tiles, with its colours in
planes of their own or not), `train.csv` (`id,encoding`: run lengths) and `train/<id>.json` (the same as outlines);
`test/<id>.tiff` without them. `HuBMAP-20-dataset_information.csv` says of which donor a slide is. The files
`<id>-anatomical-structure.json` (cortex, medulla) are not read. The score is Dice of each slide, and their mean.

A slide is learnt in windows and answered in tiles at its full size, as the csv wants it: exact, and it costs disk. For
a gigapixel (the largest slide has two) 3 GB of pixels, 1 GB of labels, and 1 GB of answers in every fold. With `--stem
4` a network spends on a window what another spends on a quarter of its side.

Traps in its files: runs go down the columns, from 1 on. Slides of one donor resemble each other, so folds never split a
donor. The hidden slides, and their sample submission, are there when the notebook is submitted.
"""

import re
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import columns
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.imaging.rle import RunError
from pipeline.raw import large, tables
from pipeline.raw.annotations.outlines import Outlines, outlines
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.bands import Bands, spans
from pipeline.store.disk import atomic, write_json, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.large import Large

FORMAT = Format("id", "predicted")
RUNS, ENCODING = "train.csv", "encoding"
DONORS, FILE, DONOR = "HuBMAP-20-dataset_information.csv", "image_file", "patient_number"
SAMPLE = "sample_submission.csv"
ANATOMY = "-anatomical-structure.json"
EDGE = 3  # pixels: outlines and runs that differ by less than twice this are drawn in two ways, and say the same
_SLIDE = re.compile(r"(?:^|/)(train|test)/([^/]+)\.tiff?$")


class _Slide:
    """A slide, and what is known of its glomeruli: run lengths, the name of a file of outlines, or both."""

    def __init__(self, raw: RawFiles, path: str, runs: str | None, outlined: str | None):
        self.raw, self.path, self.runs, self.outlined = raw, path, runs, outlined
        self.size: tuple[int, int] | None = None

    @property
    def is_labelled(self) -> bool:
        return self.runs is not None or self.outlined is not None

    def image(self) -> np.ndarray | Bands:
        """H x W x 3, uint8. Raises UserError."""
        found = large.picture(self.raw, self.path)
        if found.dtype != np.uint8 or found.shape[2] != 3:
            raise UserError(
                f"{self.raw.where(self.path)} has {found.shape[2]} channel(s) of {found.dtype}; wanted are three of 8 "
                "bits; download it again"
            )
        self.size = found.shape[:2]
        return found

    def labels(self) -> Bands:
        """H x W x 1, {0, 1} uint8. Raises UserError."""
        if self.size is None:
            self.image()
        drawn = self._encoded() if self.runs is not None else self._outlines()
        return Bands((*self.size, 1), np.dtype(np.uint8), lambda *lines: drawn.lines(*lines)[..., None].view(np.uint8))

    def doubt(self, labels: Bands) -> Doubt | None:
        """Where runs and outlines differ by more than an edge."""
        if self.runs is None or self.outlined is None:
            return None
        pixels = self._differing()
        return Doubt(f"{RUNS} and the outlines (json) differ: {RUNS} is learnt", pixels) if pixels else None

    def _encoded(self) -> columns.Columns:
        where, (height, width) = self.raw.where(self.raw.one(RUNS)), self.size
        try:
            runs = FORMAT.in_order(FORMAT.parse([self.runs]), height * width)
        except RunError as error:
            raise UserError(
                f"{where}: {error}; {self.path} has {width} x {height} pixels (width x height); download both again"
            ) from error
        return columns.Columns(runs.starts, runs.lengths, height, width)

    def _outlines(self) -> Outlines:
        return outlines(self.raw, self.outlined, *self.size)

    def _differing(self) -> int:
        """Pixels of places wider than an edge that are in one of them alone."""
        encoded, drawn, height = self._encoded(), self._outlines(), self.size[0]
        box, around, count = np.ones((2 * EDGE + 1,) * 2, np.uint8), 2 * EDGE, 0
        for top, bottom in spans((*self.size, 1)):
            first, last = max(0, top - around), min(height, bottom + around)
            other = (encoded.lines(first, last) != drawn.lines(first, last)).view(np.uint8)
            if other.any():
                wide = cv2.morphologyEx(other, cv2.MORPH_OPEN, box)
                count += int(np.count_nonzero(wide[top - first : bottom - first]))
        return count


def read(raw: RawFiles) -> RawData:
    """Finds the slides of train/ and test/ wherever these are."""
    slides, notes = _slides(raw)
    donors, said = _donors(raw, [name for name, _ in slides["train"]])
    notes += said
    found = [
        RawImage(name, part, one.image, one.labels if one.is_labelled else None, donors.get(name, ""), doubt=one.doubt)
        for part, named in slides.items()
        for name, one in named
    ]
    sample, said = _sample(raw, [name for name, _ in slides["test"]])
    return RawData(found, sample=sample, notes=notes + said)


def _slides(raw: RawFiles) -> tuple[dict[str, list[tuple[str, _Slide]]], list[str]]:
    """part -> (id, slide) of each, and what is to be said. Of a slide that is there twice the first name counts."""
    runs = {row["id"]: row[ENCODING] for row in tables.rows(raw, RUNS, "id", ENCODING, key=("id",))}
    names, found, seen = set(raw.names), {"train": [], "test": []}, set()
    for path in raw.names:
        match = _SLIDE.search(path)
        if match and match.groups() not in seen:
            seen.add(match.groups())
            part, name = match.groups()
            outlined = f"{path.rpartition('.')[0]}.json"
            encoded = runs.get(name) if part == "train" else None
            found[part].append((name, _Slide(raw, path, encoded, outlined if outlined in names else None)))
    if not found["train"]:
        raise UserError(f"{raw.folder} holds no train/….tiff; is it the HuBMAP kidney data?")
    bare = [one.path for _, one in found["train"] if not one.is_labelled]
    if bare:
        raise UserError(f"{raw.where(bare[0])} has neither a row in {RUNS} nor a json of outlines; download them again")
    missing = sorted(runs.keys() - {name for name, _ in found["train"]})
    notes = [f"{len(missing)} row(s) of {RUNS} have no slide below train/, and are left out: {shown(missing)}"]
    anatomy = [path for path in raw.names if path.endswith(ANATOMY)]
    unread = [f"{len(anatomy)} file(s) of anatomical structures (cortex, medulla) are not read"] if anatomy else []
    return found, (notes if missing else []) + unread


def _donors(raw: RawFiles, train: list[str]) -> tuple[dict[str, str], list[str]]:
    """id -> donor, of slides of which it is known, and a note where of some it is not."""
    rows = tables.rows(raw, DONORS, FILE, DONOR, key=(FILE,))
    found = {re.sub(r"\.tiff?$", "", row[FILE]): row[DONOR].strip() for row in rows}
    unknown = [name for name in train if not found.get(name)]
    if not unknown:
        return found, []
    what = f"{DONORS} says of no donor of" if rows else f"{DONORS} is not there, which says the donors of"
    return found, [f"{what} {len(unknown)} train slide(s): in folds each stands alone: {shown(unknown)}"]


def _sample(raw: RawFiles, tests: list[str]) -> tuple[bytes | None, list[str]]:
    """The sample submission, and what is to be said of it where it is a placeholder: it names none of the slides, or
    not all of them. One that names too many of them stays, and is refused: these are missing."""
    found = tables.sample(raw, FORMAT, SAMPLE)
    missing = set(found.ids) - set(tests)
    is_torn = bool(missing) and missing != set(found.ids)
    if found.content is None or set(found.ids) == set(tests) or is_torn:
        return found.content, []
    return None, [f"{SAMPLE} names other slides than those below test/, which are answered in the order of names"]


# donor, height and width of what is drawn, and how it is stored: no squares, so that runs across the rows are no others
DRAWN = {
    "train": {
        "0a1b2c3d4": ("63921", (300, 420), "tiles"),
        "1f9e8d7c6": ("63921", (360, 260), "planes"),
        "2d4c6b8a0": ("67347", (280, 340), "strips"),
        "3e5f7a9b1": ("68138", (400, 310), "pyramid"),
        "4c8d2e6f0": ("68250", (260, 380), "planes"),
        "5b7a9c1d3": ("68250", (330, 290), "tiles"),
    },
    "test": {"a6d5c4b3e": ("68304", (290, 370), "pyramid"), "b8f7e6d5c": ("68555", (350, 270), "planes")},
}
COLOURS = {"glass": (238, 234, 238), "tissue": (206, 152, 188), "glomerulus": (158, 92, 150)}


def draw(folder: Path) -> None:
    """Writes slides in the competition's layout into `folder`, small ones, stored in several ways; those of test have
    their outlines, too, which the report alone reads."""
    rows, information = [], []
    for part, slides in DRAWN.items():
        for name, (donor, size, kind) in slides.items():
            picture, mask = _slide(name, size)
            _write(folder / part / f"{name}.tiff", picture, kind)
            write_json(folder / part / f"{name}.json", _features(mask))
            write_json(folder / part / f"{name}{ANATOMY}", [])
            information.append((f"{name}.tiff", size[1], size[0], donor))
            if part == "train":
                rows.append((name, FORMAT.encode(mask[None])))
    write_rows(folder / RUNS, ["id", ENCODING], rows)
    write_rows(folder / SAMPLE, FORMAT.columns, [(name, "") for name in DRAWN["test"]])
    write_rows(folder / DONORS, [FILE, "width_pixels", "height_pixels", DONOR], information)


def _write(path: Path, picture: np.ndarray, kind: str) -> None:
    """H x W x 3 as the slides are stored: in tiles, with a smaller copy, in five axes with planes apart."""
    import tifffile

    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    tiles = {"tile": (64, 64), "compression": "zlib", "photometric": "rgb"}
    with atomic(path) as part, tifffile.TiffWriter(part) as file:
        if kind == "planes":
            planes = np.ascontiguousarray(np.moveaxis(picture, 2, 0))
            file.write(planes[None, None], photometric="rgb", planarconfig="separate")
        elif kind == "strips":
            file.write(picture, photometric="rgb", compression="zlib", rowsperstrip=16)
        else:
            file.write(picture, subifds=int(kind == "pyramid"), **tiles)
            if kind == "pyramid":
                file.write(half, subfiletype=1, **tiles)


def _features(mask: np.ndarray) -> list[dict]:
    """The outlines of the parts of a mask, through the centres of their outermost pixels."""
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = [[*outline[:, 0].tolist(), outline[0, 0].tolist()] for outline in found]
    return [
        {
            "type": "Feature",
            "id": "PathAnnotationObject",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"classification": {"name": "glomerulus"}},
        }
        for ring in rings
    ]


def _slide(name: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """H x W x 3 uint8 and its glomeruli, {0, 1} uint8: dark discs with a bright rim in the outer half of the tissue."""
    random = np.random.default_rng((2021, *name.encode()))
    rough = cv2.GaussianBlur(random.normal(0, 1, size).astype(np.float32), (0, 0), 9) * 9
    middle, axes = (size[1] // 2, size[0] // 2), (int(size[1] * 0.44), int(size[0] * 0.42))
    tissue = cv2.ellipse(np.zeros(size, np.uint8), middle, axes, float(random.uniform(-15, 15)), 0, 360, 1, -1)
    tissue &= (rough > -1.1).astype(np.uint8)
    mask, taken = np.zeros(size, np.uint8), cv2.erode(1 - tissue, np.ones((3, 3), np.uint8))
    for _ in range(400):
        spot, long = [int(random.integers(side)) for side in size[::-1]], int(random.integers(11, 19))
        short = int(long * random.uniform(0.75, 1))
        disc = cv2.ellipse(np.zeros(size, np.uint8), spot, (long, short), 0, 0, 360, 1, -1)
        if mask.sum() < 0.07 * mask.size and not (taken & disc).any():
            mask |= disc
            taken |= cv2.dilate(disc, np.ones((15, 15), np.uint8))
    kinds = np.where(mask, 2, tissue)
    picture = np.array([COLOURS[kind] for kind in ("glass", "tissue", "glomerulus")], np.float32)[kinds]
    rim = cv2.dilate(mask, np.ones((7, 7), np.uint8)) & ~mask & tissue
    picture[rim > 0] += 26
    grain = np.where(kinds > 0, 12 * rough + random.normal(0, 9, size), 0) + random.normal(0, 2, size)
    return np.clip(picture + grain[..., None], 0, 255).astype(np.uint8), mask


# ./run.sh hubmap --recipe smoke
# No GPU: under two minutes on 2 cores. Proves the path, windows and tiles too; its score means nothing, not measured.
SMALLEST = {name: value for name, value in SMOKE.items() if name != "fit"}
SMALLEST |= {"folds": 3, "size": 0, "crop": 64, "non_empty": 0.5, "tile": 192}

# ./run.sh hubmap --recipe quick
# No GPU: a day on 2 cores for the slides of the competition. Time and score not measured.
QUICK = {
    "stem": 4,
    "width": 16,
    "size": 0,
    "crop": 768,
    "non_empty": 0.5,
    "tile": 2048,
    "epochs": 8,
    "steps": 200,
    "batch_size": 8,
    "ema": 0.99,
    "rotation": 20.0,
    "tta": False,
    "score_every": 8,
}

# ./run.sh hubmap
# One GPU. Time and score not measured.
DEFAULT = {
    "stem": 4,
    "size": 0,
    "crop": 1024,
    "non_empty": 0.5,
    "tile": 2048,
    "epochs": 30,
    "steps": 500,
    "batch_size": 16,
    "rotation": 30.0,
    "elastic": 8.0,
    "hue": 15.0,
    "score_every": 30,
}

competition = Competition(
    name="hubmap",
    title="HuBMAP: Hacking the Kidney",
    page="https://www.kaggle.com/c/hubmap-kidney-segmentation",
    slug="hubmap-kidney-segmentation",
    task=Large(("glomerulus",)),
    metric=CountMetric("mean Dice", dice),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="turns",
    recipes={"smoke": SMALLEST, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path, on drawn slides where there are no others: under two minutes on 2 cores",
        "quick": "no GPU: a day on 2 cores (estimated)",
        "default": "one GPU",
    },
    remarks=(
        "Fifteen slides of fewer donors: every slide is a fifteenth of the score, and folds lie far apart. Slides that "
        "were cut and stained elsewhere, as hidden ones are, answer otherwise than these.",
    ),
)
