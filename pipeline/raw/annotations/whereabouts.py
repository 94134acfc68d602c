"""Where the pictures are that annotations speak of, which are to be answered, and what their ids are."""

import copy
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.places.called import role_of
from pipeline.raw.places.finding import TEST_IDS
from pipeline.raw.places.matching import without_twins
from pipeline.raw.places.names import PICTURES, Where, folder_of, normal, part_of, stem, way, words


class Gallery:
    """The pictures among the raw files.

    Attributes:
        names: of the files, those outside of archives before their twins within, which are left out.
    """

    def __init__(self, raw: RawFiles, images: str = "", endings: tuple[str, ...] = PICTURES, with_masks: bool = False):
        """`images`: their folder (`names.Where`); "" is every folder, but those that are called as folders of masks are
        (unless `with_masks`, or there are no others)."""
        self.raw = raw
        where = Where(images)
        names = [name for name in raw.names if name.lower().endswith(endings) and where.holds(name)]
        plain = [name for name in names if role_of(name) != "masks"]
        self._index(without_twins(raw, names if with_masks or images else plain or names))

    def only(self, names: set[str]) -> "Gallery":
        """Of these pictures alone."""
        found = copy.copy(self)
        found._index([name for name in self.names if name in names])
        return found

    def without(self, names: set[str]) -> "Gallery":
        return self.only(set(self.names) - names)

    def _index(self, names: list[str]) -> None:
        self.names = names
        self._by_base, self._by_stem = defaultdict(list), defaultdict(list)
        for name in self.names:
            self._by_base[normal(name.rpartition("/")[2])].append(name)
            self._by_stem[normal(stem(name))].append(name)

    def find(self, called: str, near: str = "") -> str | None:
        """The picture that an annotation calls so: with or without folders and ending; None where there is none.

        Args: near: the file that calls it so; of several pictures the nearest is meant.

        Raises UserError where several are as near.
        """
        path = called.replace("\\", "/").strip()
        base = path.rpartition("/")[2]
        found = self._by_base.get(normal(base)) or self._by_stem.get(normal(bare(base))) or []
        if len(found) > 1:
            found = _best(found, lambda name: _shared(way(name)[::-1], way(path)[::-1]))
        if len(found) > 1:
            found = _best(found, lambda name: _nearness(name, near))
        if len(found) > 1:
            raise UserError(
                f"{self.raw.where(near) if near else self.raw.folder} speaks of {called}, of which there are "
                f"{len(found)}: {shown(found)}; say which folder is meant (images=), or give them names of their own"
            )
        return found[0] if found else None


def _best(names: list[str], rank) -> list[str]:
    ranks = [rank(name) for name in names]
    return [name for name, own in zip(names, ranks, strict=True) if own == max(ranks)]


def _shared(one: tuple, other: tuple) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _nearness(name: str, near: str) -> tuple[int, int]:
    """How many words of the other's name (`instances_val2017`) a folder has, and how many folders they share."""
    told = set(re.split(r"[_\-. ]+", normal(stem(near)))) - {""}
    parts = {part_of(word) for word in told} - {""}
    said = sum(word in told or split_of(word) in parts for word in way(name))
    return said, _shared(way(name), way(near))


def bare(called: str) -> str:
    """A name without the ending of a picture, where it has one."""
    return called[: called.rindex(".")] if called.lower().endswith((*PICTURES, ".dcm", ".npy")) else called


def split_of(word: str) -> str:
    """`train`, `valid` or `test` of a folder's name: `names.part_of`, also `train2017`, `test_v2`."""
    return part_of(word) or part_of(re.sub(r"[\d_]+$", "", word))


def part_in(name: str) -> str:
    """The part of a published split that a file lies in by its folders; blank where none says so."""
    return next((part for word in reversed(words(folder_of(name))) if (part := split_of(word))), "")


def test_folder(names: Iterable[str]) -> str:
    """What the folder of the test pictures is called; blank where there is none."""
    found = Counter(
        next((word for word in words(folder_of(name)) if split_of(word) == "test"), "")
        for name in names
        if part_in(name) == "test"
    )
    found.pop("", None)
    return found.most_common(1)[0][0] if found else ""


def ids(names: Iterable[str]) -> dict[str, str]:
    """name -> id: the name without folders and ending; where these are alike, with the folders that tell them apart."""
    names = list(names)
    counts = Counter(map(stem, names))
    if all(count == 1 for count in counts.values()):
        return {name: stem(name) for name in names}
    everywhere = set.intersection(*(set(words(folder_of(name))) for name in names))
    found = {
        name: "/".join([*(word for word in words(folder_of(name)) if word not in everywhere), stem(name)])
        for name in names
    }
    twice = [name for name, count in Counter(found.values()).items() if count > 1]
    if twice:
        raise UserError(f"{len(twice)} pictures have names of others (with another ending?): {shown(twice)}; rename")
    return found


def with_test(train: dict[str, str], test: dict[str, str]) -> dict[str, str]:
    """The ids of test pictures, with `test_` before them where some are ids of train images."""
    prefix = TEST_IDS if set(train.values()) & set(test.values()) else ""
    return {name: prefix + own for name, own in test.items()}
