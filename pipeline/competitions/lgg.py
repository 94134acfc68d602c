"""LGG brain MRI (Buda et al. 2019, arXiv:1906.03720): find low-grade gliomas in the slices of 110 patients.

Three channels are three MRI sequences: before contrast, FLAIR, after contrast; where one was not taken FLAIR stands in
for it. The score is of whole patients: Dice of the volume, of which the largest connected part is kept.

Traps in its files: Kaggle's zip holds everything twice (`kaggle_3m/` and `lgg-mri-segmentation/kaggle_3m/`): a slice
counts once. Slices are numbered without zeros (`_1`, `_10`, `_2`), ids here are padded so that they sort as the slices
lie. Two thirds of the slices have an empty mask. There is no test part: the out-of-fold score is the score.

MRI has no scale of its own: brain tissue is four times as bright in one patient as in another. So each sequence of a
patient is scaled until its tissue has the same mean brightness (the study, too, normalises volume by volume).

Left-right: slices are axial with the nose up, and a mirrored head is a head, its tumour on the other side; the study
itself trains on mirrored slices. Up-down it is none.
"""

import functools
from collections import defaultdict

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import labelled
from pipeline.raw.masks import as_published
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.volume import Volume

TISSUE = 80  # mean brightness of brain tissue


def read(raw: RawFiles) -> RawData:
    """Finds slices and masks by name, wherever they are: `<patient>_<slice>.tif` and `<patient>_<slice>_mask.tif`."""
    images = raw.by_stem(r"(?:^|/)([^/]+_\d+)\.tif$")
    masks = raw.by_stem(r"(?:^|/)([^/]+_\d+)_mask\.tif$")
    if not images:
        raise UserError(f"{raw.folder} holds no <patient>/<patient>_<slice>.tif; is it the LGG brain MRI data?")
    _refuse_missing(raw, "{}_mask.tif", images, masks)
    _refuse_missing(raw, "{}.tif", masks, images)
    volumes = defaultdict(list)
    for name, path in images.items():
        volumes[_patient_and_slice(name)[0]].append(path)
    scales = functools.cache(lambda patient: brightness_scales([raw.picture(path) for path in volumes[patient]]))
    found = [
        RawImage(
            id="{}_{:03d}".format(*_patient_and_slice(name)),
            part="train",
            image=lambda path=path, patient=patient: scaled(raw.picture(path), scales(patient)),
            labels=lambda path=masks[name]: labelled(raw.picture(path), as_published, raw.where(path))[0],
            group=patient,
        )
        for name, path in images.items()
        for patient in [_patient_and_slice(name)[0]]
    ]
    return RawData(found, notes=_gaps(images))


def brightness_scales(slices: list[np.ndarray]) -> np.ndarray:
    """What to multiply each sequence of a patient by: 3 numbers, from all slices (H x W x 3 or more, uint8).

    Tissue is what is brighter than a tenth of the 99th percentile; its mean becomes TISSUE.
    """
    values = np.concatenate([picture[..., :3].reshape(-1, 3) for picture in slices])
    scales = np.ones(3)
    for k in range(3):
        tissue = values[:, k][values[:, k] > np.percentile(values[:, k], 99) / 10]
        if tissue.size:
            scales[k] = TISSUE / tissue.mean()
    return scales


def scaled(picture: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """H x W x 3 uint8, by the scale of each sequence; what would be brighter than white is white."""
    return np.clip(np.rint(picture[..., :3] * scales), 0, 255).astype(np.uint8)


def _patient_and_slice(name: str) -> tuple[str, int]:
    patient, _, number = name.rpartition("_")
    return patient, int(number)


def _refuse_missing(raw: RawFiles, pattern: str, wanted: dict[str, str], have: dict[str, str]) -> None:
    missing = [pattern.format(name) for name in sorted(wanted) if name not in have]
    if missing:
        raise UserError(
            f"{raw.folder}: {len(missing)} of {len(wanted)} files are not there: {shown(missing)}; download or unpack "
            "lgg-mri-segmentation.zip again"
        )


def _gaps(names) -> list[str]:
    """A note where slices are missing between others: parts of a tumour that touch through them come apart."""
    slices = defaultdict(set)
    for name in names:
        patient, number = _patient_and_slice(name)
        slices[patient].add(number)
    missing = [
        f"{patient}_{number}"
        for patient, numbers in sorted(slices.items())
        for number in sorted(set(range(min(numbers), max(numbers))) - numbers)
    ]
    return [f"{len(missing)} slice(s) between others are not there: {shown(missing)}"] if missing else []


# ./run.sh lgg --recipe quick
# No GPU: 10 minutes of learning on 2 cores for five folds of the seven patients that it was measured on.
# Dice of a patient's volume .70 ± .08 cross-fitted (n = 7 patients, 277 slices). See benchmarks/lgg/quick.
QUICK = {
    "width": 16,
    "size": 96,
    "fit": "resize",
    "epochs": 30,
    "batch_size": 8,
    "ema": 0.99,
    "scale": 0.2,
    "rotation": 15.0,
    "score_every": 10,
}

# ./run.sh lgg --recipe 3d
# No GPU: 31 minutes of learning on 2 cores for the same five folds. Patches of eight slices through a V-Net.
# Dice of a patient's volume .57 ± .10 cross-fitted (n = 7 patients, 277 slices). See benchmarks/lgg/3d.
PATCHES = {
    **QUICK,
    "model": "unet3d",
    "downsampling": "strided",
    "depth": 3,
    "width": 12,
    "slices": 8,
    "epochs": 45,
    "batch_size": 2,
    "score_every": 15,
}

# ./run.sh lgg
# One GPU. Time and score not measured.
# ./run.sh lgg --recipe 2.5d
# The same, and sees the slices before and after. Time and score not measured.
DEFAULT = {
    "size": 0,
    "rotation": 15.0,
    "score_every": 6,
}

competition = Competition(
    name="lgg",
    title="LGG brain MRI: low-grade gliomas",
    page="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
    slug="mateuszbuda/lgg-mri-segmentation",
    task=Volume(("tumour",)),
    metric=CountMetric("mean Dice of a patient's volume", dice, unit=each_group),
    read=read,
    format=Format("id", "rle", class_column="class"),
    symmetry="left-right",
    recipes={
        "smoke": SMOKE,
        "quick": QUICK,
        "default": DEFAULT,
        "2.5d": {**DEFAULT, "neighbours": 1},
        "3d": PATCHES,
    },
    costs={
        "smoke": "proves the path: under two minutes on 2 cores",
        "quick": "no GPU: about 12 minutes on 2 cores for five folds of seven patients",
        "default": "one GPU",
        "2.5d": "one GPU: as default, and sees the slices before and after",
        "3d": "no GPU: about 30 minutes on 2 cores for five folds; patches of 8 slices through a network of volumes",
    },
    uploads=False,
)
