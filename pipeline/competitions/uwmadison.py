"""UW-Madison GI Tract Image Segmentation (Kaggle, 2022): find stomach and bowels in MRI slices of the abdomen.

Raw files: `train.csv` (`id,class,segmentation`, a row for each slice and organ, blank where it is not) and
`train/case123/case123_day20/scans/slice_0001_266_266_1.50_1.50.png`, in 16 bits; a slice is called
`case123_day20_slice_0001`. The score is .4 Dice of slices and organs that are not empty in both, and .6 (1 - Hausdorff
distance) of a whole scan, all organs together.

Traps in its files: runs go across the rows, though the organisers' page (and MLE-bench's grader, to which it makes a
difference only where a scan is no square) says down the columns. The first number in a name is the width, the second
the height; sizes here are the picture's own. A case has scans of several days, which may differ in size: folds never
split a case, slices have their neighbours in one scan alone. The masks of two scans (FAULTY) are known to be wrong and
left out. Kaggle's sample submission is a placeholder without a row, its test pictures are hidden: the notebook sees
them when it is submitted.

No flips: stomach and liver have their sides.
"""

import re
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.imaging.official import OfficialMetric
from pipeline.imaging.rle import RunError
from pipeline.imaging.unit_measures import DICE_AND_HAUSDORFF
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.disk import atomic, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.multilabel import MultiLabel

CLASSES = ("large_bowel", "small_bowel", "stomach")
FORMAT = Format("id", "predicted", class_column="class", order="across")
TRAIN = Format("id", "segmentation", class_column="class", order="across")
FAULTY = ("case7_day0", "case81_day30")
SAMPLE = "sample_submission.csv"
_SLICE = re.compile(r"(?:^|/)(train|test)/(?:[^/]+/)?(case\d+_day\d+)/scans/(slice_\d+)_(\d+)_(\d+)_[^/]*\.png$")


class _Slice:
    """A picture, and the run lengths of its organs, which are decoded at its own size."""

    def __init__(self, raw: RawFiles, path: str, sides: set[int]):
        self.raw, self.path, self.sides = raw, path, sides
        self.fields: list[str] = []
        self.where = ""
        self.shape: tuple[int, int] | None = None

    def image(self) -> np.ndarray:
        """H x W x 1, uint16."""
        picture = self.raw.picture(self.path)
        self.shape = picture.shape[:2]
        return picture

    def labels(self) -> np.ndarray:
        """H x W x classes, {0, 1} uint8. Raises UserError."""
        height, width = self.shape or self.image().shape[:2]
        try:
            masks = [TRAIN.decode(field, height, width).any(axis=0) for field in self.fields]
        except RunError as error:
            raise UserError(
                f"{self.where}: {error}; its picture has {width} x {height} pixels (width x height); download both "
                "again"
            ) from error
        return np.stack(masks, axis=-1).astype(np.uint8)

    def doubt(self, labels: np.ndarray) -> str | None:
        return None if set(labels.shape[:2]) == self.sides else "the size in its name is not that of the picture"


def read(raw: RawFiles) -> RawData:
    """Finds the slices by their names, wherever they are, and their masks in `train.csv`."""
    slices = _slices(raw)
    if not slices["train"]:
        raise UserError(
            f"{raw.folder} holds no train/case…/case…_day…/scans/slice_….png; is it the UW-Madison GI tract data?"
        )
    written = _written(raw, "train.csv")
    truth = _written(raw, "test_truth.csv", needed=False)
    _refuse_missing(raw, "train.csv", written, slices["train"])
    notes = _left_out(slices["train"], written)
    found = []
    for part, rows in (("train", written), ("test", truth)):
        for name, one in slices[part].items():
            one.fields, one.where = rows.get(name, []), f"{raw.folder}, the run lengths of {name}"
            labels = one.labels if one.fields else None
            scan = scan_of(name)
            found.append(RawImage(name, part, one.image, labels, scan.split("_")[0], doubt=one.doubt, volume=scan))
    sample, said = _sample(raw)
    return RawData(found, sample=sample, notes=[*notes, *said])


def scan_of(name: str, group: str = "") -> str:
    """`case123_day20` of `case123_day20_slice_0001`: what was taken of a patient on one day."""
    return name.rpartition("_slice_")[0]


