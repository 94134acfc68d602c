"""Google Research: Identify Contrails to Reduce Global Warming (Kaggle, 2023): find contrails in satellite images.

Raw files: `train/<record_id>/band_08.npy` to `band_16.npy` (H x W x 8 frames, brightness temperatures in kelvin), the
fifth frame labelled: `human_individual_masks.npy` (H x W x 1 x people) and `human_pixel_masks.npy` (H x W x 1, what
more than half of them marked); `validation/` likewise without the single masks, `test/` without any;
`train_metadata.json` and `validation_metadata.json` say when a record was taken. The score is Dice of the whole set.

The mean of the people is learnt, what most of them marked is scored. A network sees the false colours in which they
looked for contrails (`ash`); CHANNELS = every_band gives it all nine bands, and FRAMES further frames.

Traps in its files: an empty answer is `-`, a blank one is refused. The test records that everybody may see are copies
of two of validation. Records of one day may show the same contrail, so folds never split a day. Marks lie half a pixel
off the pictures, to one side: mirrored or turned pictures would contradict the others, so there are no flips.
"""

import datetime
import json
import re
from pathlib import Path

import cv2
import numpy as np

from pipeline.competition import Competition, Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.imaging.metrics import CountMetric, dice, whole_set
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.recipe import SMOKE
from pipeline.store.disk import atomic, write_json, write_rows
from pipeline.store.submission import Format
from pipeline.tasks.shares import HALF, Shares, share_of

FORMAT = Format("record_id", "encoded_pixels", empty="-", ordered=False)
BANDS = range(8, 17)
LABELLED = 4  # the frame that people marked, from 0
FREEZING = 273.15


def ash(band) -> np.ndarray:
    """The false colours of the organisers, H x W x 3, as they are before any scaling: how much thicker ice clouds look
    at 12.3 than at 11.2 µm, at 11.2 than at 8.4 µm, and how warm they are."""
    return np.stack([band(15) - band(14), band(14) - band(11), band(14) - FREEZING], axis=-1)


def every_band(band) -> np.ndarray:
    """H x W x 9, degrees Celsius."""
    return np.stack([band(number) - FREEZING for number in BANDS], axis=-1)


CHANNELS = ash  # or every_band
FRAMES = (LABELLED,)  # (3, 4, 5) shows the frames before and after, too


