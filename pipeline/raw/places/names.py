"""What the names of files and folders say: which folder a picture lies in, what marks a mask, what two names share.

Nothing is read here. Names are compared in one Unicode form and in small letters (`normal`); an archive is a folder
called as it is without its ending (`Train.zip/images/a.png` lies in train, images).
"""

import functools
import re
import unicodedata
from collections.abc import Iterable

from pipeline.raw import archives
from pipeline.raw.pixels import formats

PICTURES = formats.ENDINGS
# what tells a mask from its image, before or behind the name; a digit behind manual is whose hand it was
_WORD = (
    r"masks?|labels?|segs?|segmentations?|gts?|ground[_-]?truths?|anno|annot|annotations?|annotated"
    r"|manual\d?|true|truths?|targets?"
)
_BEHIND = re.compile(
    rf"^(?P<base>.+?)(?P<gap>[_\-. ]+)(?P<word>{_WORD})(?:(?P<space>[_\-. ]*)\(?(?P<number>\d{{1,5}})\)?)?$",
    re.IGNORECASE,
)
_BEFORE = re.compile(rf"^(?P<word>{_WORD})(?P<gap>[_\-. ]+)(?P<base>.+)$", re.IGNORECASE)
# the parts of a published split, as folders are called
SPLITS = {
    "train": ("train", "training", "trn", "tr"),
    "valid": ("valid", "val", "validation", "validate", "dev"),
    "test": ("test", "testing", "tst", "ts"),
}
# what else is in the names of such folders
_PLAIN = {"set", "data", "dataset", "split", "images", "image", "imgs", "img", "masks", "mask", "labels", "label"}
_PART_OF = {word: part for part, words in SPLITS.items() for word in words}


def normal(text: str) -> str:
    """Small letters in one Unicode form: `É` is one letter, however it was typed, and `é`."""
    return (
        text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    )


@functools.lru_cache(1 << 16)
def words(folder: str) -> tuple[str, ...]:
    """The folders of a way as they are called, archives without their endings."""
    return tuple(archives.ENDING.sub("", part) for part in folder.split("/") if part not in ("", "."))


@functools.lru_cache(1 << 16)
def _normal_words(folder: str) -> tuple[str, ...]:
    return tuple(normal(word) for word in words(folder))


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def way(name: str) -> tuple[str, ...]:
    """The folders above a file, as they are compared: `Train.zip/images/a.png` gives train, images."""
    return _normal_words(folder_of(name))


def stem(name: str) -> str:
    """The name of a file without its ending: `a/x.1.png` gives `x.1`."""
    base = name.rpartition("/")[2]
    return base[: -len(".nii.gz")] if base.lower().endswith(".nii.gz") else base.rpartition(".")[0] or base


@functools.lru_cache(1 << 16)
def part_of(word: str) -> str:
    """`train`, `valid` or `test` where a folder is called so (`val_images`, `imagesTr`, `a. Training Set`, `test_v2`);
    blank where it has a name of its own beside it (`dev-7`)."""
    tokens = tokens_of(word)
    parts = [token for token in tokens if token in _PART_OF]
    if len(parts) != 1:
        return ""
    rest = [token for token in tokens if token not in _PART_OF]
    is_plain = all(token in _PLAIN or (len(token) == 1 and token.isalpha()) for token in rest)
    # stage1_test, images_prepped_test; abbreviations are parts of too many names
    is_clear = len(parts[0]) > 2 and parts[0] != "dev"
    is_clear = is_clear and (any(t in _PLAIN for t in rest) or all(re.search(r"[a-z].*\d", t) for t in rest))
    return _PART_OF[parts[0]] if is_plain or is_clear else ""


def tokens_of(word: str) -> list[str]:
    """The words in a name, as they are compared: `SegmentationClass` -> segmentation, class; `1st_manual` -> 1st,
    manual."""
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word)
    return [normal(token) for token in re.split(r"[_\-. ]+", spread) if token]


