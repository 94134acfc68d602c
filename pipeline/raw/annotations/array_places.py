"""Where arrays of images and masks are among the raw files, told by what they are called, for each part of a split."""

import re
from collections import Counter
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.raw.annotations.array_files import Files, place_of
from pipeline.raw.annotations.array_formats import PACKED, is_plane
from pipeline.raw.annotations.whereabouts import Gallery, part_in, split_of
from pipeline.raw.files import RawFiles
from pipeline.raw.places.called import role_of
from pipeline.raw.places.names import PICTURES, SPLITS, folder_of, forms, normal, stem, tokens_of, words

_IMAGE = re.compile(r"^(x|images?|imgs?|inputs?|data|pictures?|frames?|volumes?)$")
_MASK = re.compile(r"^(y|masks?|labels?|gt|targets?|segs?|segmentations?|annotations?|truths?|human|pixel|ground)$")
_PARTS = {word: part for part, spelt in SPLITS.items() for word in spelt}
_FUSED = re.compile(r"^(x|y)(train|val|valid|test)$")  # Xtrain


@dataclass(frozen=True)
class Places:
    """(images, masks) of what is learnt from, of a published validation part, and of what is to be answered, as
    `read_arrays` takes them; blank where there are none."""

    train: tuple[str, str]
    valid: tuple[str, str] = ("", "")
    test: tuple[str, str] = ("", "")


def found_places(raw: RawFiles, arrays: list[str]) -> Places | None:
    """What is called as images or masks are; None where no masks, or no images, are found."""
    found: Called = {}
    short = _short(arrays)
    packed = _packed(Files(raw), arrays, short)
    for name in arrays:
        part = _part(stem(name)) or part_in(name)
        if _folder_of_role(name) and name not in packed:
            _add_folder(found, name)
        elif name in packed:
            for place, key in packed[name]:
                found.setdefault((role(key), _part(key) or part), (place, place))
        elif role(stem(name)):
            found.setdefault((role(stem(name)), part), (short[name], short[name]))
    pictures = [name for name in raw.names if name.lower().endswith(PICTURES)]
    of_masks = [name for name in pictures if role_of(name) == "masks"]
    has = {what for what, _ in found}
    if "mask" in has and "image" not in has:
        for name in Gallery(raw).names:
            if role(_folder_of_role(name)) == "image":
                _add_folder(found, name)
    elif "image" in has and "mask" not in has and of_masks == pictures:
        for name in of_masks:
            if role(_folder_of_role(name)) == "mask":
                _add_folder(found, name)
    return _chosen(found)


# (role, part) -> the first place, and how it is asked for whatever the part
Called = dict[tuple[str, str], tuple[str, str]]


def _add_folder(found: Called, name: str) -> None:
    called = _folder_of_role(name)
    found.setdefault((role(called), part_in(name)), (_span(name, called), called))


def _chosen(found: Called) -> Places | None:
    parts = {part: [found.get((what, part), ("", "")) for what in ("image", "mask")] for part in ("", *SPLITS)}
    pairs = {part: tuple(place for place, _ in there) for part, there in parts.items()}
    # what no part is said of, or train; where neither has both, some of each
    train = next((pairs[part] for part in ("", "train") if all(pairs[part])), None)
    train = train or tuple(a or b for a, b in zip(pairs[""], pairs["train"], strict=True))
    valid = pairs["valid"]
    if any(valid) and (not all(train) or (valid[1] and not valid[0])):
        # masks lie in the parts of a split, images do not, or the other way round
        whole = [[plain for part in ("", "train", "valid") for _, plain in [parts[part][i]] if plain] for i in (0, 1)]
        train, valid = tuple(next(iter(plain), "") for plain in whole), ("", "")
    test = pairs["test"] if pairs["test"][0] else ("", "")
    return Places(train, valid if all(valid) else ("", ""), test) if all(train) else None