class _Record:
    """A folder of arrays."""

    def __init__(self, raw: RawFiles, folder: str, files: dict[str, str]):
        self.raw, self.folder, self.files = raw, folder, files
        self.differing = 0

    def image(self) -> np.ndarray:
        """H x W x channels, float16: differences to .004 K, temperatures to .03 K. Raises UserError."""
        kept: dict[int, np.ndarray] = {}

        def band(number: int) -> np.ndarray:
            if number not in kept:
                kept[number] = self._band(number)
            return kept[number]

        shown_frames = [CHANNELS(lambda number, frame=frame: band(number)[..., frame]) for frame in FRAMES]
        return np.concatenate(shown_frames, axis=-1).astype(np.float16)

    def labels(self) -> np.ndarray:
        """H x W x 1 uint8, the share of the people who marked a pixel; all or nothing where single masks are not there.
        What the organisers score decides on which side of a half it lies. Raises UserError."""
        scored = self._mask("human_pixel_masks.npy", 3)[..., 0]
        if "human_individual_masks.npy" not in self.files:
            return np.where(scored, np.uint8(255), np.uint8(0))[..., None]
        single = self._mask("human_individual_masks.npy", 4)[..., 0, :]
        if single.shape[:2] != scored.shape:
            raise UserError(f"{self._where()}: its masks are of two sizes; download it again")
        share = share_of(single.sum(axis=-1), single.shape[-1])
        self.differing = int(np.count_nonzero((share > HALF) != scored))
        return np.where(scored, np.maximum(share, HALF + 1), np.minimum(share, HALF))[..., None].astype(np.uint8)

    def doubt(self, labels: np.ndarray) -> Doubt | None:
        text = "what more than half of the people marked is not what is scored"
        return Doubt(text, self.differing) if self.differing else None

    def _band(self, number: int) -> np.ndarray:
        found = self._array(f"band_{number:02d}.npy", 3)
        if found.dtype.kind not in "fiu" or found.shape[2] <= max(FRAMES):
            raise UserError(
                f"{self._where()}: band {number} is {found.dtype} of {found.shape[2]} frame(s), frame {max(FRAMES)} "
                "(from 0) is wanted; download it again"
            )
        return found.astype(np.float32, copy=False)

    def _mask(self, name: str, axes: int) -> np.ndarray:
        """Bool. Raises UserError for other values than 0 and 1."""
        found = self._array(name, axes)
        if found.shape[2] != 1 or 0 in found.shape or not ((found == 0) | (found == 1)).all():
            raise UserError(f"{self._where()}: {name} holds more than one mask of 0 and 1; download it again")
        return found != 0

    def _array(self, name: str, axes: int) -> np.ndarray:
        if name not in self.files:
            raise UserError(f"{self._where()} holds no {name}; download it again")
        with self.raw.open(self.files[name]) as file:
            try:
                found = np.load(file, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise UserError(f"{self._where()}: {name} is cut off or no array; download it again") from error
        if not isinstance(found, np.ndarray) or found.ndim != axes:
            raise UserError(f"{self._where()}: {name} is no array of {axes} axes; download it again")
        return found

    def _where(self) -> str:
        return self.raw.where(self.folder)


def read(raw: RawFiles) -> RawData:
    """Finds the records by the folders of their arrays, wherever they are."""
    records = {part: _records(raw, part) for part in ("train", "validation", "test")}
    if not records["train"] and not records["validation"]:
        raise UserError(f"{raw.folder} holds no train/<record_id>/band_….npy; is it the contrails data?")
    copied = sorted(records["test"].keys() & records["validation"].keys())
    days, notes = _days(raw, records)
    if copied:
        notes.append(f"{len(copied)} record(s) of validation are those to be answered, and not learnt: {shown(copied)}")
    found = [
        RawImage(name, "train", one.image, one.labels, days.get(name, ""), part, doubt=one.doubt)
        for part in ("train", "validation")
        for name, one in records[part].items()
        if name not in copied
    ]
    for name, one in records["test"].items():
        found.append(RawImage(name, "test", one.image, one.labels if "human_pixel_masks.npy" in one.files else None))
    return RawData(found, sample=tables.sample(raw, FORMAT).content, notes=notes)


def _records(raw: RawFiles, part: str) -> dict[str, _Record]:
    """record_id -> record. Of a file that is there twice the first in the order of names counts."""
    pattern = re.compile(rf"(?:^|/){part}/([^/]+)/((?:band_\d\d|human_\w+_masks)\.npy)$")
    found: dict[str, _Record] = {}
    for path in raw.names:
        match = pattern.search(path)
        if match:
            record = found.setdefault(match[1], _Record(raw, path.rpartition("/")[0], {}))
            record.files.setdefault(match[2], path)
    return found


def _days(raw: RawFiles, records: dict[str, dict]) -> tuple[dict[str, str], list[str]]:
    """record_id -> the day it was taken on, of those where it is known; and a note where it is not."""
    days = {}
    for part in ("train", "validation"):
        path = raw.one(f"{part}_metadata.json")
        for entry in _entries(raw, path) if path else []:
            days[str(entry["record_id"])] = _day(entry["timestamp"])
    unknown = [name for part in ("train", "validation") for name in records[part] if not days.get(name)]
    if not unknown:
        return days, []
    return days, [
        f"of {len(unknown)} record(s) no metadata says when they were taken: in folds each stands alone: "
        f"{shown(unknown)}"
    ]


def _entries(raw: RawFiles, path: str) -> list[dict]:
    try:
        found = json.loads(raw.read(path))
        return [entry for entry in found if {"record_id", "timestamp"} <= entry.keys()]
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{raw.where(path)} is no list of records; download it again") from error


def _day(seconds) -> str:
    """Of seconds since 1970; blank of what is none."""
    try:
        return datetime.datetime.fromtimestamp(float(seconds), datetime.UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


SIDE, TIMES = 64, 8  # of what is drawn: a sixteenth of the competition's pixels
DRAWN = {"train": 36, "validation": 8, "test": 8}
START = 1_555_000_000


def draw(folder: Path) -> None:
    """Writes records in the competition's layout into `folder`, small and few; those of test have their truth, too,
    which the report alone reads."""
    number, answers = 0, []
    for part, count in DRAWN.items():
        entries = []
        for _ in range(count):
            name = str(1_000_000_000_000_000_000 + 7_919_131_717_171_717 * number)
            bands, people = _record(number)
            scored = (2 * people.sum(axis=-1) > people.shape[-1])[..., None]
            arrays = {f"band_{band:02d}": bands[band] for band in BANDS} | {
                "human_pixel_masks": scored.astype(np.int32)
            }
            if part == "train":
                arrays["human_individual_masks"] = people[:, :, None].astype(np.int32)
            for key, array in arrays.items():
                with atomic(folder / part / name / f"{key}.npy") as file, file.open("wb") as opened:
                    np.save(opened, array)
            # three records a day
            entries.append({"record_id": name, "timestamp": START + 28_800.0 * number})
            answers += [(name, rle.encode(scored[..., 0]) or "-")] if part == "test" else []
            number += 1
        if part != "test":
            write_json(folder / f"{part}_metadata.json", entries)
    write_rows(folder / "sample_submission.csv", FORMAT.columns, [(name, "-") for name, _ in answers])


def _record(number: int) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Brightness temperatures of each band (H x W x T float32), and who marked what (H x W x people, bool).

    Half of the records have contrails: lines of ice that are a little colder, and of another colour, and drift on. Of
    people some see less, and all mark by hand.
    """
    random = np.random.default_rng((2023, number))
    soft = [_smooth(random, 6), _smooth(random, 10)]
    ground, cloud = 288 + 4 * soft[0], np.clip(soft[1], 0, None)
    lines = [_line(random) for _ in range(random.integers(1, 4))] if random.random() < 0.6 else []
    frames = []
    for time in range(TIMES):
        ice = np.zeros((SIDE, SIDE), np.float32)
        for start, end, drift in lines:
            ice = np.maximum(ice, _stroke(start + drift * (time - LABELLED), end + drift * (time - LABELLED), 2))
        ice = cv2.GaussianBlur(ice, (0, 0), 0.7)
        frames.append((ground - 12 * cloud - 3 * ice, -1.5 - 0.6 * cloud + 2.2 * ice, 0.5 + 0.8 * cloud - 2.4 * ice))
    warm, split, phase = (np.stack(maps, axis=-1) for maps in zip(*frames, strict=True))
    bands = {band: warm - 20 + 2 * (band - 8) for band in BANDS}
    bands |= {14: warm, 15: warm + split, 11: warm - phase}
    bands = {band: (t + random.normal(0, 0.25, t.shape)).astype(np.float32) for band, t in bands.items()}
    people = [_marked_by_one(random, lines) for _ in range(random.integers(4, 7))]
    return bands, np.stack(people, axis=-1)


def _smooth(random: np.random.Generator, width: float) -> np.ndarray:
    return cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), width) * width * 1.5


def _line(random: np.random.Generator):
    """Where a contrail begins and ends (x, y), and how far it drifts from frame to frame."""
    middle, angle = random.uniform(12, SIDE - 12, 2), random.uniform(0, np.pi)
    half = random.uniform(10, 26) * np.array([np.cos(angle), np.sin(angle)])
    return middle - half, middle + half, random.normal(0, 0.8, 2)


def _marked_by_one(random: np.random.Generator, lines: list) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.float32)
    for start, end, _ in lines:
        if random.random() < 0.85:
            shift = random.normal(0, 0.6, 2)
            mask = np.maximum(mask, _stroke(start + shift, end + shift, int(random.integers(2, 4))))
    return mask > 0


def _stroke(start: np.ndarray, end: np.ndarray, thickness: int) -> np.ndarray:
    first, last = (tuple(int(value) for value in np.rint(point)) for point in (start, end))
    return cv2.line(np.zeros((SIDE, SIDE), np.float32), first, last, 1.0, thickness)


# ./run.sh contrails --recipe quick
# No GPU: hours on 2 cores for the 22,385 records of the competition. Time and score not measured.
QUICK = {
    "width": 16,
    "fit": "resize",
    "epochs": 8,
    "batch_size": 16,
    "ema": 0.99,
    "rotation": 10.0,
    "score_every": 4,
}

# ./run.sh contrails
# One GPU. Time and score not measured.
DEFAULT = {
    "size": 0,
    "epochs": 24,
    "batch_size": 16,
    "rotation": 15.0,
    "score_every": 4,
}

competition = Competition(
    name="contrails",
    title="Identify Contrails to Reduce Global Warming",
    page="https://www.kaggle.com/c/google-research-identify-contrails-reduce-global-warming",
    slug="google-research-identify-contrails-reduce-global-warming",
    task=Shares(("contrail",)),
    metric=CountMetric("Dice of the whole set", dice, whole_set),
    read=read,
    draw=draw,
    format=FORMAT,
    symmetry="none",
    recipes={"smoke": SMOKE, "quick": QUICK, "default": DEFAULT},
    costs={
        "smoke": "proves the path, on drawn records where there are no others: under two minutes on 2 cores",
        "quick": "no GPU: hours on 2 cores (estimated)",
        "default": "one GPU",
    },
)
