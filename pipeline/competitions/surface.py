"""Vesuvius Challenge: Surface Detection (Kaggle, 2025/26): find the surface of papyrus in volumes of X-ray scans.

Raw files: `train_images/<id>.tif` (a volume, mostly 320 pages of 320 x 320, 8 bits), `train_labels/<id>.tif` (the same
size: 0 background, 1 surface, 2 not labelled), `train.csv` and `test.csv` (`id,scroll_id`), `test_images/<id>.tif`. The
answer is no csv but a zip with `<id>.tif` for each test volume, 0 and 1. A page is here an image, `<id>/0001`.

The score of a volume is .30 topology (Betti matching) + .35 surface Dice (tolerance 2) + .35 / (1 + .3 VOI), where what
is not labelled is background in both; the mean over volumes counts. Betti matching is a C++ program of its own that is
not built here: the score is of the other two parts.

Traps in its files: train.csv names volumes that were taken back (20 of 806), which lie in `deprecated_train_images` and
are left out. There are six scrolls, and three of them hold most of the volumes: where there are SCROLLS or more, folds
never split one, and a network is scored on scrolls that it has not seen; with fewer, folds split no volume. Kaggle's
test volumes are hidden but one: the notebook sees them when it is submitted.
"""

import re
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging.metrics import CountMetric, dice, whole_set
from pipeline.imaging.official import OfficialMetric
from pipeline.imaging.unit_measures import SURFACE_AND_COMPONENTS
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store import zipped
from pipeline.store.disk import atomic, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.partly_labelled import PartlyLabelled

FORMAT = Format(files=".tif")
VOID = PartlyLabelled.void
SCROLLS = 5  # fewer are too few to be folds
MOST_MISSING = 0.1  # of the volumes of train.csv, where nothing says which were taken back
_VOLUME = re.compile(r"(?:^|/)((?:deprecated_)?train|test)_(images|labels)/([^/]+)\.tiff?$")


def read(raw: RawFiles) -> RawData:
    """Finds the volumes by their folders, wherever these are, and their scrolls in the tables."""
    from tqdm import tqdm

    images, labels = _volumes(raw, "images"), _volumes(raw, "labels")
    if not images["train"]:
        raise UserError(f"{raw.folder} holds no train_images/….tif; is it the Vesuvius surface data?")
    bare = [name for name in images["train"] if name not in labels["train"]]
    if bare:
        raise UserError(
            f"{raw.folder}: {len(bare)} of {len(images['train'])} volumes have no train_labels/….tif: {shown(bare)}; "
            "download it again"
        )
    scrolls = {part: _scrolls(raw, part) for part in ("train", "test")}
    notes = _left_out(raw, scrolls["train"], images)
    count = len({scrolls["train"].get(name) for name in images["train"]})
    if count < SCROLLS:
        notes.append(f"the train volumes are of {count} scroll(s): too few for folds, which hold out volumes instead")
    if gone := [name for name in scrolls["test"] if name not in images["test"]]:
        raise _missing(raw, "test.csv", gone, len(scrolls["test"]))
    found = []
    named = [(part, name) for part in ("train", "test") for name in images[part]]
    for part, name in tqdm(named, desc="read", unit="volume", disable=not sys.stderr.isatty(), delay=1):
        group = scrolls[part].get(name, "") if count >= SCROLLS else ""
        found += _slices(raw, name, part, images[part][name], labels[part].get(name), group)
    return RawData(found, notes=notes)


def volume_of(name: str, group: str = "") -> str:
    """`1407735` of `1407735/0001`."""
    return name.rpartition("/")[0]


def _volumes(raw: RawFiles, kind: str) -> dict[str, dict[str, str]]:
    """part -> id of a volume -> the path of its images, or its labels."""
    found: dict[str, dict[str, str]] = {"train": {}, "test": {}, "deprecated_train": {}}
    for path in raw.names:
        match = _VOLUME.search(path)
        if match and match[2] == kind:
            # what people unpacked comes before its twin in the zip
            found[match[1]].setdefault(match[3], path)
    return found


