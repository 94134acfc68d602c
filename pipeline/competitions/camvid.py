"""CamVid (Brostow et al. 2008) as `dataset1`, prepared by image-segmentation-keras: 11 classes in 480 x 360 frames seen
from a car, 367 to train on and 101 to validate.

Traps in its files: the images are PNG or JPEG, by who packed them; the annotations are dark PNGs whose values are the
numbers of the classes (0 sky … 10 bicyclist, 11 void: neither learnt nor scored), in one channel or the same in three.
Frames of one drive are near copies, and the drive is the name before the underscore: folds are by drive, of which
there are three with 204, 101 and 62 frames, so three folds of unequal size. The published validation frames, which are
the test part here, all come from the largest of these drives.

Mirrored left to right a street is still a street (with traffic on the other side), up-down it is none.
"""

from collections.abc import Callable

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging.metrics import CountMetric, iou_of_present, whole_set
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.multiclass import MultiClass

# name -> red, green, blue as CamVid paints it
CLASSES = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (0, 0, 192),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
VOID = 11


def read(raw: RawFiles) -> RawData:
    """Finds frames and annotations by folder and stem; the test part may be absent, with or without annotations."""
    found = [*_part(raw, "train"), *_part(raw, "test")]
    if not any(image.part == "train" for image in found):
        raise UserError(
            f"{raw.folder} holds no images_prepped_train/ with annotations_prepped_train/; is it CamVid as dataset1?"
        )
    return RawData(found, notes=_notes(found))


def _part(raw: RawFiles, part: str) -> list[RawImage]:
    images = raw.by_stem(rf"(?:^|/)images_prepped_{part}/([^/]+)\.(?:png|jpe?g)$")
    annotations = raw.by_stem(rf"(?:^|/)annotations_prepped_{part}/([^/]+)\.png$")
    for folder, ext, have, wanted in (
        ("annotations", "png", annotations, images if part == "train" or annotations else {}),
        ("images", "png or .jpg", images, annotations),
    ):
        missing = [f"{folder}_prepped_{part}/{name}.{ext}" for name in sorted(wanted) if name not in have]
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} of {len(wanted)} files are not there: {shown(missing)}; unpack "
                "dataset1.zip again"
            )
    return [
        RawImage(
            id=name,
            part=part,
            image=lambda path=path: raw.picture(path)[..., :3],
            labels=_labels(raw, annotations[name]) if name in annotations else None,
            group=_drive(name),
        )
        for name, path in images.items()
    ]


def _drive(name: str) -> str:
    return name.split("_")[0]


def _labels(raw: RawFiles, path: str) -> Callable[[], np.ndarray]:
    """Reads an annotation as H x W x 1 uint8, 0 to 11."""

    def labels() -> np.ndarray:
        picture = raw.picture(path)[..., :3]
        numbers = picture[..., :1]
        if (picture != numbers).any():
            raise UserError(
                f"{raw.folder / path} is painted in colours; an annotation holds numbers of classes, 0 to {VOID}: "
                "unpack dataset1.zip again"
            )
        if numbers.max() > VOID:
            raise UserError(
                f"{raw.folder / path} holds the value {numbers.max()}; there are the classes 0 to {VOID - 1} and "
                f"{VOID} for void: unpack dataset1.zip again"
            )
        return numbers.astype(np.uint8)

    return labels


def _notes(found: list[RawImage]) -> list[str]:
    """What the drives mean for the two scores."""
    drives = {part: {image.group for image in found if image.part == part} for part in ("train", "test")}
    if not drives["test"] or drives["test"] - drives["train"]:
        return []
    return [
        f"all test frames are of drives that are also trained on ({shown(sorted(drives['test']))}): their score is of "
        "near copies of train frames, while the out-of-fold score is of drives never seen; expect it to be lower"
    ]


# ./run.sh camvid --recipe smoke
# Proves the path: under two minutes on 2 cores; what it scores means nothing, not measured.
# Classes that exclude each other know no Lovász hinge.
SMALLEST = {
    **{name: value for name, value in SMOKE.items() if not name.startswith("late_")},
    "folds": 3,
    "loss": "ce",
    "score_every": 2,
}

# ./run.sh camvid --recipe quick
# No GPU: 25 minutes of learning on 2 cores for all three folds.
# Mean IoU .305 ± .038 cross-fitted (n = 367 frames of 3 drives, each never seen); .512 on the 101 test frames, which
# are of a drive that is trained on. See benchmarks/camvid/quick.
QUICK = {
    "folds": 3,
    "width": 16,
    "size": 192,
    "fit": "resize",
    "epochs": 24,
    "batch_size": 8,
    "loss": "ce",
    "class_balance": 0.5,
    "late_loss": "ce+dice",
    "ema": 0.99,
    "scale": 0.25,
    "score_every": 8,
}

# ./run.sh camvid
# One GPU: windows of 256 pixels at the images' own size. Time and score not measured.
DEFAULT = {
    "folds": 3,
    "size": 0,
    "crop": 256,
    "epochs": 200,
    "batch_size": 8,
    "loss": "ce",
    "class_balance": 0.5,
    "scale": 0.35,
    "score_every": 20,
}

# ./run.sh camvid --recipe small-unet
# One GPU. Time and score not measured.
# The network that people publish on this set, trained as they do: 128 pixels, depth 4, 34.5 M parameters, 20 epochs of
# Adam, no augmentation.
SMALL_UNET = {
    "folds": 3,
    "fit": "resize",
    "width": 64,
    "block": "plain",
    "normalization": "none",
    "decoder": "transposed3",
    "epochs": 20,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "ema": 0.0,
    "loss": "ce",
    "flip": False,
    "shift": 0.0,
    "scale": 0.0,
    "rotation": 0.0,
    "shear": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "noise": 0.0,
    "tta": False,
}

competition = Competition(
    name="camvid",
    title="CamVid: 11 classes of a street",
    page="https://github.com/divamgupta/image-segmentation-keras",
    slug="",
    task=MultiClass(tuple(CLASSES), void=VOID, colours=tuple(CLASSES.values())),
    metric=CountMetric("mean IoU of 11 classes over the whole set", iou_of_present, unit=whole_set),
    read=read,
    format=Format("id", "rle", class_column="class", pictures=True),
    symmetry="left-right",
    recipes={"smoke": SMALLEST, "quick": QUICK, "default": DEFAULT, "small-unet": SMALL_UNET},
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 25 minutes on 2 cores for all three folds",
        "default": "one GPU",
        "small-unet": "one GPU: the plain U-Net that is published on this set, for comparison",
    },
    uploads=False,
    remarks=(
        "Folds are drives: the out-of-fold score is of drives never seen. The published test frames are all of a drive "
        "that is also trained on, near copies of train frames: their score is not drive-independent, and higher.",
    ),
)
