"""Raw files that are cut off, lie, are of another size, or are missing."""

import csv
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tests.bad_inputs_families import competition_files, roots, spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.zips import claiming, locked, packed_by, zipped

FOLDER = "given"
# a competition of a folder of images and one of masks, written into the copy of the package by `competition_files`
FOLDERS = "of_folders"


def cases() -> list[Case]:
    competition_files.write(FOLDERS, competition_files.GOOD)
    return [*_zips(), *_names(), *_tables(), *_cut_off(), *_pictures(), *_sizes(), *_missing(), *_flipped()]


def _tgs(what: str, change: Callable[[dict[str, bytes]], dict[str, bytes]], fine: bool = False) -> Case:
    """Of raw files as TGS packs them."""
    return replace(_case("demo", what, change(roots.raw_files()), fine), right=_said_what_is_left_out)


def _said_what_is_left_out(root: Path) -> str:
    """What is wrong where train images are not there: that no note says so."""
    prepared = root / "data" / "demo" / "prepared"
    with (prepared / "images.csv").open(encoding="utf-8", newline="") as file:
        count = sum(row["part"] == "train" for row in csv.DictReader(file))
    notes = json.loads((prepared / "prepared.json").read_text(encoding="utf-8"))["notes"]
    left_out = roots.TRAIN - count
    said = not left_out or any(note.startswith(f"{left_out} mask(s)") and "left out" in note for note in notes)
    return "" if said else f"{left_out} images are left out, and no note says so"


def _folders(what: str, change: Callable[[dict[str, bytes]], dict[str, bytes]], fine: bool = False) -> Case:
    """Of a folder of images and a folder of masks."""
    return _case(FOLDERS, what, change(roots.folder_files()), fine)


def _case(competition: str, what: str, files: dict[str, bytes], fine: bool) -> Case:
    def spoil(root: Path) -> None:
        roots.put(root / FOLDER, files)

    words = (competition, "prepare", "--data", f"{{root}}/{FOLDER}")
    return Case(f"{competition}: {what}", words, spoil, "prepared" if competition == "demo" else "empty", fine)


def _with(name: str, content: bytes) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {**files, name: content}


def _changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {**files, name: change(files[name])}