def _scrolls(raw: RawFiles, part: str) -> dict[str, str]:
    """id of a volume -> its scroll; nothing where there is no table."""
    return {row["id"]: row["scroll_id"] for row in tables.rows(raw, f"{part}.csv", "id", "scroll_id", key=("id",))}


def _left_out(raw: RawFiles, scrolls: dict[str, str], images: dict[str, dict[str, str]]) -> list[str]:
    """A note for each kind of volume that is left out, or of which no scroll is known. Raises UserError where volumes
    are missing that were not taken back."""
    train, back = images["train"], images["deprecated_train"]
    gone = [name for name in scrolls if name in back and name not in train]
    missing = [name for name in scrolls if name not in train and name not in back]
    if missing and (back or len(missing) > MOST_MISSING * len(scrolls)):
        raise _missing(raw, "train.csv", missing, len(scrolls))
    unnamed = [name for name in train if name not in scrolls]
    notes = [f"{len(gone)} volume(s) of train.csv are left out, which were taken back: {shown(gone)}"] if gone else []
    if missing:
        # whoever unpacks what is learnt alone has neither these nor the folder that says so
        notes.append(f"{len(missing)} volume(s) of train.csv are not there, and taken for taken back: {shown(missing)}")
    if unnamed:
        notes.append(f"{len(unnamed)} volume(s) are not in train.csv, each is taken for a scroll: {shown(unnamed)}")
    return notes


def _missing(raw: RawFiles, table: str, missing: list[str], count: int) -> UserError:
    return UserError(
        f"{raw.folder}: {len(missing)} of {count} volumes of {table} have no picture: {shown(missing)}; download or "
        "unpack the competition's files again"
    )


def _slices(raw: RawFiles, name: str, part: str, path: str, labels: str | None, scroll: str) -> list[RawImage]:
    """The pages of a volume as images."""
    count = raw.page_count(path)

    def truth(page: int) -> np.ndarray:
        if raw.page_count(labels) != count:
            raise UserError(
                f"{raw.where(path)} has {count} page(s), {raw.where(labels)} {raw.page_count(labels)}; download both "
                "again"
            )
        return raw.page(labels, page)

    return [
        RawImage(
            f"{name}/{page + 1:04d}",
            part,
            partial(raw.page, path, page),
            partial(truth, page) if labels else None,
            group=scroll or name,
            volume=name if scroll else "",
        )
        for page in range(count)
    ]


# (pages, height, width) of the volumes that are drawn, no cubes, and of each its number and its scroll
SIZES = ((24, 40, 32), (20, 32, 44), (28, 36, 36))
DRAWN = {
    "train": ((1101, 34117), (1202, 34117), (2303, 35360), (3404, 26010), (4505, 26002), (5606, 44430)),
    "test": ((6707, 34117), (7808, 35360)),
}
TAKEN_BACK = (9909, 53997)


def draw(folder: Path) -> None:
    """Writes volumes in the competition's layout into `folder`, small ones, one of which was taken back; those of test
    have their truth, too, which the report alone reads."""
    for part, volumes in DRAWN.items():
        for number, scroll in volumes:
            write_volume(folder, part, number, *drawn_volume(number, scroll))
        named = [*volumes, TAKEN_BACK] if part == "train" else volumes
        write_rows(folder / f"{part}.csv", ["id", "scroll_id"], named)
    write_volume(folder, "deprecated_train", TAKEN_BACK[0], *drawn_volume(*TAKEN_BACK))


def write_volume(folder: Path, part: str, number: int, image: np.ndarray, labels: np.ndarray) -> None:
    """Scan and labels, Z x H x W uint8, where the competition has them."""
    for kind, volume in (("images", image), ("labels", labels)):
        with atomic(folder / f"{part}_{kind}" / f"{number}.tif") as file:
            file.write_bytes(zipped.tiff_of(list(volume)))


