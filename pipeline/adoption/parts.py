"""Which files of a folder are predictions, and of what: out-of-fold or test, of which fold, of which ids.

A stack is an array of many pictures (`oof.npz` with `ids`, `oof.npy` beside `oof_ids.txt`); else each picture has a
file of its own, called as its image is (`test/*.png`, `fold_0/validation/*.npz`).
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pipeline.adoption import contents, words
from pipeline.adoption import ids as of_ids
from pipeline.adoption.arrays import ENDINGS, Arrays
from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import PICTURES, folder_of, stem


@dataclass(frozen=True)
class Part:
    """Predictions that lie together.

    Attributes:
        where: the file or the folder, for messages.
        role: `oof`, `test`, or blank where no name says it. fold: its number as it is called, or None.
        ids: as they are written there. columns: where they are of a csv, all of its columns, the likeliest first.
        read: from a place 0, 1, … to the array of that picture; scores: to those of its objects, or None.
        is_picture: whether it is H x W x C for certain. has_labels: whether it is called as label maps are.
        files: what it is read from. unread: the names of other arrays in its file (or in each of its files).
    """

    where: str
    role: str
    fold: int | None
    ids: list[str]
    read: Callable[[int], np.ndarray]
    files: list[Path]
    is_picture: bool = False
    has_labels: bool = False
    scores: Callable[[int], np.ndarray] | None = None
    unread: tuple[str, ...] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, place: int) -> str:
        """A picture, for a message."""
        return f"{self.where}, {self.ids[place]}"


@dataclass
class Found:
    """The parts of a folder, and what was left out of it, a line each."""

    parts: list[Part]
    notes: list[str] = field(default_factory=list)


def of_file(path: Path) -> Found:
    """One file of many pictures. Raises UserError where it is none."""
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path} is no {', '.join(ENDINGS)}; name such a file, or the folder of predictions")
    if words.role_of(path.name) == words.TRAIN:
        raise UserError(f"{path} is called as predictions of what was trained on; if it is out-of-fold, call it oof")
    beside = [other.name for other in path.parent.iterdir() if other.is_file()] if path.parent.is_dir() else []
    parts = _of_stack(path.parent, path.name, _companions(beside))
    return Found(parts, _unread(parts))


def of_folder(raw: RawFiles) -> Found:
    """All of a folder. Raises UserError where nothing in it is a prediction."""
    files = _told_apart(raw)
    parts, notes = _of_stacks(raw.folder, files)
    parts += [*_of_singles(raw, files.singles), *_of_pictures(raw, files.pictures)]
    if not parts:
        there = Counter(Path(name).suffix.lower() or Path(name).name for name in raw.names)
        said = shown(f"{count} {ending}" for ending, count in there.most_common())
        raise UserError(
            f"{raw.folder} holds no predictions that are read ({', '.join(ENDINGS)} or pictures), but {said}; name the "
            "folder, or save them as numpy.savez(path, predictions=…, ids=…)"
        )
    left_out = {
        "in archives (unpack them)": files.packed,
        "called as what was trained on": files.learnt,
        "beside arrays of probabilities": files.masks,
        "that are no predictions": files.others,
    }
    notes += [f"left out: {len(names)} file(s) {what}: {shown(names, 2)}" for what, names in left_out.items() if names]
    return Found(parts, notes + _unread(parts))


def _unread(parts: list[Part]) -> list[str]:
    """A line for the arrays of each file that are not read."""
    return [f"left out: the array(s) {shown(part.unread)} beside {part.where}" for part in parts if part.unread]


@dataclass(frozen=True)
class _Files:
    """What the files of a folder are, by their names: stacks; singles and pictures of one image each; companions: the
    ids of stacks; and what is left out."""

    stacks: list[str]
    singles: list[str]
    pictures: list[str]
    companions: list[str]
    packed: list[str]
    learnt: list[str]
    masks: list[str]
    others: list[str]

    @property
    def is_named(self) -> bool:
        """Whether some are called out-of-fold."""
        return any(_role(name, self.stacks) == words.OOF for name in [*self.stacks, *self.singles, *self.pictures])


def _told_apart(raw: RawFiles) -> _Files:
    names = [name for name in raw.names if raw.depth(name) == 0]
    companions = _companions(names)
    arrays = [name for name in names if name.lower().endswith(ENDINGS) and name not in companions]
    pictures = [name for name in names if name.lower().endswith(PICTURES)]
    stacks, singles = _apart(raw, arrays, companions)
    learnt = {name for name in [*arrays, *pictures] if _role(name, stacks) == words.TRAIN}
    within = {folder_of(name) for name in singles}
    masks = {name for name in pictures if folder_of(name) in within} - learnt
    return _Files(
        stacks=[name for name in stacks if name not in learnt],
        singles=[name for name in singles if name not in learnt],
        pictures=[name for name in pictures if name not in learnt | masks],
        companions=companions,
        packed=[name for name in raw.names if raw.depth(name)],
        learnt=sorted(learnt),
        masks=sorted(masks),
        others=[name for name in names if name not in {*arrays, *pictures, *companions}],
    )


def _role(name: str, stacks: list[str]) -> str:
    """Of a file of one picture its folders alone say it: its own name is that of its image."""
    return words.role_of(name if name in stacks else f"{folder_of(name)}/x")


def _of_stacks(folder: Path, files: _Files) -> tuple[list[Part], list[str]]:
    """The parts, and what cannot be one, a line each. Raises UserError as `_of_stack` does."""
    parts, notes = [], []
    for name in files.stacks:
        try:
            parts += _of_stack(folder, name, files.companions)
        except UserError as error:
            # beside files that are called as predictions others may be anything
            if words.role_of(name) or not files.is_named:
                raise
            notes.append(f"left out: {error}")
    return parts, notes


def _apart(raw: RawFiles, arrays: list[str], companions: list[str]) -> tuple[list[str], list[str]]:
    """(stacks, files of one picture): of several files in a folder with the same meaning each is one picture, unless
    its name says what it is, and it has ids; one alone is, where its folder says what it is, not its name, and there
    are no ids."""
    with_ids = {folder_of(name) for name in companions}

    def has_ids(name: str) -> bool:
        return folder_of(name) in with_ids or any(words.holds_ids(key) for key in Arrays(raw.folder / name).keys if key)

    def is_stack(name: str, is_alone: bool) -> bool:
        if words.role_of(stem(name)):
            return is_alone or has_ids(name)
        return is_alone and (not words.role_of(name) or has_ids(name))

    alike = Counter((folder_of(name), words.role_of(name), words.fold_of(name)) for name in arrays)
    counts = {name: alike[folder_of(name), words.role_of(name), words.fold_of(name)] for name in arrays}
    stacks = [name for name in arrays if is_stack(name, counts[name] == 1)]
    among = set(stacks)
    return stacks, [name for name in arrays if name not in among]


def _companions(names: list[str]) -> list[str]:
    return [name for name in names if words.holds_ids(stem(name)) and name.lower().endswith(of_ids.ENDINGS)]


def _of_stack(folder: Path, name: str, companions: list[str]) -> list[Part]:
    """One part, or of an npz of both `oof` and `test` two. Raises UserError where it has no ids."""
    path = folder / name
    arrays = Arrays(path)
    own_ids = [key for key in arrays.keys if words.holds_ids(key.rpartition("/")[2])]
    # as numpy.savez(path, predictions, ids) calls them
    own_ids = own_ids or [key for key in arrays.keys if arrays.is_unnamed_text(key)]
    others = [key for key in arrays.keys if key not in own_ids and not contents.is_scores(arrays, key, contents.MANY)]
    wanted = contents.by_role(others) or {words.role_of(name): others}
    parts, read = [], set()
    for role, keys in wanted.items():
        key = contents.meant(arrays, keys, contents.MANY, contents.scores_of(arrays, role, contents.MANY))
        contents.refuse_one_picture(arrays, key)
        count = len(arrays[key])
        own = contents.ids_of(arrays, role, own_ids, count)
        near = [folder / other for other in companions if folder_of(other) == folder_of(name)]
        ids, files = (
            ({own: of_ids.of_array(arrays[own], arrays.where(own))}, [])
            if own
            else of_ids.beside(near, path, name, count)
        )
        scores = contents.scores_of(arrays, role, contents.MANY)
        # of a row for each picture; others are of something else
        scores = scores if scores and arrays[scores].ndim == 2 and len(arrays[scores]) == count else ""
        parts.append(_stack(arrays, key, role, name, ids, [path, *files], scores))
        read |= {key, own, scores}
    parts[-1] = replace(parts[-1], unread=tuple(key for key in arrays.keys if key not in read))
    return parts


def _stack(arrays: Arrays, key: str, role: str, name: str, columns: dict, files: list[Path], scores: str) -> Part:
    where, count = arrays.where(key), len(arrays[key])
    ids = next(iter(columns.values()))
    if len(ids) != count:
        raise UserError(f"{where} holds {count} pictures, and there are {len(ids)} ids; write one for each")
    return Part(
        where=where,
        role=role,
        fold=words.fold_of(name),
        ids=ids,
        read=lambda place: arrays[key][place],
        files=files,
        has_labels=words.holds_labels(key or stem(name)),
        scores=(lambda place: arrays[scores][place]) if scores else None,
        columns=columns,
    )


def _of_singles(raw: RawFiles, names: list[str]) -> list[Part]:
    """Arrays of one picture each, together where they mean the same."""

    def part(role, fold, own):
        paths = [raw.folder / name for name in own]
        first = Arrays(paths[0])
        pictures = [
            key for key in first.keys if not words.holds_ids(key) and not contents.is_scores(first, key, contents.ONE)
        ]
        scores = contents.scores_of(first, role, contents.ONE)
        key = contents.meant(first, pictures, contents.ONE, scores)

        def array(place: int, wanted: str) -> np.ndarray:
            arrays = Arrays(paths[place])
            if wanted not in arrays.keys:
                raise UserError(f"{paths[place]} holds no array '{wanted}', as {paths[0]} does; write it again")
            return arrays[wanted]

        return Part(
            where=_where(raw, own),
            role=role,
            fold=fold,
            ids=_called(own),
            read=functools.partial(array, wanted=key),
            files=paths,
            has_labels=words.holds_labels(key),
            scores=functools.partial(array, wanted=scores) if scores else None,
            unread=tuple(other for other in first.keys if other not in (key, scores)),
        )

    return [part(role, fold, own) for (role, fold), own in _together(names).items()]


def _of_pictures(raw: RawFiles, names: list[str]) -> list[Part]:
    def part(role, fold, own):
        return Part(
            where=_where(raw, own),
            role=role,
            fold=fold,
            ids=_called(own),
            read=lambda place: raw.picture(own[place]),
            files=[raw.folder / name for name in own],
            is_picture=True,
            has_labels=any(words.holds_labels(word) for word in folder_of(own[0]).split("/")),
        )

    return [part(role, fold, own) for (role, fold), own in _together(names).items()]


def _together(names: list[str]) -> dict[tuple[str, int | None], list[str]]:
    """Files of one picture each by what their folders say; of their own names a picture is called so."""
    found = defaultdict(list)
    for name in names:
        inside = f"{folder_of(name)}/x"
        found[words.role_of(inside), words.fold_of(inside)].append(name)
    return found


def _called(names: list[str]) -> list[str]:
    """The stems; where these are alike, with the folders above."""
    stems = [stem(name) for name in names]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{folder_of(name)}/{stem(name)}" for name in names]


def _where(raw: RawFiles, names: list[str]) -> str:
    """The folder of these files, and what they are."""
    folders = {folder_of(name) for name in names}
    folder = raw.folder / folders.pop() if len(folders) == 1 else raw.folder
    return f"{folder}/*{Path(names[0]).suffix}"
