"""A multi-label competition that draws its own data: three organs that may overlap, mostly absent.

The shape of UW-Madison's GI tract and many later competitions: slices of patients in 16 bits, a row for each image and
class, a rule for each class. Raw files: `train/<case>_<slice>.png` with `train.csv` (`id,class,rle`, a row for each
image and class, blank where the organ is absent), `test/` with `sample_submission.csv`, and the truth of the test
slices apart in `test_truth.csv`, for the report alone.
"""

from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging import rle
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.disk import atomic, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.multilabel import MultiLabel

CLASSES = ("stomach", "small_bowel", "large_bowel")
FORMAT = Format(id_column="id", rle_column="rle", class_column="class")
CASES, TEST_CASES, SLICES = 20, 6, 10
HEIGHT, WIDTH = 72, 64
# of each organ: where its centre lies, its half axes (shares of the sides), and its brightness
PLACES = ((0.36, 0.38), (0.60, 0.52), (0.50, 0.66))
AXES = ((0.20, 0.15), (0.17, 0.20), (0.24, 0.11))
BRIGHTNESS = (9000, -7000, 14000)


def draw(folder: Path) -> None:
    """Writes the raw files into `folder`; `train.csv` comes last and says that the others are finished."""
    parts = {"train": [], "test": []}
    for case in range(CASES + TEST_CASES):
        part = "train" if case < CASES else "test"
        for name, image, masks in _slices(case):
            _write_picture(folder / part / f"{name}.png", image)
            parts[part] += [(name, label, rle.encode(mask)) for label, mask in zip(CLASSES, masks, strict=True)]
    write_rows(folder / "test_truth.csv", FORMAT.columns, parts["test"])
    sample = [(name, label, "") for name, label, _ in parts["test"]]
    write_rows(folder / "sample_submission.csv", FORMAT.columns, sample)
    write_rows(folder / "train.csv", FORMAT.columns, parts["train"])


def _slices(case: int):
    """(id, H x W uint16, three H x W masks) of a patient: an organ is there in some slices that follow each other."""
    random = np.random.default_rng((1895, case))
    body = random.normal(20000, 1500)
    length = random.integers(2, 7, 3)
    first = random.integers(0, SLICES - length + 1)
    offsets, sizes, angles = (
        random.normal(0, 0.03, (3, 2)),
        random.uniform(0.8, 1.2, (3, 2)),
        random.uniform(-20, 20, 3),
    )
    for number in range(SLICES):
        image = body + 4000 * cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 4) * 8
        masks = []
        for k in range(3):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            if first[k] <= number < first[k] + length[k]:
                centre = (np.array(PLACES[k]) + offsets[k] + random.normal(0, 0.01, 2)) * (HEIGHT, WIDTH)
                half = np.array(AXES[k]) * sizes[k] * random.uniform(0.9, 1.1) * (HEIGHT, WIDTH)
                whole = tuple(round(value) for value in (*centre[::-1], *half[::-1]))
                cv2.ellipse(mask, whole[:2], whole[2:], angles[k], 0, 360, 1, -1)
            image = image + BRIGHTNESS[k] * cv2.GaussianBlur(mask.astype(float), (0, 0), 1.0)
            masks.append(mask)
        image = image + random.normal(0, 1800, image.shape)
        yield f"case{case:02}_{number:02}", np.clip(image, 0, 65535).astype(np.uint16), masks


def _write_picture(path: Path, image: np.ndarray) -> None:
    with atomic(path) as part:
        part.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def read(raw: RawFiles) -> RawData:
    """Finds the slices; masks are made from the run lengths of `train.csv`."""
    pictures = {part: raw.by_stem(rf"(?:^|/){part}/([^/]+)\.png$") for part in ("train", "test")}
    written = {part: _rows(raw, name) for part, name in (("train", "train.csv"), ("test", "test_truth.csv"))}
    sample = tables.sample(raw, FORMAT)
    missing = sorted(set(pictures["train"]) ^ {name for name, _ in written["train"]})
    if not pictures["train"] or missing:
        what = f"{missing[0]} is only one of train/ and train.csv" if missing else "no train/*.png"
        raise UserError(f"{raw.folder}: {what}; delete the folder to have it drawn again")
    found = []
    for part, names in pictures.items():
        for name, path in names.items():
            labels = (
                (lambda name=name, rows=written[part], path=path: _labels(raw, path, name, rows))
                if written[part]
                else None
            )
            group = name.split("_")[0]
            found.append(RawImage(name, part, lambda path=path: raw.picture(path), labels, group=group))
    return RawData(found, sample=sample.content)


def _rows(raw: RawFiles, file_name: str) -> dict[tuple[str, str], str]:
    """(id, class) -> run lengths; empty when there is no such file."""
    rows = tables.rows(raw, file_name, *FORMAT.columns, key=("id", "class"))
    return {(row["id"], row["class"]): row["rle"] for row in rows}


def _labels(raw: RawFiles, path: str, name: str, rows: dict) -> np.ndarray:
    height, width = raw.picture(path).shape[:2]
    masks = [rle.decode(rows[name, label], height, width) for label in CLASSES]
    return np.stack(masks, axis=-1).astype(np.uint8)


# ./run.sh organs --recipe quick
# ./run.sh organs
# No GPU: two minutes on 2 cores for every stage, all three folds.
# Mean Dice over images and classes .957 ± .003 cross-fitted (n = 200 slices).
QUICK = {
    "folds": 3,
    "width": 12,
    "depth": 3,
    "size": 64,
    "epochs": 24,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "ema": 0.98,
    "score_every": 6,
}

competition = Competition(
    name="organs",
    title="Organs: three drawn classes that overlap",
    page="",
    slug="",
    task=MultiLabel(CLASSES),
    metric=CountMetric("mean Dice over images and classes", dice),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="none",
    recipes={"smoke": SMOKE, "quick": QUICK, "default": QUICK},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: two minutes on 2 cores for all folds",
        "default": "the same as quick",
    },
    uploads=False,
)