def _without(*gone: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {name: content for name, content in files.items() if name not in gone}


def _zips() -> Iterator[Case]:
    for share in (0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999):
        for name in ("train.zip", "test.zip"):
            change = _changed(name, lambda content, share=share: content[: int(len(content) * share)])
            yield _tgs(f"{name} cut off at {share:.1%}", change)
    for what, content in spoiling.any_bytes():
        yield _tgs(f"train.zip: {what}", _with("train.zip", content))
    yield _tgs("a zip with a password", _changed("train.zip", locked))
    for method in (1, 9, 12, 14, 93, 99):
        yield _tgs(
            f"a zip packed by method {method}", _changed("train.zip", lambda content, m=method: packed_by(content, m))
        )
    for size in (0, 1, 2**31, 2**32 - 2):
        change = _changed("train.zip", lambda content, size=size: claiming(content, size))
        # its checksums say that all is there
        yield _tgs(f"a zip that says {size} bytes", change, fine=size > 1)
    yield _tgs("no file in a zip", _with("train.zip", zipped({})))
    yield _tgs("a zip in a zip, cut off", _changed("train.zip", lambda content: zipped({"in.zip": content[:999]})))
    yield _tgs("a zip in a zip", _changed("train.zip", lambda content: zipped({"in.zip": content})), fine=True)
    yield _tgs("forty zips in each other", _changed("train.zip", _nested), fine=True)
    yield _tgs("a zip with noise in front", _changed("train.zip", lambda content: b"noise" * 9 + content), fine=True)
    yield _tgs("a zip with noise behind", _changed("train.zip", lambda content: content + b"noise" * 9), fine=True)
    yield _tgs("a file in a zip twice", _changed("train.zip", lambda content: _twice(content)), fine=True)
    yield _tgs("a picture of 256 MiB of zeros", _changed("test.zip", _bomb))
    yield _tgs("a hundred thousand files in a zip", _with("more.zip", _many()), fine=True)
    yield _tgs(
        "a zip called .ZIP", lambda files: {**_without("train.zip")(files), "TRAIN.ZIP": files["train.zip"]}, True
    )
    yield _tgs("a folder called x.zip", _with("x.zip/readme.txt", b"x"), fine=True)


def _nested(content: bytes) -> bytes:
    for _ in range(40):
        content = zipped({"in.zip": content}, zipfile.ZIP_STORED)
    return content


def _twice(content: bytes) -> bytes:
    import io
    import warnings

    file = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")
        name = archive.namelist()[0]
        archive.writestr(name, archive.read(name))
    return file.getvalue()


def _bomb(content: bytes) -> bytes:
    test = roots.names()[1]
    return zipped({f"images/{name}.png": b"\0" * ((1 << 28) if name == test[0] else 9) for name in test})


def _many() -> bytes:
    return zipped({f"x/{i}.txt": b"" for i in range(100_000)}, zipfile.ZIP_STORED)


def _names() -> Iterator[Case]:
    """Names in a zip that leave the folder, or are none."""
    leaving = (
        "../x.png",
        "/etc/x.png",
        "a/../../x.png",
        "C:/x.png",
        "c:x.png",
        "\\x.png",
        "a\\..\\x.png",
        "..",
        "a/..",
    )
    for name in leaving:
        yield _tgs(f"the name {name} in a zip", _with("more.zip", zipped({name: b"x"})))
    for name in (
        "a\udcff.png",
        "é.png",
        "a b.png",
        "x" * 250 + ".png",
        "CON",
        " ",
        ".",
        "a//b.png",
        "a/./b.png",
        "a\nb.png",
    ):
        yield _tgs(f"the name {ascii(name)[:20]} in a zip", _with("more.zip", _zip_named(name)), fine=True)
    for name in ("a,b", "a b", "é", "a\nb", "-1", "007", "nan", "a'b", 'a"b', "a;b", "=1+1", "x" * 200, "\x1b[31m"):
        yield _folders(f"a picture called {ascii(name)[:20]}", _named(name), fine=True)


def _zip_named(name: str) -> bytes:
    plain = zipped({"PLACE.png": b"x"}, zipfile.ZIP_STORED)
    return plain.replace(b"PLACE.png", name.encode(errors="surrogateescape")[:9].ljust(9, b"_"))


def _named(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    picture, mask = roots.tile(3)
    return lambda files: {
        **files,
        f"images/{name}.png": roots.png(picture),
        f"masks/{name}.png": roots.png(mask),
    }


# what is lost of depths is blank, and a mask that differs from train.csv, or that it does not name, is warned of
FINE_IN = {
    "train.csv": ("half of the last row", "cut off in the middle"),
    "depths.csv": ("cut off", "quote in the middle"),
    "sample_submission.csv": (),
}


def _tables() -> Iterator[Case]:
    """The csv files that come with the pictures."""
    for name in ("train.csv", "depths.csv", "sample_submission.csv"):
        harmless = (
            "order",
            "fields",
            "twice",
            "column",
            "more",
            "missing",
            "megabyte",
            "turned",
            "thousand",
            "another id",
        )
        for what, is_fine, change in spoiling.csv_changes():
            # what a table says of pictures that are not asked about is nobody's harm
            fine = is_fine or any(part in what for part in (*harmless, *FINE_IN[name]))
            yield _tgs(f"{name}: {what}", _changed(name, change), fine)
        for what, content in spoiling.any_bytes():
            yield _tgs(f"{name}: {what}", _with(name, content))
    yield _tgs("train.csv missing", _without("train.csv"), fine=True)
    yield _tgs("depths.csv missing", _without("depths.csv"), fine=True)
    yield _tgs("sample_submission.csv missing", _without("sample_submission.csv"), fine=True)


def _cut_off() -> Iterator[Case]:
    """Pictures cut off at many lengths, in every format that is read."""
    picture, mask = roots.tile(5)
    colours = np.repeat(picture[..., None], 3, axis=2)
    for ending in (".png", ".jpg", ".tif", ".bmp"):
        content = roots.encoded(picture if ending != ".jpg" else colours, ending)
        for share in (0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99):
            cut = content[: int(len(content) * share)]
            yield _folders(f"a picture {ending} cut off at {share:.0%}", _one_more(ending, cut, mask))
        yield _folders(f"a picture {ending} less its last byte", _one_more(ending, content[:-1], mask))


def _one_more(ending: str, content: bytes, mask: np.ndarray) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {**files, f"images/odd{ending}": content, "masks/odd.png": roots.png(mask)}


def _pictures() -> Iterator[Case]:
    """Files that are no pictures, or pictures of other kinds."""
    picture, mask = roots.tile(5)
    for what, content in spoiling.any_bytes():
        yield _folders(f"a picture: {what}", _one_more(".png", content, mask))
        yield _folders(f"a mask: {what}", _with(f"masks/{roots.names()[0][2]}.png", content))
    for width, height in ((0, 9), (9, 0), (2**31 - 1, 9), (100_000, 100_000), (2**32 - 1, 2**32 - 1), (70_000, 2)):
        yield _folders(f"a PNG that says {width} x {height}", _one_more(".png", _claiming(width, height), mask))
    for dtype in ("uint16", "float32"):
        ending = ".png" if dtype == "uint16" else ".tiff"
        content = roots.encoded(picture.astype(dtype), ending)
        yield _folders(f"one picture of {dtype}", _one_more(ending, content, mask))
    for value in (np.nan, np.inf, -np.inf, 1e30, -1):
        there = np.where(mask > 0, np.float32(value), picture.astype(np.float32))
        yield _folders(f"all pictures hold {value}", _every(".tiff", roots.encoded(there, ".tiff")), value == -1)
    yield _folders(
        "one picture in colours", _one_more(".png", roots.png(np.dstack([picture] * 2 + [mask])), mask), True
    )
    yield _folders("one picture with alpha", _one_more(".png", roots.png(np.dstack([picture] * 4)), mask), True)
    for what, values in _masks(mask).items():
        content = roots.encoded(values, ".tiff" if values.dtype.kind == "f" else ".png")
        ending = ".tiff" if values.dtype.kind == "f" else ".png"
        change = lambda files, ending=ending, content=content: {  # noqa: E731
            **files,
            "images/odd.png": roots.png(picture),
            f"masks/odd{ending}": content,
        }
        yield _folders(f"a mask of {what}", change)


def _masks(mask: np.ndarray) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(1).integers(0, 256, mask.shape).astype(np.uint8)
    return {
        "noise": noise,
        "three values": np.where(mask > 0, np.uint8(255), (noise > 128).astype(np.uint8) * 3).astype(np.uint8),
        "noise in colours": np.dstack([noise, noise.T, noise]),
        "fractions": (noise / 255).astype(np.float32),
        "not a number": np.full(mask.shape, np.nan, np.float32),
        "below zero": -mask.astype(np.float32),
        "infinite": np.full(mask.shape, np.inf, np.float32),
    }


def _every(ending: str, content: bytes) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        others = {name: held for name, held in files.items() if not name.startswith(("images/", "test/"))}
        pictures = [name for name in files if name.startswith(("images/", "test/"))]
        return others | {f"{name.removesuffix('.png')}{ending}": content for name in pictures}

    return change


def _claiming(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _sizes() -> Iterator[Case]:
    picture, mask = roots.tile(5)
    for what, other in {
        "turned": mask[:, :20].T,
        "half as large": mask[::2, ::2],
        "a pixel wider": np.pad(mask, ((0, 0), (0, 1))),
        "one pixel": mask[:1, :1],
    }.items():
        change = _one_more(".png", roots.png(picture[:, :20] if what == "turned" else picture), other)
        yield _folders(f"a mask that is {what}", change)
        name = roots.names()[0][0]
        packed = zipped({f"masks/{name}.png": roots.png(other)})
        yield _tgs(f"a mask that is {what}", lambda files, p=packed: {**files, "a.zip": p}, fine=what == "turned")
    for what, size in {"one pixel": (1, 1), "a row": (1, 500), "a column": (500, 1)}.items():
        small = np.full(size, 77, np.uint8)
        yield _folders(f"a picture of {what}", _one_more(".png", roots.png(small), np.zeros(size, np.uint8)), fine=True)


def _missing() -> Iterator[Case]:
    train, test = roots.names()
    yield _folders("no images", lambda files: {name: c for name, c in files.items() if not name.startswith("images/")})
    yield _folders("no masks", lambda files: {name: c for name, c in files.items() if not name.startswith("masks/")})
    yield _folders("no test", lambda files: {n: c for n, c in files.items() if not n.startswith("test/")}, fine=True)
    yield _folders("a mask missing", _without(f"masks/{train[0]}.png"))
    yield _folders("an image missing", _without(f"images/{train[0]}.png"))
    yield _folders("a mask twice", lambda files: {**files, f"masks/{train[0]}.bmp": files[f"masks/{train[0]}.png"]})
    yield _folders(
        "a mask twice, one with an ending", lambda f: {**f, f"masks/{train[0]}_mask.png": f[f"masks/{train[0]}.png"]}
    )
    yield _folders("an image twice", lambda files: {**files, f"images/{train[0]}.bmp": files[f"images/{train[0]}.png"]})
    yield _folders("a test image twice", lambda files: {**files, f"test/{test[0]}.bmp": files[f"test/{test[0]}.png"]})
    yield _folders("a mask of nothing", lambda files: {**files, "masks/nobody.png": files[f"masks/{train[0]}.png"]})
    yield _folders("one image alone", lambda files: {n: c for n, c in files.items() if train[0] in n}, fine=True)
    yield _folders("a file of text alone", lambda files: {"readme.txt": b"x"})
    yield _folders("litter alone", lambda files: {".DS_Store": b"x", "__MACOSX/images/a.png": b"x"})
    yield _folders("names in capitals", lambda files: {name.upper(): content for name, content in files.items()}, True)
    yield _tgs("no train.zip", _without("train.zip"))
    yield _tgs("no test.zip", _without("test.zip"))
    yield _tgs("no zip", _without("train.zip", "test.zip", "test_masks.zip"))
    yield _tgs(
        "the truth of one test image alone", _with("test_masks.zip", zipped({f"test_masks/{test[0]}.png": b"x"}))
    )
    yield _tgs("a folder of images and masks", lambda files: roots.folder_files(), fine=True)
    yield _tgs("a train image missing", _changed("train.zip", lambda content: _less(content, f"images/{train[3]}.png")))
    yield _tgs("a train mask missing", _changed("train.zip", lambda content: _less(content, f"masks/{train[3]}.png")))


def _less(content: bytes, gone: str) -> bytes:
    import io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist() if name != gone})


def _flipped() -> Iterator[Case]:
    """Zips and pictures with one byte exchanged: refused, or read as they are."""
    for seed in range(40):
        source = random.Random(seed)
        name = source.choice(["train.zip", "test.zip"])

        def change(content, source=source):
            at = source.randrange(len(content))
            return content[:at] + bytes([content[at] ^ (1 << source.randrange(8))]) + content[at + 1 :]

        yield _tgs(f"{name} with a bit turned, seed {seed}", _changed(name, change), fine=True)
    for seed in range(60):
        source = random.Random(seed)
        ending = source.choice([".png", ".jpg", ".tif", ".bmp"])
        picture, mask = roots.tile(5)
        content = bytearray(
            cv2.imencode(ending, np.dstack([picture] * 3) if ending == ".jpg" else picture)[1].tobytes()
        )
        content[source.randrange(min(len(content), 400))] ^= 1 << source.randrange(8)
        yield _folders(
            f"a picture {ending} with a bit turned, seed {seed}", _one_more(ending, bytes(content), mask), True
        )
