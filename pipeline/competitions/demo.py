"""A competition that draws its own data: TGS in small, with no account and no download.

The files are laid out as Kaggle gives TGS, traps included, and read by its reader; the truth of the test images is
kept apart in `test_masks.zip`, for the report alone.
"""

import hashlib
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition
from pipeline.competitions import tgs
from pipeline.imaging import rle, seismic
from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.recipe import SMOKE
from pipeline.store.disk import atomic, write_rows
from pipeline.tasks.binary import Binary

SEED = 2010
TRAIN, TEST = 320, 160


def draw(folder: Path) -> None:
    """Writes the raw files into `folder`; `train.csv` comes last and says that the others are finished."""
    tiles = dict(_tiles(TRAIN + TEST))
    ids = list(tiles)
    train, test = sorted(ids[:TRAIN]), sorted(ids[TRAIN:])
    _write_zip(
        folder / "train.zip",
        [(f"images/{name}.png", _picture(tiles[name].image)) for name in train]
        + [(f"masks/{name}.png", _mask(tiles[name].mask)) for name in train],
    )
    _write_zip(folder / "test.zip", [(f"images/{name}.png", _picture(tiles[name].image)) for name in test])
    _write_zip(folder / "test_masks.zip", [(f"test_masks/{name}.png", _mask(tiles[name].mask)) for name in test])
    write_rows(folder / "depths.csv", ["id", "z"], [(name, tiles[name].depth) for name in sorted(ids)])
    write_rows(folder / "sample_submission.csv", tgs.FORMAT.columns, [(name, "1 1") for name in test])
    written = rle.encode_many(np.stack([tiles[name].mask for name in train]))
    write_rows(folder / "train.csv", tgs.FORMAT.columns, zip(train, written, strict=True))


def _tiles(count: int) -> Iterable[tuple[str, seismic.Tile]]:
    """(id, tile): ids of ten hexadecimal digits as in TGS, every tile from a seed of its own."""
    from tqdm import tqdm

    for number in tqdm(range(count), desc="draw", unit="image", disable=not sys.stderr.isatty(), delay=1):
        name = hashlib.sha256(f"{SEED} {number}".encode()).hexdigest()[:10]
        yield name, seismic.draw((SEED, number))


def _picture(image: np.ndarray) -> np.ndarray:
    """TGS stores grey as three equal channels."""
    return np.repeat(image[..., None], 3, axis=2)


def _mask(mask: np.ndarray) -> np.ndarray:
    """TGS stores masks with 16 bits, but empty ones with 8."""
    return mask.astype(np.uint16) * 65535 if mask.any() else mask


def _write_zip(path: Path, pictures: Iterable[tuple[str, np.ndarray]]) -> None:
    with atomic(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, picture in pictures:
            # without a date of its own an entry would carry the time of drawing
            archive.writestr(zipfile.ZipInfo(name), cv2.imencode(".png", picture)[1].tobytes())


# ./run.sh demo --recipe quick
# ./run.sh demo
# No GPU: 4 minutes on 2 cores for every stage, all three folds. Few images, so small batches and many epochs.
# Precision over IoU .799 ± .018 cross-fitted (n = 320 images); the submission .806 ± .025 (n = 160 hidden test images).
QUICK = {
    "folds": 3,
    "width": 12,
    "size": 64,
    "fit": "resize",
    "epochs": 36,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "weight_decay": 0.02,
    "ema": 0.98,
    "late_loss": "bce+lovasz",
    "score_every": 6,
}

competition = Competition(
    name="demo",
    title="Demo: salt in drawn seismic tiles",
    page="",
    slug="",
    task=Binary(("salt",)),
    metric=CountMetric("mean precision over IoU 0.5 to 0.95", precision_over_iou),
    read=tgs.read,
    draw=draw,
    format=tgs.FORMAT,
    symmetry="left-right",
    recipes={"smoke": SMOKE, "quick": QUICK, "default": QUICK},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: under five minutes on 2 cores for all folds",
        "default": "the same as quick",
    },
    uploads=False,
)