class Where:
    """Which files are meant by a folder's name (`photos`, `train/photos`), wherever it lies; blank is every folder.

    A star stands for anything: `*_images`; where the last word has a star and a dot it is for names of files: `*.bmp`,
    `photos/*_gt.png`.
    """

    def __init__(self, text: str):
        *above, last = text.split("/")
        is_file = "*" in last and "." in last
        folder = "/".join(above) if is_file else text
        self.words = tuple(_pattern(word) for word in _normal_words(folder))
        self.file = _pattern(normal(last)) if is_file else None
        self.said = text
        self.is_folder = not is_file
        self._spans: dict[str, tuple | None] = {}

    def __eq__(self, other) -> bool:
        return (self.words, self.file) == (other.words, other.file)

    __hash__ = None

    def holds(self, name: str) -> bool:
        """Whether a file is meant."""
        folder, _, base = name.rpartition("/")
        return self._span(folder) is not None and (self.file is None or bool(self.file.match(normal(base))))

    def place(self, name: str) -> tuple[str, ...]:
        """The folders above a file but those that are meant: what tells `a/images/1.png` from `b/images/1.png`; of a
        word with a star what stands for it."""
        folder = folder_of(name)
        span = self._span(folder)
        if span is None:
            return words(folder)
        start, end, stars = span
        return (*words(folder)[:start], *stars, *words(folder)[end:])

    def _span(self, folder: str) -> tuple[int, int, tuple[str, ...]] | None:
        if folder not in self._spans:
            self._spans[folder] = self._found(_normal_words(folder), words(folder))
        return self._spans[folder]

    def _found(self, above: tuple[str, ...], called: tuple[str, ...]) -> tuple[int, int, tuple[str, ...]] | None:
        count = len(self.words)
        for start in range(len(above) - count + 1):
            matches = [pattern.match(word) for pattern, word in zip(self.words, above[start:], strict=False)]
            if all(matches):
                stars = [star.strip("_-. ") for match in matches for star in match.groups()]
                return start, start + count, tuple(star for star in stars if star)
        return None


def _pattern(word: str) -> re.Pattern:
    return re.compile("(.*)".join(map(re.escape, word.split("*"))) + r"\Z", re.DOTALL)


def place_of(spelt: tuple[str, ...]) -> tuple[str, ...]:
    """Folders as they are compared: `Training` and `train` are one part of a split."""
    return tuple(part_of(word) if normal(word) in _PART_OF else normal(word) for word in spelt)


class Form:
    """A name that an image could have, to which a mask of this name belongs.

    Attributes:
        key: the name. word: what told that it is a mask. number: which of several masks of the image; blank for none.
    """

    __slots__ = ("key", "number", "word")

    def __init__(self, key: str, word: str = "", number: str = ""):
        self.key, self.word, self.number = key, word, number


def forms(name: str) -> list[Form]:
    """What the image of a mask with this stem may be called, the likeliest first: `x_mask_1` belongs to `x_mask_1`,
    to `x_1`, or is the first of several of `x`."""
    found = [Form(name)]
    if match := _BEHIND.match(name):
        base, word, number = match["base"], normal(match["word"]), match["number"] or ""
        if number:
            found.append(Form(f"{base}{match['space'] or match['gap']}{number}", word))
        found.append(Form(base, word, number))
        # x_gt_mask
        if twice := _BEHIND.match(base):
            found.append(Form(twice["base"], f"{normal(twice['word'])} {word}", number))
    if match := _BEFORE.match(name):
        found.append(Form(match["base"], normal(match["word"])))
    return found


def common_folders(places: Iterable[tuple[str, ...]]) -> int:
    """How many folders all of these begin with."""
    places = list(places)
    if not places:
        return 0
    low, high = min(places), max(places)
    return next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))


def core(stems: list[str]) -> list[str]:
    """What tells these names from each other, without what all of them begin and end with (cut where a word ends):
    `img_01`, `img_02` gives `01`, `02`. As they are where there is nothing of that kind."""
    if len(stems) < 2:
        return list(stems)
    start = len(_shared(stems))
    rest = [name[start:] for name in stems]
    end = len(_shared([name[::-1] for name in rest]))
    cores = [name[: len(name) - end] for name in rest]
    return cores if all(cores) else list(stems)


def _shared(stems: list[str]) -> str:
    """What all begin with, up to where a word ends: a gap, or letters before digits."""
    low, high = min(stems), max(stems)
    size = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    shared = low[:size].rstrip("0123456789")
    if shared and not re.search(r"[_\-. ]$", shared) and not all(name[len(shared) :][:1].isdigit() for name in stems):
        shared = re.sub(r"[^_\-. ]+$", "", shared)
    return shared


def unpadded(name: str) -> str:
    """Numbers without the zeros before them: `a_007` is `a_7`."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)
