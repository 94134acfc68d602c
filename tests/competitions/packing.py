"""Raw files as people have them, written from {path: bytes}: unpacked, or in a zip with what macOS leaves there."""

import zipfile
from pathlib import Path


def unpacked(folder: Path, content: dict[str, bytes]) -> Path:
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def in_zip(path: Path, content: dict[str, bytes]) -> Path:
    """Returns the folder the zip is in."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
            above, _, last = name.rpartition("/")
            archive.writestr(f"__MACOSX/{above}/._{last}", b"litter")
    return path.parent


def zips_in_zip(path: Path, pack, content: dict[str, bytes]) -> Path:
    """What `pack(folder, content)` writes, in one zip. Returns the folder it is in."""
    inner = path.parent / "inner"
    inner.mkdir()
    pack(inner, content)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(inner.iterdir()):
            archive.write(file, file.name)
            file.unlink()
    inner.rmdir()
    return path.parent
