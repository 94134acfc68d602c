"""Ultrasound Nerve Segmentation (Kaggle, 2016): find the brachial plexus in 580 x 420 ultrasound frames of the neck.

Traps in its files: `train_masks.csv` names subject and image in two columns, the files `<subject>_<img>.tif`; test
images have numbers of their own, without a subject, and as text "10" comes before "2": the order of the submission is
that of the sample. Frames are of videos: near copies, of which some are labelled and some are not, so folds never
split a subject. A score of 1 for an empty answer on an empty image, 0 for one stray pixel there.

Left-right: the mirrored picture is what the other side of the neck, or the probe turned round, would show. But nearly
all frames lie one way: of Kaggle's 2323 nerves 81 % lean to the right at the top, and their centres are 44 pixels right
of the middle on average. The recipe fields `flip` and `tta` switch it off. Never up-down: depth and shadows point down.
"""

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import labelled
from pipeline.raw.masks import as_published
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary

FORMAT = Format(id_column="img", rle_column="pixels")
WRITTEN = "train_masks.csv"


def read(raw: RawFiles) -> RawData:
    """Finds frames and masks by name, wherever they are: `2_8.tif` is a train image, `2_8_mask.tif` its mask, `8.tif`
    a test image.

    Which of them count is said by `train_masks.csv` and the sample submission where they are there.
    """
    images = raw.by_stem(r"(?:^|/)(\d+_\d+)\.tif$")
    masks = raw.by_stem(r"(?:^|/)(\d+_\d+)_mask\.tif$")
    tests = raw.by_stem(r"(?:^|/)(\d+)\.tif$")
    written = _written(raw)
    sample = tables.sample(raw, FORMAT)
    train_ids = list(written) or sorted(images)
    test_ids = sample.ids or sorted(tests, key=int)
    if not images:
        raise UserError(f"{raw.folder} holds no train/<subject>_<img>.tif; is it the ultrasound nerve data?")
    _refuse_missing(raw, "train/{}.tif", train_ids, images)
    _refuse_missing(raw, "train/{}_mask.tif", train_ids, masks)
    _refuse_missing(raw, "test/{}.tif", test_ids, tests)
    found = [
        RawImage(
            id=name,
            part="train",
            image=lambda path=images[name]: raw.picture(path)[..., :1],
            labels=lambda path=masks[name]: labelled(raw.picture(path), as_published, raw.where(path))[0],
            group=name.split("_")[0],
            doubt=lambda labels, name=name: _doubt(labels, written.get(name)),
        )
        for name in train_ids
    ]
    found += [RawImage(name, "test", lambda path=tests[name]: raw.picture(path)[..., :1]) for name in test_ids]
    return RawData(found, sample=sample.content, notes=_left_out(masks, train_ids))


def _written(raw: RawFiles) -> dict[str, str]:
    """<subject>_<img> -> run lengths of `train_masks.csv`; empty when there is none."""
    rows = tables.rows(raw, WRITTEN, "subject", *FORMAT.columns, key=("subject", "img"))
    return {f"{row['subject']}_{row['img']}": row["pixels"] for row in rows}


def _refuse_missing(raw: RawFiles, pattern: str, ids: list[str], names: dict[str, str]) -> None:
    missing = [pattern.format(name) for name in ids if name not in names]
    if missing:
        raise UserError(
            f"{raw.folder}: {len(missing)} of {len(ids)} files are not there: {shown(missing)}; download or unpack the "
            "competition's files again"
        )


def _left_out(masks: dict[str, str], train_ids: list[str]) -> list[str]:
    """A note where there are masks that the table does not name: is it cut off?"""
    more = sorted(set(masks) - set(train_ids))
    return (
        [f"{len(more)} mask(s) are of frames that {WRITTEN} does not name, and left out: {shown(more)}"] if more else []
    )


def _doubt(labels: np.ndarray, written: str | None) -> str | None:
    if written is None or rle.encode(labels[..., 0]) == written.strip():
        return None
    return f"its mask differs from {WRITTEN}"


# ./run.sh nerve --recipe quick
# No GPU: two hours or more on 2 cores (estimated). Time and score not measured.
QUICK = {
    "width": 16,
    "size": 96,
    "fit": "resize",
    "epochs": 20,
    "batch_size": 16,
    "ema": 0.99,
    "scale": 0.15,
    "rotation": 10.0,
    "score_every": 5,
}

# ./run.sh nerve
# One GPU. Time and score not measured.
DEFAULT = {
    "size": 192,
    "fit": "resize",
    "epochs": 40,
    "scale": 0.15,
    "rotation": 10.0,
    "elastic": 6.0,
    "score_every": 4,
}

competition = Competition(
    name="nerve",
    title="Ultrasound Nerve Segmentation",
    page="https://www.kaggle.com/c/ultrasound-nerve-segmentation",
    slug="ultrasound-nerve-segmentation",
    task=Binary(("nerve",)),
    metric=CountMetric("mean Dice", dice),
    read=read,
    format=FORMAT,
    symmetry="left-right",
    recipes={"smoke": SMOKE, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: two hours or more on 2 cores (estimated)",
        "default": "one GPU",
    },
    remarks=(
        "An answer without any pixel scores the share of the empty images: .588 on all of Kaggle's train images. A "
        "score near the share of empty images is no skill.",
    ),
)
