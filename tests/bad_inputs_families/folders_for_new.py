"""Folders for `new`: masks of many kinds, folders that are none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.bad_inputs_families import roots, spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.competition_files import remove
from tests.bad_inputs_families.zips import locked, zipped

NAME = "made_by_new"


def cases() -> list[Case]:
    return [*_masks(), *_pictures(), *_folders(), *_words()]


def _case(what: str, files: dict[str, bytes], *more: str, fine: bool = False) -> Case:
    def spoil(root: Path) -> None:
        remove(NAME)
        roots.put(root / "given", files)

    return Case(what, ("new", NAME, "{root}/given", *more), spoil, "empty", fine, with_root=False)


def _masked(make: Callable[[np.ndarray, np.random.Generator], np.ndarray], ending: str = ".png") -> dict[str, bytes]:
    """Every mask made anew from the one that is there."""
    files = roots.folder_files()
    for number, name in enumerate(roots.names()[0]):
        mask = make(roots.tile(number)[1], np.random.default_rng(number))
        del files[f"masks/{name}.png"]
        files[f"masks/{name}{ending}"] = roots.encoded(mask, ending)
    return files


def _masks() -> Iterator[Case]:
    kinds = {
        "of 0 alone": lambda mask, random: mask * 0,
        "of 0 and 1": lambda mask, random: mask // 255,
        "of 0 and 255": lambda mask, random: mask,
        "of 255 alone": lambda mask, random: mask * 0 + 255,
        "of three classes": lambda mask, random: random.integers(0, 3, mask.shape).astype(np.uint8),
        "of 60 classes": lambda mask, random: random.integers(0, 60, mask.shape).astype(np.uint8),
        "of 200 classes": lambda mask, random: random.integers(0, 200, mask.shape).astype(np.uint8),
        "of noise": lambda mask, random: random.integers(0, 256, mask.shape).astype(np.uint8),
        "of noise in colours": lambda mask, random: random.integers(0, 256, (*mask.shape, 3)).astype(np.uint8),
        "of noise with alpha": lambda mask, random: random.integers(0, 256, (*mask.shape, 4)).astype(np.uint8),
        "of 16 bits": lambda mask, random: mask.astype(np.uint16) * 257,
        "of noise of 16 bits": lambda mask, random: random.integers(0, 65536, mask.shape).astype(np.uint16),
        "of two colours": lambda mask, random: np.dstack([mask, mask * 0, 255 - mask]),
        "of a thousand objects": lambda mask, random: np.arange(mask.size).reshape(mask.shape).astype(np.uint16),
        "of one pixel": lambda mask, random: mask[:1, :1],
        "of another size": lambda mask, random: mask[:5],
        "of 7 and 9": lambda mask, random: np.where(mask > 0, 7, 9).astype(np.uint8),
        "of 0, 1 and 255": lambda mask, random: np.where(mask > 0, random.choice([1, 255], mask.shape), 0).astype(
            np.uint8
        ),
        "of greys like 0, 50, 100": lambda mask, random: (random.integers(0, 3, mask.shape) * 50).astype(np.uint8),
    }
    for what, make in kinds.items():
        yield _case(f"masks {what}", _masked(make), fine=True)
        yield _case(f"masks {what}, as JPEG", _jpeg(make), fine=True)
    floats = {
        "fractions": lambda mask, random: random.random(mask.shape).astype(np.float32),
        "not a number": lambda mask, random: np.full(mask.shape, np.nan, np.float32),
        "infinite": lambda mask, random: np.full(mask.shape, np.inf, np.float32),
        "below zero": lambda mask, random: -mask.astype(np.float32),
        "huge": lambda mask, random: np.full(mask.shape, 1e30, np.float32),
        "whole": lambda mask, random: (mask // 255).astype(np.float32),
    }
    for what, make in floats.items():
        yield _case(f"masks that are {what}", _masked(make, ".tiff"), fine=what in ("whole", "huge"))


def _jpeg(make) -> dict[str, bytes]:
    return _masked(lambda mask, random: _eight(make(mask, random)), ".jpg")


def _eight(mask: np.ndarray) -> np.ndarray:
    mask = mask if mask.dtype == np.uint8 else (mask >> 8).astype(np.uint8)
    return mask[..., :3]


def _pictures() -> Iterator[Case]:
    first = roots.names()[0][0]
    for folder in ("images", "masks"):
        for what, content in spoiling.any_bytes():
            name = f"{folder}/{first}.png"
            yield _case(f"{folder}: {what}", {**roots.folder_files(), name: content})
        for share in (0.05, 0.3, 0.6, 0.9, 0.99):
            files = roots.folder_files()
            name = f"{folder}/{first}.png"
            cut = files[name][: int(len(files[name]) * share)]
            yield _case(f"{folder}: a picture cut off at {share:.0%}", {**files, name: cut}, fine=folder == "images")
    files = roots.folder_files()
    palette = b"\x89PNG\r\n\x1a\n\0\0\0\x07PLTE" + b"\1\2\3\4\5\6\7IDAT"
    yield _case("a palette of seven bytes", {**files, f"masks/{first}.png": palette})


def _folders() -> Iterator[Case]:
    files = roots.folder_files()
    yield _case("no masks", {name: content for name, content in files.items() if not name.startswith("masks/")})
    yield _case("no images", {name: content for name, content in files.items() if not name.startswith("images/")})
    yield _case("no test", {name: c for name, c in files.items() if not name.startswith("test/")}, fine=True)
    yield _case("an image without mask", {**files, "images/alone.png": roots.png(roots.tile(2)[0])}, fine=True)
    yield _case("a mask without image", {**files, "masks/alone.png": roots.png(roots.tile(2)[1])})
    yield _case("one file of text", {"readme.txt": b"x"})
    yield _case("litter alone", {".DS_Store": b"x"})
    yield _case("one zip", {"all.zip": zipped(files)}, fine=True)
    yield _case("a zip cut off", {"all.zip": zipped(files)[:2000]})
    yield _case("a zip with a password", {"all.zip": locked(zipped(files))})
    yield _case("a zip that leaves", {**files, "more.zip": zipped({"../x.png": b"x"})})
    yield _case("masks that are all of the test", {**files, **_test_masks()}, fine=True)
    for what, change in spoiling.PLACES.items():

        def spoil(root: Path, change=change) -> None:
            remove(NAME)
            (root / "given").write_bytes(b"x")
            change(root / "given")

        yield Case(f"the folder: {what}", ("new", NAME, "{root}/given"), spoil, "empty", with_root=False)


def _test_masks() -> dict[str, bytes]:
    return {f"masks/{name}.png": roots.png(roots.tile(3)[1]) for name in roots.names()[1]}


def _words() -> Iterator[Case]:
    files = roots.folder_files()
    for more in (("images", "masks"), ("images", "masks", "test"), ("images", "masks", "")):
        yield _case(f"the folders {' '.join(more)}", files, *more, fine=True)
    for more in (
        ("photos", "masks"),
        ("images", "images"),
        ("masks", "images"),
        ("", ""),
        ("images", "masks", "images"),
    ):
        yield _case(f"the folders {' '.join(more)}", files, *more, fine=True)
    for odd in ("a\0b", "x" * 5000, "a\udcffb", "..", "/", "\x1b[31m", "a\nb", '"', "\\", "{}", "$x", "*"):
        for more in ((odd, "masks"), ("images", odd), ("images", "masks", odd)):
            yield _case(
                f"the folders {ascii(more)[:60]}",
                files,
                *more,
                fine=odd in ("/", "*") or (more[-1] == odd and len(more) == 3),
            )
    yield _case("the folders images", files, "images")
    for place in ("/nowhere", "/dev/null", "/tmp/a\0b", "/tmp/" + "x" * 300, "~nobody-there", "", "/tmp/a\udcff"):
        yield Case(
            f"the folder {ascii(place)[:30]}", ("new", NAME, place), lambda root: remove(NAME), "empty", with_root=False
        )
