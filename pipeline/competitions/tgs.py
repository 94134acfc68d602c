"""TGS Salt Identification (Kaggle, 2018): find salt in 101 x 101 seismic images.

Traps in its files: masks are 16-bit {0, 65535} when not empty and 8-bit when empty (so: not 0 is salt); images are
grey, stored as three equal channels; the sample submission fills every row with "1 1".
"""

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.numbers import number
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary

FORMAT = Format(id_column="id", rle_column="rle_mask")


def read(raw: RawFiles) -> RawData:
    """Finds images and masks by name, wherever they are: Kaggle packs and unpacks this competition in many ways.

    Which part an image belongs to is said by `train.csv` and `sample_submission.csv`, not by its folder, so that
    both zips unpacked into one `images/` work too.
    """
    images = raw.by_stem(r"(?:^|/)images/([^/]+)\.png$")
    masks = raw.by_stem(r"(?:^|/)masks/([^/]+)\.png$")
    truth = raw.by_stem(r"(?:^|/)test_masks/([^/]+)\.png$")
    written = _written(raw)
    depths = _depths(raw)
    sample = tables.sample(raw, FORMAT)
    if not images or not (written or masks):
        raise UserError(f"{raw.folder} holds no images/*.png with train.csv or masks/*.png; is it the TGS data?")
    train_ids = list(written) if written else sorted(masks)
    test_ids = sample.ids or sorted(set(images) - set(train_ids))
    _refuse_missing(raw, "images", [*train_ids, *test_ids], images)
    _refuse_missing(raw, "masks", train_ids, masks)
    found = [
        RawImage(
            id=name,
            part="train",
            image=lambda path=images[name]: _grey(raw, path),
            labels=lambda path=masks[name]: _mask(raw, path),
            doubt=lambda labels, name=name: _doubt(labels, written.get(name)),
            extra=depths.get(name, {}),
        )
        for name in train_ids
    ]
    found += [
        RawImage(
            id=name,
            part="test",
            image=lambda path=images[name]: _grey(raw, path),
            labels=(lambda path=truth[name]: _mask(raw, path)) if name in truth else None,
            extra=depths.get(name, {}),
        )
        for name in test_ids
    ]
    return RawData(found, sample=sample.content, notes=_left_out(images, masks, train_ids, test_ids))


def _written(raw: RawFiles) -> dict[str, str]:
    """id -> rle_mask of train.csv; empty when there is none."""
    return {row["id"]: row["rle_mask"] for row in tables.rows(raw, "train.csv", *FORMAT.columns, key=("id",))}


def _depths(raw: RawFiles) -> dict[str, dict[str, float]]:
    """id -> {"depth": feet below the surface} of depths.csv; empty when there is none."""
    rows = tables.rows(raw, "depths.csv", "id", "z", key=("id",))
    try:
        return {row["id"]: {"depth": number(row["z"])} for row in rows}
    except ValueError as error:
        raise UserError(
            f"{raw.where(raw.one('depths.csv'))}: a depth is no number ({error}); is it the TGS data?"
        ) from error


def _refuse_missing(raw: RawFiles, kind: str, ids: list[str], names: dict[str, str]) -> None:
    missing = [name for name in ids if name not in names]
    if missing:
        raise UserError(
            f"{raw.folder}: {len(missing)} of {len(ids)} images have no file in {kind}/: {shown(missing)}; "
            "download or unpack the competition's files again"
        )


def _left_out(images: dict[str, str], masks: dict[str, str], train_ids: list[str], test_ids: list[str]) -> list[str]:
    """Notes where there are masks that train.csv does not name, or other images that no table does: is it cut off?"""
    masked = sorted(set(masks) - set(train_ids) - set(test_ids))
    others = sorted(set(images) - set(masks) - set(train_ids) - set(test_ids))
    found = [("mask(s) are of images that train.csv does not name", masked)]
    found += [("image(s) are named by neither train.csv nor sample_submission.csv", others)]
    return [f"{len(more)} {what}, and left out: {shown(more)}" for what, more in found if more]


