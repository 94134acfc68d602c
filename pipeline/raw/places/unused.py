"""What a folder holds and nothing reads: counted in one line, so that it is not missed."""

from collections.abc import Iterable

from pipeline.errors import shown
from pipeline.raw import archives
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import formats
from pipeline.raw.places.names import PICTURES, stem

# what systems write into folders
_LITTER = ("thumbs.db", "desktop.ini", "icon\r")


def line(raw: RawFiles, used: Iterable[str], with_tables: bool = False) -> str:
    """One line on the files that are not used, hidden ones aside; blank where there are none.

    Args:
        used: the names of those that are. with_tables: csv files count, too, which others may read.
    """
    used = set(used)
    kinds: dict[str, list[str]] = {}
    twins = {name.rpartition("/")[2] for name in used}
    for name in raw.names:
        base = name.rpartition("/")[2].lower()
        if name not in used and base not in _LITTER and (with_tables or not base.endswith(".csv")):
            kinds.setdefault(_kind(raw, name, twins), []).append(name)
    count = sum(map(len, kinds.values()))
    if not count:
        return ""
    parts = [f"{len(there)} {kind}, the first {shown(there[:1])}" for kind, there in sorted(kinds.items())]
    return f"{count} file(s) are not used: {'; '.join(parts)}"


def _kind(raw: RawFiles, name: str, used: set[str]) -> str:
    base = name.rpartition("/")[2]
    if command := archives.unpacking(name):
        return f"packed in a way that is not read (unpack them: {command} FILE)"
    if name.lower().endswith(PICTURES):
        if raw.depth(name) and base in used:
            return "in archives and unpacked beside them"
        return "pictures in other folders or without an image"
    if name.lower().endswith(formats.OTHER_ENDINGS):
        return "of kinds that must be converted first"
    return "of other endings" if stem(name) != base else "without an ending"
