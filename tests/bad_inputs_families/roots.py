"""The roots that bad inputs begin with: a dozen small pictures, prepared, and a finished run of the classical model."""

import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from tests.bad_inputs_families.zips import zipped

TRAIN, TEST, SIDE = 12, 6, 24
RUN = ("--run", "base")
NETWORK = ("--run", "net")


def tile(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its mask: a bright rectangle; every fourth is empty."""
    random = np.random.default_rng(number)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if number % 4:
        top, left = random.integers(0, SIDE // 2, 2)
        mask[top : top + 4 + number, left : left + 9] = 255
    picture = random.integers(20, 80, (SIDE, SIDE)).astype(np.uint8) + (mask // 2)
    return picture, mask


def png(picture: np.ndarray) -> bytes:
    return encoded(picture, ".png")


def encoded(picture: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, picture)[1].tobytes()


def names() -> tuple[list[str], list[str]]:
    """The ids of the train and of the test images."""
    found = [f"{number * 7919 % 65536:04x}" for number in range(1, TRAIN + TEST + 1)]
    return sorted(found[:TRAIN]), sorted(found[TRAIN:])


def raw_files() -> dict[str, bytes]:
    """The raw files as TGS packs them, by name."""
    from pipeline.imaging import rle

    train, test = names()
    tiles = {name: tile(number) for number, name in enumerate([*train, *test])}
    written = [f"{name},{rle.encode(tiles[name][1])}" for name in train]
    pictures = {name: (png(picture), png(mask)) for name, (picture, mask) in tiles.items()}
    packed = {f"images/{name}.png": pictures[name][0] for name in train}
    packed |= {f"masks/{name}.png": pictures[name][1] for name in train}
    return {
        "train.zip": zipped(packed),
        "test.zip": zipped({f"images/{name}.png": pictures[name][0] for name in test}),
        "test_masks.zip": zipped({f"test_masks/{name}.png": pictures[name][1] for name in test}),
        "depths.csv": _csv("id,z", [f"{name},{100 + i}" for i, name in enumerate([*train, *test])]),
        "sample_submission.csv": _csv("id,rle_mask", [f"{name},1 1" for name in test]),
        "train.csv": _csv("id,rle_mask", written),
    }


def folder_files() -> dict[str, bytes]:
    """The same as a folder of images and a folder of masks."""
    train, test = names()
    tiles = [tile(number) for number in range(TRAIN)]
    found = {f"images/{name}.png": png(picture) for name, (picture, _) in zip(train, tiles, strict=True)}
    found |= {f"masks/{name}.png": png(mask) for name, (_, mask) in zip(train, tiles, strict=True)}
    return found | {f"test/{name}.png": png(tile(i)[0]) for i, name in enumerate(test)}


def _csv(header: str, rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in [header, *rows]).encode()


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def build(scratch: Path, main: Callable[[list[str]], int]) -> dict[str, Path]:
    """Makes the roots; `main` runs a command in each. Returns them by name."""
    roots = {name: scratch / "bases" / name for name in ("empty", "prepared", "finished")}
    for root in roots.values():
        root.mkdir(parents=True)
    put(roots["prepared"] / "data" / "demo" / "raw", raw_files())
    _run(main, "demo", "split", "--folds", "2", root=roots["prepared"])
    shutil.copytree(roots["prepared"], roots["finished"], dirs_exist_ok=True)
    _run(main, "demo", "--model", "classical", "--folds", "2", *RUN, root=roots["finished"])
    return roots


def build_network(scratch: Path, prepared: Path, main: Callable[[list[str]], int]) -> Path:
    """Makes the root of a run with a small network: fold 0 is trained, fold 1 was ended after its first epoch."""
    from pipeline.errors import UserError
    from pipeline.training import checkpoint

    root = scratch / "bases" / "network"
    shutil.copytree(prepared, root)
    fields = {"width": 4, "depth": 2, "size": 16, "steps": 1, "epochs": 2, "batch-size": 2, "folds": 2}
    tiny = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
    _run(main, "demo", "train", "--fold", "0", *tiny, *NETWORK, root=root)
    save = checkpoint.save

    def end(*arguments) -> None:
        save(*arguments)
        raise UserError("enough")

    with mock.patch.object(checkpoint, "save", end):
        main(["demo", "train", "--fold", "1", *NETWORK, "--root", str(root)])
    if not (root / "runs" / "demo" / "net" / "fold1" / "checkpoint.npz").exists():
        raise SystemExit("the root of a network could not be made: its second fold has no checkpoint")
    return root


def _run(main: Callable[[list[str]], int], *arguments: str, root: Path) -> None:
    status = main([*arguments, "--root", str(root)])
    if status:
        raise SystemExit(f"the root that bad inputs begin with could not be made: {arguments} ended with {status}")