def _packed(files: Files, arrays: list[str], short: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Files of several arrays -> (place, key) of those that are called as images or masks. Where there are several
    files, each is of one image (`:image`, `test:image`), or of a part of a split (train.npz, test.npz)."""
    packed = [name for name in arrays if name.lower().endswith(PACKED)]
    # a folder may be called as images are and hold files of both
    of_folder = {folder_of(name): name for name in packed if _folder_of_role(name)}
    both = {folder for folder, name in of_folder.items() if _roles(files, name).keys() == {"image", "mask"}}
    packed = [name for name in packed if not _folder_of_role(name) or folder_of(name) in both]
    parts = [_part(stem(name)) for name in packed]
    if len(packed) == 1 or (packed and all(parts) and len(set(parts)) == len(parts)):
        for name in packed:
            _refuse_groups(files, name)
        return {
            name: [(place_of(short[name], key), key) for keys in _roles(files, name).values() for key in keys]
            for name in packed
        }
    found, known = {}, {}
    for name in packed:
        part = part_in(name)
        if part in known:
            continue
        known[part] = next((word for word in words(folder_of(name)) if part and split_of(word) == part), "")
        roles = _roles(files, name)
        if roles.keys() == {"image", "mask"} or (part == "test" and roles):
            found[name] = [(f"{known[part]}:{key}", key) for keys in roles.values() for key in keys]
    return found


def _roles(files: Files, name: str) -> dict[str, list[str]]:
    """`image`, `mask` -> the keys of the arrays of a file that are called so; numbers and lists are none."""
    found: dict[str, list[str]] = {}
    for key, array in files.content(name).items():
        if role(key) and is_plane(array):
            found.setdefault(role(key), []).append(key)
    return found


def _refuse_groups(files: Files, name: str) -> None:
    """Raises UserError for a file with a group for each image."""
    keys = [key for key in _roles(files, name).get("image", []) if "/" in key and not _part(key)]
    if len(keys) > 1:
        raise UserError(
            f"{files.raw.where(name)} holds {len(keys)} images in groups of their own ({keys[0]} …); write a file for "
            "each, or one array N x H x W x C of all"
        )


def beside(raw: RawFiles, arrays: list[str]) -> list[str]:
    """Pictures that are called as masks of arrays."""
    stems = {normal(stem(name)) for name in arrays}
    pictures = [name for name in raw.names if name.lower().endswith(PICTURES)]
    return [name for name in pictures if any(normal(form.key) in stems for form in forms(stem(name)) if form.word)]


def _folder_of_role(name: str) -> str:
    return next((word for word in reversed(words(folder_of(name))) if role(word)), "")


def _span(name: str, by_folder: str) -> str:
    """A folder as it is asked for: with the part of a split that is said beside it (`test/images`)."""
    called = words(folder_of(name))
    end = len(called) - 1 - called[::-1].index(by_folder)
    part = next((i for i in reversed(range(len(called))) if split_of(called[i])), end)
    return "/".join(called[min(part, end) : max(part, end) + 1])


def _short(arrays: list[str]) -> dict[str, str]:
    """Files without their folders, where no others are called so."""
    counts = Counter(name.rpartition("/")[2] for name in arrays)
    return {name: base if counts[base] == 1 else name for name in arrays for base in [name.rpartition("/")[2]]}


def _tokens(text: str) -> list[str]:
    return [
        part
        for token in tokens_of(text.replace("/", "_"))
        for part in (_FUSED.match(token) or re.match("(.*)", token)).groups()
    ]


def _part(text: str) -> str:
    """`train`, `valid` or `test` where something is called so; blank where it is called as none, or several."""
    parts = {_PARTS[token] for token in _tokens(text) if token in _PARTS}
    return parts.pop() if len(parts) == 1 else ""


def part_called(place: str, part: str) -> str:
    """How a part is called in a place (`val` in `X_val.npy`); `part` itself where it is not."""
    tokens = [token for word in re.split("[/:]", place) for token in _tokens(word)]
    return next((token for token in tokens if _PARTS.get(token) == part), part)


def role(text: str) -> str:
    """`image` or `mask` where something is called so."""
    tokens = [token for token in _tokens(text) if token not in _PARTS]
    if any(_MASK.match(token) for token in tokens):
        return "mask"
    return "image" if any(_IMAGE.match(token) for token in tokens) else ""