def drawn_volume(number: int, scroll: int, size: tuple[int, int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scan and labels, Z x H x W uint8 (of one of SIZES): sheets that follow each other, wavy and torn in places, each
    brighter at its surface; a corner is not labelled. How dense they lie and how bright they are is the scroll's."""
    of_scroll, own = np.random.default_rng((2025, scroll)), np.random.default_rng((2025, number))
    depth, height, width = size = size or SIZES[number % len(SIZES)]
    z, y, x = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in size), indexing="ij")
    apart, brightness = of_scroll.uniform(9, 12), of_scroll.uniform(90, 130)
    wave, tilt = own.uniform(1, 2.5), own.uniform(-0.25, 0.25, 2)
    place = y + tilt[0] * z + tilt[1] * x + wave * np.sin(x / own.uniform(5, 8) + z / own.uniform(9, 14))
    inside = np.mod(place + own.uniform(0, apart), apart)
    whole = cv2.GaussianBlur(own.normal(0, 1, (depth, height * width)).astype(np.float32), (0, 0), 3) > -0.12
    surface = (inside < 2) & whole.reshape(size)
    sheet = (inside < apart / 2) & whole.reshape(size)
    image = 40 + brightness * sheet * np.exp(-inside / 5) + own.normal(0, 14, size)
    labels = surface.astype(np.uint8)
    labels[: depth // 3, : height // 3] = VOID
    return np.clip(image, 0, 255).astype(np.uint8), labels


# ./run.sh surface --recipe smoke
# No GPU: under two minutes on 2 cores. Proves the path, windows and tiles too; its score means nothing, not measured.
SMALLEST = {name: value for name, value in SMOKE.items() if name != "fit"}
SMALLEST |= {"model": "unet3d", "depth": 2, "size": 0, "slices": 8, "crop": 16, "tile": 24, "non_empty": 0.5}
# without a GPU a network of volumes answers in a quarter of the time where XLA does not compile it
SMALLEST |= {"batch_size": 4, "xla": "off"}

# ./run.sh surface --recipe quick
# No GPU: a day or more on 2 cores for one fold of the competition's volumes. Time and score not measured.
QUICK = {
    "trained_folds": 1,
    "model": "unet3d",
    "depth": 3,
    "width": 8,
    "size": 0,
    "slices": 32,
    "crop": 64,
    "non_empty": 0.5,
    "epochs": 8,
    "steps": 250,
    "batch_size": 2,
    "ema": 0.99,
    "rotation": 10.0,
    "score_every": 8,
    "tta": False,
    "xla": "off",
}

# ./run.sh surface
# One GPU. Time and score not measured.
DEFAULT = {
    "trained_folds": 1,
    "model": "unet3d",
    "size": 0,
    "slices": 64,
    "crop": 128,
    "tile": 160,
    "non_empty": 0.5,
    "epochs": 40,
    "steps": 500,
    "batch_size": 4,
    "rotation": 15.0,
    "elastic": 4.0,
    "score_every": 20,
}

competition = Competition(
    name="surface",
    title="Vesuvius Challenge: Surface Detection",
    page="https://www.kaggle.com/c/vesuvius-challenge-surface-detection",
    slug="vesuvius-challenge-surface-detection",
    task=PartlyLabelled(("surface",)),
    metric=CountMetric("Dice of the surface, the whole set", dice, whole_set),
    official=OfficialMetric(
        "surface Dice and VOI of volumes, without topology",
        SURFACE_AND_COMPONENTS,
        unit_of=volume_of,
    ),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="turns",
    recipes={"smoke": SMALLEST, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path, on drawn volumes where there are no others: under two minutes on 2 cores",
        "quick": "no GPU: a day or more on 2 cores for one fold (estimated)",
        "default": "one GPU, one fold",
    },
    remarks=(
        "The organisers' score is reported without its topology (Betti matching, .30 of it), as the mean of the other "
        "two parts: it says which of two runs is better, not what the leaderboard would show.",
        "The threshold is searched by Dice, which the organisers do not count: surfaces that touch where they should "
        "not cost nothing there. Where there are five scrolls or more, folds hold out whole scrolls, which the test "
        "volumes need not: of scrolls that are learnt a network knows more.",
    ),
)