def _slices(raw: RawFiles) -> dict[str, dict[str, _Slice]]:
    found: dict[str, dict[str, _Slice]] = {"train": {}, "test": {}}
    for path in raw.names:
        match = _SLICE.search(path)
        if match:
            part, scan, number, *sides = match.groups()
            # what people unpacked comes before its twin in the zip
            found[part].setdefault(f"{scan}_{number}", _Slice(raw, path, set(map(int, sides))))
    return found


def _written(raw: RawFiles, file_name: str, needed: bool = True) -> dict[str, list[str]]:
    """id -> run lengths of each organ. Raises UserError for a table that is not there, organs that are none of CLASSES,
    or that lacks one of a slice."""
    rows = tables.rows(raw, file_name, *TRAIN.columns, key=("id", "class"))
    if not rows and needed:
        raise UserError(f"{raw.folder} holds no {file_name}; download it again")
    fields: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["class"] not in CLASSES:
            raise UserError(f"{raw.folder}, {file_name}: {row['class']!r} of {row['id']} is none of {shown(CLASSES)}")
        fields[row["id"]][row["class"]] = row["segmentation"]
    short = [name for name, organs in fields.items() if len(organs) < len(CLASSES)]
    if short:
        raise UserError(
            f"{raw.folder}, {file_name}: {len(short)} slice(s) have no row for each of {shown(CLASSES)}: "
            f"{shown(short)}; download it again"
        )
    return {name: [organs[label] for label in CLASSES] for name, organs in fields.items()}


def _refuse_missing(raw: RawFiles, file_name: str, written: dict, slices: dict[str, _Slice]) -> None:
    missing = [name for name in written if name not in slices]
    if missing:
        raise UserError(
            f"{raw.folder}: {len(missing)} of {len(written)} slices of {file_name} have no picture: {shown(missing)}; "
            "download or unpack the competition's files again"
        )


def _left_out(slices: dict[str, _Slice], written: dict[str, list[str]]) -> list[str]:
    """Takes out what is not learnt; a note for each kind of it."""
    faulty = [name for name in slices if scan_of(name) in FAULTY]
    unnamed = [name for name in slices if name not in written and name not in faulty]
    for name in (*faulty, *unnamed):
        del slices[name]
    notes = [f"{len(faulty)} slice(s) of {shown(FAULTY)} are left out: their masks are known to be wrong"]
    unknown = f"{len(unnamed)} slice(s) are not in train.csv, and left out: {shown(unnamed)}"
    return (notes if faulty else []) + ([unknown] if unnamed else [])


def _sample(raw: RawFiles) -> tuple[bytes | None, list[str]]:
    """The sample submission, and what is to be said of it: Kaggle's own names no slice."""
    name = raw.one(SAMPLE)
    if name is None or len(tables.records(raw.read(name), raw.where(name))) > 1:
        return tables.sample(raw, FORMAT, SAMPLE).content, []
    return None, [f"{SAMPLE} is a placeholder without a row: the slices below test/ are answered in the order of names"]


# (height, width) of the scans that are drawn, as the competition has them, and slices of each
SIZES = ((266, 266), (310, 360), (276, 276), (234, 234))
SLICES = 6
# cases and days: scans of 3 and 8 are of two sizes; a later day of case 2 is to be answered, as is all of case 30
DRAWN = {
    "train": ((2, 1), (2, 4), (3, 0), (3, 16), (7, 0), (8, 0), (8, 20), (15, 10), (16, 2), (101, 20), (123, 20)),
    "test": ((2, 22), (30, 0), (30, 4)),
}
# of each organ: where its centre lies, its half axes (shares of the sides), and its brightness
PLACES = ((0.62, 0.40), (0.56, 0.52), (0.36, 0.62))
AXES = ((0.16, 0.09), (0.14, 0.17), (0.11, 0.15))
BRIGHTNESS = (7000, -4500, 11000)


