"""ISBI 2012 (Arganda-Carreras et al. 2015): find cell membranes in 30 electron microscope slices of 512 x 512 pixels.

Traps in its files: in the labels **0 is the membrane** and 255 the inside of cells; here the membrane is 1. The slices
are numbered from 0 in both parts, so the ids of test slices begin with `test-`. The challenge gives them as three TIFF
stacks (`train-volume.tif`, `train-labels.tif`, `test-volume.tif`), others as a PNG each. The 30 slices lie on each
other: grey values of neighbours correlate by .2, of others by 0, so a held-out slice is not quite unseen.

All turns and flips: slices through tissue have no up.

Beside the Dice of the decoded membrane stands the score NVIDIA reports for its U-Net (DeepLearningExamples,
TensorFlow2/Segmentation/UNet_Medical, `runtime/losses.py`, `data_loading/data_loader.py`). Followed are: labels of 0
and 1 (inside), resized to 388 x 388 bilinearly without smoothing, 1 from .5 on; soft Dice of each class over the
pixels of an image, the mean of both classes and of the images. Not followed: its network sees the image already resized
to 388 x 388, in a black frame of 572 x 572, and answers for these pixels; ours answers for 512 x 512 and its
probabilities are resized, the same way. Its five folds are other folds (24 and 6 shuffled slices).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import soft_dice
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary

MEMBRANE, INSIDE = 0, 255


class _Slice(NamedTuple):
    """Where it is, for messages, and its pixels, H x W x 1."""

    where: str
    picture: Callable[[], np.ndarray]


def read(raw: RawFiles) -> RawData:
    """Finds the slices, as `train/image/<n>.png` and `train/label/<n>.png` or as stacks; `test/` may be absent, and
    its slices may lie in `test/image/` or in `test/` itself."""
    images = _slices(raw, r"train/image/(\d+)\.png$", "train-volume.tif")
    labels = _slices(raw, r"train/label/(\d+)\.png$", "train-labels.tif")
    tests = _slices(raw, r"test/(?:image/)?(\d+)\.png$", "test-volume.tif")
    if not images:
        raise UserError(
            f"{raw.folder} holds neither train/image/<n>.png nor train-volume.tif; is it the ISBI 2012 data?"
        )
    for kind, wanted, have in (("label", images, labels), ("image", labels, images)):
        missing = [number for number in sorted(wanted) if number not in have]
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} of {len(wanted)} slices have no file train/{kind}/<n>.png: "
                f"{shown(missing)}; download or unpack the files again"
            )
    found = [
        RawImage(f"{n:02d}", "train", image.picture, lambda n=n: _membrane(labels[n]), doubt=_doubt)
        for n, image in images.items()
    ]
    return RawData(found + [RawImage(f"test-{n:02d}", "test", image.picture) for n, image in tests.items()])


def _slices(raw: RawFiles, pattern: str, stack: str) -> dict[int, _Slice]:
    """number -> slice: from the files that match, or else from the pages of the stack; none where neither is there."""
    files = raw.by_stem(rf"(?:^|/){pattern}")
    if files:
        return {
            int(number): _Slice(str(raw.folder / path), lambda path=path: raw.picture(path)[..., :1])
            for number, path in files.items()
        }
    name = raw.one(stack)
    if name is None:
        return {}
    return {
        n: _Slice(f"{raw.where(name)}, page {n}", lambda page=page: page[..., :1])
        for n, page in enumerate(raw.pages(name))
    }


def _membrane(label: _Slice) -> np.ndarray:
    """H x W x 1 uint8, 1 where there is membrane."""
    picture = label.picture()
    other = np.setdiff1d(picture, (MEMBRANE, INSIDE))
    if len(other):
        raise UserError(
            f"{label.where} holds the value {other[0]}; labels are {MEMBRANE} (membrane) and {INSIDE} (inside): "
            "download it again"
        )
    return (picture == MEMBRANE).astype(np.uint8)


def _doubt(labels: np.ndarray) -> str | None:
    return "more than half is membrane: are its labels the wrong way round?" if labels.mean() > 0.5 else None


def soft_dice_388(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Of one slice, from H x W x 1 uint8 probabilities and labels: mean soft Dice of both classes at 388 x 388."""
    return soft_dice.of_both_classes(probabilities[..., 0] / np.float32(255), labels[..., 0] != 0, 388)


# ./run.sh isbi2012 --recipe quick
# No GPU: 20 minutes of learning on 2 cores for all five folds. Windows of 24 slices, many of them.
# Dice of the membrane .806 ± .003 cross-fitted, soft Dice at 388 pixels .898 (n = 30 slices). See
# benchmarks/isbi2012/quick.
QUICK = {
    "width": 24,
    "size": 0,
    "crop": 128,
    "epochs": 16,
    "steps": 40,
    "batch_size": 8,
    "ema": 0.99,
    "elastic": 6.0,
    "rotation": 15.0,
    "score_every": 8,
}

# ./run.sh isbi2012
# One GPU. Time and score not measured.
DEFAULT = {
    "size": 0,
    "crop": 256,
    "steps": 100,
    "batch_size": 8,
    "dropout": 0.2,
    "elastic": 10.0,
    "rotation": 15.0,
    "score_every": 10,
}

# ./run.sh isbi2012 --recipe unet2015
# One GPU. Time and score not measured; NVIDIA reports .890 soft Dice of the same network.
# The paper's network and training: tiles of 572 pixels answered at 388, one a step, momentum .99, elastic deformation
# by a grid of 3 x 3 with 10 pixels, dropout, borders that count ten times more. Ours: a warm-up and a falling learning
# rate, averaged weights, flips and turns.
UNET2015 = {
    "model": "unet2015",
    "width": 64,
    "dropout": 0.5,
    "size": 0,
    "crop": 388,
    "tile": 388,
    "steps": 100,
    "batch_size": 1,
    "optimizer": "sgd",
    "momentum": 0.99,
    "learning_rate": 3e-4,
    "weight_decay": 0.0,
    "loss": "bce",
    "class_balance": 1.0,
    "border_weight": 10.0,
    "elastic": 10.0,
    "elastic_grid": 3,
    "rotation": 15.0,
    "score_every": 20,
}

competition = Competition(
    name="isbi2012",
    title="ISBI 2012: membranes in electron microscopy",
    page="https://imagej.net/events/isbi-2012-segmentation-challenge",
    slug="",
    task=Binary(("membrane",), objects_are=0),
    metric=CountMetric("Dice of the membrane", dice),
    read=read,
    format=Format("id", "rle", class_column="class"),
    symmetry="turns",
    recipes={"smoke": SMOKE, "quick": QUICK, "default": DEFAULT, "unet2015": UNET2015},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 20 minutes on 2 cores for all five folds",
        "default": "one GPU",
        "unet2015": "one GPU: the U-Net paper's network, 572 pixels in and 388 out, much of its training",
    },
    uploads=False,
    remarks=(
        "All slices are of one small piece of tissue and lie on each other: the score says how well slices between "
        "labelled ones are found, not how well those of another piece would be.",
    ),
    also={"soft Dice, mean of both classes, 388 px": soft_dice_388},
)
