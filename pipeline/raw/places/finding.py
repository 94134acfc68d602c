"""Which files are images, which are masks, and what they are called: what `folders.read_folders` and `survey` build on.

Of the pictures nothing is read here but how many pages a file has.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.places import refusals, stacks
from pipeline.raw.places.matching import Image, Mask, Matching, Places, without_twins
from pipeline.raw.places.names import PICTURES, Where, common_folders, forms, normal, part_of, stem
from pipeline.raw.places.stacks import Page

TEST_IDS = "test_"  # what ids of test images begin with, where train images have the same names
# endings of masks that need no image beside them to be told as such
_MARKS = ("mask", "masks", "label", "labels", "seg")


@dataclass(frozen=True)
class Found:
    """Which files belong together.

    Attributes:
        train, test: id -> its file.
        masks: for each layer id -> its masks: one, or several that are parts of one.
        prefix: what ids of test images begin with beside their names, where these are names of train images, too.
        files: id -> what the pages of one file share: its id without the number of the page; for stacks alone.
        folders: id -> the outermost folder that tells some images from others (a patient's), parts of a published split
            left aside; blank where there is none.
        are_repeated: names repeat from folder to folder, and ids hold the folder.
        parts: id of the train images -> `train`, `valid` or `test`, as the folder of a published split is called.
        in_valid: ids of the images in the folder `valid`.
        used: the names of all files that are read.
        notes: what was assumed.
    """

    train: dict[str, Page]
    test: dict[str, Page]
    masks: list[dict[str, tuple[Page, ...]]]
    prefix: str = ""
    files: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    are_repeated: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    in_valid: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def bare(self) -> list[str]:
        """Train images without any mask."""
        return [name for name in self.train if not any(name in layer for layer in self.masks)]

    @property
    def several(self) -> list[str]:
        """Images of which a layer has several masks."""
        return sorted({name for layer in self.masks for name, there in layer.items() if len(there) > 1})

    def renamed(self, test: str) -> str:
        """What the ids of the test images are, for a message."""
        return f"names in {test}/ are names of train images, too: their ids are {shown(sorted(self.test), 3)}"


def find(
    raw: RawFiles,
    images: str = "images",
    masks: str | tuple[str, ...] = "masks",
    test: str = "test",
    valid: str = "",
) -> Found:
    """The files of `read_folders`. Raises UserError where names do not fit, but not where a mask is missing."""
    layers = (masks,) if isinstance(masks, str) else tuple(masks)
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    roles = _roles(names, Where(images), [Where(layer) for layer in layers], Where(test) if test else None, valid)
    refusals.refuse_empty(raw, names, roles, images, layers, valid)
    train, test_ids = _called(raw, roles.images, roles.train), _called(raw, roles.images, roles.test)
    prefix = TEST_IDS if set(train) & set(test_ids) else ""
    everything = [*train.values(), *(_as_test(image, prefix) for image in test_ids.values())]
    matching = Matching(raw, everything, roles.in_test)
    notes, paired = [], []
    for layer, there in zip(layers, roles.masks, strict=True):
        found = matching.pair(without_twins(raw, there), {name: roles.place_of_mask(layer, name) for name in there})
        refusals.refuse_lost(raw, images, layer, everything, there, found.lost)
        for name, several in found.masks.items():
            _refuse_several(raw, name, several)
        paired.append({name: tuple(mask.name for mask in several) for name, several in found.masks.items()})
        notes += found.notes
    opened = stacks.opened(raw, {image.id: image.name for image in everything}, paired)
    answered = {image.id for image in everything if image.is_test}
    parts = _parts({image.id: image.place for image in train.values()})
    folders = _outermost({image.id: image.place for image in everything})
    pages = opened.images
    of_file = {name: opened.files.get(name, name) for name in pages}
    return Found(
        train={name: page for name, page in pages.items() if of_file[name] not in answered},
        test={name: page for name, page in pages.items() if of_file[name] in answered},
        masks=opened.masks,
        prefix=prefix,
        files=opened.files,
        folders={name: folders[of_file[name]] for name in pages},
        are_repeated=any(stem(image.name) != image.id for image in train.values()),
        parts={name: parts[of_file[name]] for name in pages if of_file[name] in parts},
        in_valid=frozenset(n for n in pages if of_file[n] in train and roles.in_valid(train[of_file[n]].name)),
        used=frozenset(
            [image.name for image in everything] + [m for layer in paired for there in layer.values() for m in there]
        ),
        notes=(*notes, *opened.notes),
    )


@dataclass(frozen=True)
class Roles:
    """Names of the pictures that are images to learn from, images to answer, and masks for each layer."""

    train: list[str]
    test: list[str]
    masks: list[list[str]]
    images: Where
    layers: list[Where]
    in_test: Callable[[str], bool]
    in_valid: Callable[[str], bool]

    def place_of_mask(self, layer: str, name: str) -> tuple[str, ...]:
        return next(where for where in self.layers if where.said == layer).place(name)


def _roles(names: list[str], images: Where, layers: list[Where], test: Where | None, valid: str) -> Roles:
    told = marked([name for name in names if images.holds(name)]) if images in layers else set()
    of_masks = [[name for name in names if w.holds(name) and (w != images or name in told)] for w in layers]
    taken = {name for there in of_masks for name in there}
    others = [name for name in names if name not in taken]
    in_test = test.holds if test else lambda name: False
    in_valid = Where(valid).holds if valid else lambda name: False
    if any(layer.file for layer in layers):
        # other masks of the same images: x_manual2 where x_manual1 is asked for
        spare = marked([name for name in names if images.holds(name)])
        others = [name for name in others if name not in spare]
    # beside test/images/ there may be test/depth/, and beside test/a_img.png test/a_depth.png
    of_test, of_valid = (
        [name for name in there if (images.words or images.file) and images.holds(name)] or there
        for there in ([n for n in others if in_test(n)], [n for n in others if in_valid(n) and not in_test(n)])
    )
    of_train = [name for name in others if images.holds(name) and not in_test(name) and not in_valid(name)]
    return Roles([*of_train, *of_valid], of_test, of_masks, images, layers, in_test, in_valid)


def marked(names: list[str]) -> set[str]:
    """Which files of a folder that holds images and masks are masks: what is called like another, with a word or with
    one that tells masks elsewhere."""
    stems = {normal(stem(name)) for name in names}
    bases, words, found_masks = set(), set(_MARKS), set()
    possible = {name: forms(stem(name))[1:] for name in names}
    for name, there in possible.items():
        if found := [form for form in there if normal(form.key) in stems]:
            found_masks.add(name)
            bases.add(normal(found[0].key))
            words.add(found[0].word)
    # those without an image are masks all the same, and not images without a mask
    for name, there in possible.items():
        if any(form.word in words for form in there) and normal(stem(name)) not in bases:
            found_masks.add(name)
    return {name for name in found_masks if normal(stem(name)) not in bases}


def _called(raw: RawFiles, images: Where, names: list[str]) -> dict[str, Image]:
    """id -> image: the name without its ending; where names repeat, the folders that tell them apart before it.

    Raises UserError for two of one name in one folder, or folders that are copies.
    """
    names = without_twins(raw, names)
    places = {name: images.place(name) for name in names}
    counts = Counter(stem(name) for name in names)
    if max(counts.values(), default=1) == 1:
        return {stem(name): Image(stem(name), name, places[name]) for name in names}
    same = common_folders(places.values())
    _refuse_copies(raw, {name: places[name][same:] for name in names})
    found: dict[str, Image] = {}
    for name in names:
        above = places[name][same:]
        called = "/".join([*above, stem(name)])
        other = found.setdefault(called, Image(called, name, places[name]))
        if other.name != name:
            raise UserError(
                f"{raw.folder}: two images are called {stem(name)}: {other.name} and {name}; each needs a name of its "
                "own: delete or rename one"
            )
    return found


def _refuse_copies(raw: RawFiles, places: Places) -> None:
    """Raises UserError where an archive holds what another, or a folder, holds (`data (1).zip`): the same pictures
    would be learnt from and held out."""
    folders: dict[str, dict] = defaultdict(dict)
    for name, place in places.items():
        folders[place[0] if place else ""][(*place[1:], name.rpartition("/")[2])] = name
    (first, there), *others = folders.items()
    for folder, here in others:
        is_packed = any(raw.depth(name) for name in (*there.values(), *here.values()))
        if here.keys() != there.keys() or not is_packed:
            continue
        pairs = [(there[key], here[key]) for key in list(there)[:8]]
        if all(raw.are_alike(*pair) for pair in pairs) and len({raw.read(name) for name, _ in pairs}) > 1:
            raise UserError(
                f"{raw.folder}: {folder} holds the same pictures as {first or 'the folder above it'}: {pairs[0][1]} is "
                f"{pairs[0][0]}; delete one of them"
            )


def _as_test(image: Image, prefix: str) -> Image:
    return replace(image, id=prefix + image.id, is_test=True)


def _refuse_several(raw: RawFiles, name: str, masks: list[Mask]) -> None:
    """Raises UserError for several masks of an image that are not parts of one by their names: x_mask_1, x_mask_2."""
    words = {mask.form.word for mask in masks}
    numbers = [mask.form.number for mask in masks]
    is_numbered = len(words) == 1 and "" not in words and len(set(numbers)) == len(numbers)
    if len(masks) < 2 or (is_numbered and not any(word[-1].isdigit() for word in words)):
        return
    one, other = (mask.name for mask in masks[:2])
    todo = "each needs a name of its own: delete or rename one"
    folders = [name.rpartition("/")[0] for name in (one, other)]
    if folders[0] != folders[1]:
        todo = (
            f'say which folder it is (masks="{folders[0]}"), or both for a layer each '
            f'(masks=("{folders[0]}", "{folders[1]}"))'
        )
    elif stem(one) != stem(other):
        todo = f'say which it is (masks="*{stem(one)[len(masks[0].form.key) :]}.*"), or delete one'
    raise UserError(f"{raw.folder}: two masks are called {name}: {one} and {other}; {todo}")


def _outermost(places: Places) -> dict[str, str]:
    """Of each image the first folder in which it differs from others, parts of a published split left aside."""
    left = {name: tuple(word for word in place if not part_of(word)) for name, place in places.items()}
    same = common_folders(left.values())
    return {name: place[same] if len(place) > same else "" for name, place in left.items()}


def _parts(places: Places) -> dict[str, str]:
    """Of each image the part of a published split that it lies in; blank where there is none."""
    same = common_folders(places.values())
    return {name: next((p for p in map(part_of, place[same:]) if p), "") for name, place in places.items()}


def by_part(found: Found, answered: frozenset[str] = frozenset()) -> dict[str, int]:
    """How many train images each part of a published split holds, but those that are answered; nothing where it is one
    part."""
    counts = Counter(part for name, part in found.parts.items() if name not in answered)
    return dict(counts) if counts["train"] and counts["valid"] else {}