def draw(folder: Path) -> None:
    """Writes slices in the competition's layout into `folder`, small in number, and the truth of the test slices apart,
    for the report alone (`test_truth.csv`)."""
    rows = {"train": [], "test": []}
    for part, scans in DRAWN.items():
        for case, day in scans:
            for number, (image, masks) in enumerate(_scan(case, day), 1):
                height, width = image.shape
                scan = f"case{case}_day{day}"
                name = f"slice_{number:04d}"
                path = f"{part}/case{case}/{scan}/scans/{name}_{width}_{height}_1.50_1.50.png"
                with atomic(folder / path) as file:
                    file.write_bytes(cv2.imencode(".png", image)[1].tobytes())
                rows[part] += [
                    (f"{scan}_{name}", label, TRAIN.encode(mask[None]))
                    for label, mask in zip(CLASSES, masks, strict=True)
                ]
    write_rows(folder / "test_truth.csv", TRAIN.columns, rows["test"])
    write_rows(folder / SAMPLE, FORMAT.columns, [(name, label, "") for name, label, _ in rows["test"]])
    write_rows(folder / "train.csv", TRAIN.columns, rows["train"])


def _scan(case: int, day: int):
    """(H x W uint16, three H x W masks) of each slice of a scan: organs lie where they lie in this case, a little moved
    by the day, in slices that follow each other; outer slices have none."""
    patient, today = np.random.default_rng((2022, case)), np.random.default_rng((2022, case, day))
    height, width = size = SIZES[(case + day) % len(SIZES)]
    places = np.array(PLACES) + patient.normal(0, 0.02, (3, 2)) + today.normal(0, 0.01, (3, 2))
    axes, angles = np.array(AXES) * patient.uniform(0.85, 1.15, (3, 2)), patient.uniform(-20, 20, 3)
    girth = patient.uniform(0.38, 0.46)
    first = today.integers(1, 3, 3)
    last = first + today.integers(2, SLICES - 2, 3)
    for number in range(SLICES):
        # bodies and tissue differ, or empty slices would be copies of each other
        body = int(width * (girth - 0.01 * number)), int(height * (girth - 0.08))
        image = cv2.ellipse(np.zeros(size, np.float32), (width // 2, height // 2), body, 0, 0, 360, 12000, -1)
        image += 60000 * cv2.GaussianBlur(today.normal(0, 1, size).astype(np.float32), (0, 0), 9)
        masks = []
        for k in range(3):
            mask = np.zeros(size, np.uint8)
            if first[k] <= number <= last[k]:
                row, column = places[k] * size
                half = (axes[k] * size * today.uniform(0.9, 1.1)).astype(int)
                cv2.ellipse(mask, (int(column), int(row)), (int(half[1]), int(half[0])), angles[k], 0, 360, 1, -1)
            image += BRIGHTNESS[k] * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)
            masks.append(mask)
        # eight levels apart, so that a PNG stays small
        noise = np.rint(today.normal(0, 60, size)) * 8
        yield np.clip(image + noise, 0, 65535).astype(np.uint16), masks


# ./run.sh uwmadison --recipe smoke
# No GPU: under two minutes on 2 cores. Proves the path; its score means nothing and is not measured.
SMALLEST = {**SMOKE, "neighbours": 1}

# ./run.sh uwmadison --recipe quick
# No GPU: hours on 2 cores for the 38,496 slices of the competition. Time and score not measured.
QUICK = {
    "width": 16,
    "size": 96,
    "fit": "resize",
    "neighbours": 1,
    "epochs": 8,
    "batch_size": 16,
    "ema": 0.99,
    "scale": 0.15,
    "rotation": 10.0,
    "score_every": 4,
}

# ./run.sh uwmadison
# One GPU. Time and score not measured.
DEFAULT = {
    "size": 288,
    "fit": "resize",
    "neighbours": 1,
    "epochs": 20,
    "batch_size": 16,
    "scale": 0.15,
    "rotation": 10.0,
    "elastic": 6.0,
    "score_every": 4,
}

competition = Competition(
    name="uwmadison",
    title="UW-Madison GI Tract Image Segmentation",
    page="https://www.kaggle.com/c/uw-madison-gi-tract-image-segmentation",
    slug="uw-madison-gi-tract-image-segmentation",
    task=MultiLabel(CLASSES),
    metric=CountMetric("mean Dice over slices and organs", dice),
    official=OfficialMetric(".4 Dice + .6 (1 - Hausdorff) of scans", DICE_AND_HAUSDORFF, unit_of=scan_of),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="none",
    recipes={"smoke": SMALLEST, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path, on drawn slices where there are no others: under two minutes on 2 cores",
        "quick": "no GPU: hours on 2 cores (estimated)",
        "default": "one GPU",
    },
    remarks=(
        "Thresholds are searched by mean Dice, which counts a slice without an organ as right where none is found; the "
        "organisers' score leaves such slices out.",
    ),
)