def _grey(raw: RawFiles, path: str) -> np.ndarray:
    return raw.picture(path)[..., :1]


def _mask(raw: RawFiles, path: str) -> np.ndarray:
    return (raw.picture(path)[..., :1] > 0).astype(np.uint8)


def _doubt(labels: np.ndarray, written: str | None) -> str | None:
    if written is None or rle.encode(labels[..., 0]) == written.strip():
        return None
    return "its mask differs from train.csv"


# ./run.sh tgs --recipe quick
# No GPU: 79 minutes on 2 cores from the zips to the submission, all five folds. A small network.
# Precision over IoU .784 ± .007 cross-fitted (n = 3000 images). See benchmarks/tgs/quick.
# The gains below are cross-fitted and paired, see benchmarks/tgs/ablation; what did not pay is in docs/log.md.
QUICK = {
    "width": 16,
    # instead of pad: +.005 ± .004 (n 1500)
    "fit": "resize",
    # at 128 pixels, against 64 without a stem in the same time: +.013 ± .004 (n 1500)
    "stem": 2,
    # as many as fit; of the smaller network 48 instead of 24: +.017 ± .004 (n 1500)
    "epochs": 40,
    # instead of 32, for more steps: +.017 ± .007 (n 600; with 36 instead of 30 epochs, dropout, changed grey values)
    "batch_size": 16,
    "weight_decay": 0.05,
    "ema": 0.99,
    # without dropout and changed grey values, and with scale 0.1: -.006 (n 1500)
    "dropout": 0.1,
    "scale": 0.15,
    "rotation": 8.0,
    # +.009 ± .008 (n 600; with 36 instead of 28 epochs)
    "late_loss": "bce+lovasz",
    # +.006 ± .002 (n 3000)
    "tta_scales": "0.9+1.25",
    "score_every": 10,
}

# ./run.sh tgs --recipe patient
# No GPU: 27 minutes on 2 cores for one fold of five, from the zips to the submission. On EfficientNet-Lite0 with its
# weights of ImageNet, which requirements-weights.txt installs.
# Precision over IoU .800 ± .007 cross-fitted (n = 2400 images of four folds, where `quick` has .785). See
# benchmarks/tgs/patient.
PATIENT = {
    # an encoder has its own stem
    **{name: value for name, value in QUICK.items() if name != "stem"},
    "encoder": "efficientnetlite0",
    "weights": "imagenet",
    "answer_stride": 2,
    "epochs": 32,
    "learning_rate": 1e-3,
    "score_every": 16,
}

# ./run.sh tgs
# One GPU. Time and score not measured. What was measured for `quick`, at the images' own resolution.
DEFAULT = {"late_loss": "bce+lovasz", "tta_scales": "0.9+1.25"}

# ./run.sh tgs --recipe best
# One GPU for hours: ten folds of 200 epochs. Time and score not measured.
# What gained most in `quick`, longer schedules, and what others report to gain most.
BEST = {
    **DEFAULT,
    "epochs": 200,
    # from one to ten folds +.011 to +.015, reported
    "folds": 10,
    "width": 48,
    "dropout": 0.1,
}

competition = Competition(
    name="tgs",
    title="TGS Salt Identification Challenge",
    page="https://www.kaggle.com/c/tgs-salt-identification-challenge",
    slug="tgs-salt-identification-challenge",
    task=Binary(("salt",)),
    metric=CountMetric("mean precision over IoU 0.5 to 0.95", precision_over_iou),
    read=read,
    format=FORMAT,
    symmetry="left-right",
    recipes={"smoke": SMOKE, "quick": QUICK, "patient": PATIENT, "default": DEFAULT, "best": BEST},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 80 minutes on 2 cores for all five folds",
        "patient": "weights of ImageNet, of requirements-weights.txt; no GPU: half an hour a fold on 2 cores",
        "default": "one GPU",
        "best": "one GPU for hours: ten folds of 200 epochs",
    },
)
