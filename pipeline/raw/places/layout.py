"""Which folders of a data set hold what: found by what they are called and by which of them match by name."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace

from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.places import apart, called, candidates, finding
from pipeline.raw.places.called import IMAGES, MASKS
from pipeline.raw.places.candidates import Candidate
from pipeline.raw.places.finding import Found
from pipeline.raw.places.names import (
    PICTURES,
    Where,
    common_folders,
    folder_of,
    normal,
    part_of,
    stem,
    way,
    words,
)

# whose hand: 1st_manual, manual2
HAND = re.compile(
    r"(?:(?:\d+(?:st|nd|rd|th)|first|second|third).*|(?:manual|observer|annotator|expert|rater|reader|hand)?_?\d+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """What `finding.find` is asked for, and what was weighed.

    Attributes:
        images, test, valid: folders; blank for every one, for none.
        layers: a folder of masks, or one for each class.
        classes: their names, where there are several layers.
        taken: why, where it is not plain.
        rejected: what could be the masks and is not taken, and how to choose it.
    """

    images: str
    layers: tuple[str, ...]
    test: str = ""
    valid: str = ""
    classes: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def masks(self) -> str | tuple[str, ...]:
        """As `read_folders` takes them."""
        return self.layers if len(self.layers) > 1 else self.layers[0]

    def find(self, raw: RawFiles) -> Found:
        return finding.find(raw, self.images, self.masks, self.test, self.valid)


def choose(raw: RawFiles, images: str = "", masks: str = "", test: str = "") -> Layout:
    """Looks for the folders that are not named. Raises UserError where names do not fit together."""
    found = _by_words(raw, images, masks, test)
    if images or masks:
        return found
    try:
        found.find(raw)
    except UserError:
        return _despite_words(raw, found) or found
    return found


def _despite_words(raw: RawFiles, found: Layout) -> Layout | None:
    """Pairs that lie in one folder, whatever it is called: words that mean masks are also in the names of data sets.
    None where there are none, or where pictures of folders called as masks would be images beside those of others."""
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    try:
        other = _in_one_place(raw, Layout("", ("",), found.test, found.valid), names)
        pairs = other.find(raw)
    except UserError:
        return None
    same = common_folders(words(folder_of(name)) for name in names)
    images = {name: page.name for name, page in (pairs.train | pairs.test).items()}
    if {"images", "masks"} <= {called.role_of(name, same) for name in images.values()}:
        return None
    masks = [(images[name], page.name) for layer in pairs.masks for name, there in layer.items() for page in there]
    return other if all(folder_of(image) == folder_of(mask) for image, mask in masks) else None


def _by_words(raw: RawFiles, images: str, masks: str, test: str) -> Layout:
    """The layout by what folders are called. Raises UserError where two look alike."""
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    same = common_folders(words(folder_of(name)) for name in names)
    roles = {name: called.role_of(name, same) for name in names}
    test = test or called.of_part(names, "test")
    left = [name for name in names if not (test and Where(test).holds(name))] or names
    valid = called.of_part(left, "valid")
    base = Layout(images, (masks,), test, valid)
    if images and "," in masks and not any(Where(masks).holds(name) for name in names):
        layers = [layer.strip() for layer in masks.split(",")]
        return _of_classes(base, layers, [layer.rpartition("/")[2].strip("*_. ") or layer for layer in layers])
    if images and masks:
        return _with_classes(raw, base)
    if not any(roles.values()) and not images and not masks:
        return _in_one_place(raw, base, left)
    of_images = images or called.likeliest([name for name in left if roles[name] == "images"], "images", IMAGES)
    if masks:
        others = [name for name in names if not Where(masks).holds(name)]
        return _with_classes(raw, replace(base, images=of_images or _only_other(others, names, test)))
    of_masks = called.folders([name for name in left if roles[name] == "masks"], "masks")
    if not of_masks:
        beside = replace(base, images=of_images)
        return _beside(raw, beside, [name for name in left if roles[name] != "images"], left)
    of_images = of_images or _only_other([name for name in names if roles[name] != "masks"], names, test)
    return _weighed(raw, replace(base, images=of_images), of_masks)


def _only_other(pictures: list[str], names: list[str], test: str) -> str:
    """The one folder of these pictures, but those to answer; blank, which is every folder, where there are several.
    Blank, too, where masks lie in folders called as others in test are: `test/crack/` beside `train/good/`.

    Args:
        pictures: those that are no masks. names: all. test: the folder of those to answer; blank for none.
    """
    in_test = Where(test).holds if test else lambda name: False
    answered = [name for name in pictures if in_test(name)]
    learnt = [name for name in pictures if not in_test(name)] or answered
    last = {way(name)[-1:] for name in learnt}
    if len(last) != 1 or () in last:
        return ""
    of_masks = {word for name in set(names) - set(pictures) for word in way(name)}
    kinds = {word for name in answered for word in way(name)[-1:]} - {word for name in learnt for word in way(name)}
    return "" if any(not part_of(word) for word in kinds & of_masks) else next(iter(last))[0]


def _weighed(raw: RawFiles, base: Layout, of_masks: dict[str, str]) -> Layout:
    """The likeliest of several folders of masks; all of them where each is for a class."""
    layouts = {where: replace(base, layers=(where,)) for where in of_masks}
    if len(layouts) == 1:
        (alone,) = layouts.values()
        candidate = candidates.judged(raw, alone, MASKS)
        taken = (
            (f"warning: {alone.layers[0]}/: {candidate.why()}; are there other masks?",) if candidate.is_field else ()
        )
        return _with_classes(raw, replace(alone, taken=taken))
    found = [candidates.judged(raw, layout, MASKS) for layout in layouts.values()]
    fits = [candidate for candidate in found if candidate.matched]
    if not fits:
        # the reason of the first is the line
        return _with_classes(raw, next(iter(layouts.values())))
    names = {where: _class_name(text) for where, text in of_masks.items()}
    if len(fits) > 1 and _are_classes(fits, [names[c.layers[0]] for c in fits]):
        return _of_classes(base, [c.layers[0] for c in fits], [names[c.layers[0]] for c in fits])
    best, *others = sorted(found, key=Candidate.rank)
    taken = f"masks are taken from {best.layers[0]}/ ({best.matched} match an image{best.said_of()})"
    return _with_classes(raw, replace(layouts[best.layers[0]], taken=(taken,), rejected=_rejected(base, others)))


def _rejected(base: Layout, others: list[Candidate]) -> tuple[str, ...]:
    return tuple(
        f"NOT taken as masks: {other.layers[0]}/ ({other.why()}); to take it: ./run.sh new NAME FOLDER "
        f"{_word(base.images)} {_word(other.layers[0])} {_word(base.test)}".rstrip()
        for other in others
    )


def _word(folder: str) -> str:
    """As it is typed."""
    return f"'{folder}'" if not re.fullmatch(r"[\w./-]+", folder) and folder else folder or "''"


def _class_name(text: str) -> str:
    """What is beside the word for masks in the name of a folder: `liver_masks` -> liver."""
    tokens = [token for token in text.split() if token not in MASKS]
    return "_".join(tokens)


def _are_classes(fits: list[Candidate], names: list[str]) -> bool:
    """Whether folders are of a class each: they have names of their own, which no hand has, and look like masks of
    one class."""
    return (
        all(names)
        and not any(HAND.fullmatch(name) for name in names)
        and all(candidate.is_binary and not candidate.is_field for candidate in fits)
    )


def _of_classes(base: Layout, layers: list[str], names: list[str]) -> Layout:
    taken = f"a folder of masks for each class: {shown(f'{layer}/' for layer in layers)}"
    return replace(base, layers=tuple(layers), classes=tuple(_plain(names)), taken=(*base.taken, taken))


def _plain(names: list[str]) -> list[str]:
    """Names of classes without numbers before them, where they differ then, too: `1. Vessels` -> Vessels."""
    short = [re.sub(r"^\d+[_\-. ]+", "", name) or name for name in names]
    return short if len(set(short)) == len(short) else names


def _with_classes(raw: RawFiles, base: Layout) -> Layout:
    """The layout, with a layer for each folder of a class below the folder of masks where there are such."""
    (where,) = base.layers
    masks = Where(where)
    if not masks.words or not masks.is_folder:
        return base
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    here = [name for name in names if masks.holds(name)]
    places = [Where(place) for place in ((base.images, base.test) if base.test else (base.images,))]
    others = [name for name in names if not masks.holds(name) and any(place.holds(name) for place in places)]
    known = {normal(word) for name in others for word in words(folder_of(name))}
    known |= {normal(stem(name)) for name in others}
    below: dict[str, set] = defaultdict(set)
    spelt = {}
    for name in here:
        inner = [word for word in masks.place(name) if normal(word) not in known and not part_of(word)]
        spelt.setdefault(normal(inner[-1]) if inner else "", inner[-1] if inner else "")
        below[normal(inner[-1]) if inner else ""].add(name)
    if len(below) < 2 or "" in below:
        return base
    layers = [f"{where}/{word}" if _is_just_below(here, masks, word) else word for word in sorted(below)]
    found = [candidates.judged(raw, replace(base, layers=(layer,)), MASKS) for layer in layers]
    if not all(candidate.matched for candidate in found):
        return base
    if sum(candidate.matched for candidate in found) <= len(set().union(*(c.ids for c in found))):
        # no image has masks in two of them: they are no classes
        return base
    return _of_classes(base, layers, [spelt[word] for word in sorted(below)])


def _is_just_below(names: list[str], masks: Where, word: str) -> bool:
    wanted = Where(f"{masks.said}/{word}")
    return all(wanted.holds(name) for name in names if word in way(name))


def _beside(raw: RawFiles, base: Layout, others: list[str], left: list[str]) -> Layout:
    """There are images, and no folder is called as masks are: others that match by name, or masks among the images."""
    folders = dict.fromkeys(way(name)[-1] for name in others if way(name))
    found = [candidates.judged(raw, replace(base, layers=(folder,)), MASKS) for folder in folders]
    fits = [candidate for candidate in found if candidate.matched]
    if not fits:
        return _in_one_place(raw, base, left)
    alike = [candidate for candidate in fits if candidate.is_binary and not candidate.is_field]
    if len(alike) > 1:
        names = [candidate.layers[0] for candidate in alike]
        rest = tuple(c for c in fits if c not in alike)
        return replace(_of_classes(base, names, names), rejected=_rejected(base, list(rest)))
    best, *rest = sorted(fits, key=Candidate.rank)
    taken = f"masks are taken from {best.layers[0]}/, whose names are those of images"
    return _with_classes(raw, replace(base, layers=best.layers, taken=(taken,), rejected=_rejected(base, rest)))


def _in_one_place(raw: RawFiles, base: Layout, names: list[str]) -> Layout:
    """Images and masks in one folder, told apart by what is behind their names, or by their endings."""
    inside = [name for name in names if Where(base.images).holds(name)]
    folder = f"{base.images}/" if base.images else ""
    if behind := apart.behind(inside):
        return _of_words(raw, base, folder, behind)
    if finding.marked(inside):
        return replace(base, layers=(base.images,))
    if endings := apart.endings(inside):
        masks, image = candidates.masks_among(raw, endings)
        taken = f"images end in {image}, masks in {masks}"
        return replace(base, images=f"{folder}*{image}", layers=(f"{folder}*{masks}",), taken=(taken,))
    if pair := apart.two_names(inside):
        image, mask = candidates.image_and_mask(raw, pair)
        return replace(
            base, images=f"{image}.*", layers=(f"{mask}.*",), taken=(f"a folder for each: {image} and {mask}",)
        )
    return replace(base, images=base.images or "images", layers=("masks",))


def _of_words(raw: RawFiles, base: Layout, folder: str, behind: dict[str, str]) -> Layout:
    """Masks that differ from their images by one of these words behind their names."""
    plain = replace(base, layers=(base.images,))
    known = [word for text, word in behind.items() if word]
    if len(set(known)) == 1 and len(known) == len(behind):
        # they are told apart without being named
        return plain
    layers = {f"{folder}*{text}.*": text for text in behind}
    if len(layers) == 1:
        return replace(base, layers=tuple(layers), taken=(f"masks end in {next(iter(behind))}",))
    found = [candidates.judged(raw, replace(base, layers=(layer,)), MASKS) for layer in layers]
    names = {layer: text.strip("_-. ") for layer, text in layers.items()}
    fits = [candidate for candidate in found if candidate.matched]
    titles = [names[candidate.layers[0]] for candidate in fits]
    if len(fits) > 1 and _are_classes(fits, ["" if behind[layers[c.layers[0]]] else names[c.layers[0]] for c in fits]):
        return _of_classes(base, [candidate.layers[0] for candidate in fits], titles)
    best, *others = sorted(found, key=Candidate.rank)
    taken = f"masks are taken from {best.layers[0]} ({best.matched} match an image{best.said_of()})"
    return replace(base, layers=best.layers, taken=(taken,), rejected=_rejected(base, others))


def refuse_only_tests(raw: RawFiles, layout: Layout) -> None:
    """Raises UserError where all masks are of images to answer."""
    raise UserError(
        f"{raw.folder}: every mask belongs to an image in {layout.test}/; put what is to be learnt elsewhere"
    )
