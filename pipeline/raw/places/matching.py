"""Which mask belongs to which image, by their names and the folders they lie in."""

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import UserError, shown
from pipeline.raw import archives
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import Form, core, folder_of, forms, normal, place_of, stem, unpadded, way

MOST = 1000  # images of one name, in folders other than the mask's, that are weighed
Places = dict[str, tuple[str, ...]]  # name of a file -> the folders that tell it from others (`names.Where.place`)


@dataclass(frozen=True)
class Image:
    """An image that masks are looked for.

    Attributes:
        id: its id. name: of its file. place: the folders it lies in (`names.Where.place`).
        is_test: it is to be answered.
        compared: its place as it is compared.
    """

    id: str
    name: str
    place: tuple[str, ...]
    is_test: bool = False

    @functools.cached_property
    def compared(self) -> tuple[str, ...]:
        return place_of(self.place)


@dataclass(frozen=True)
class Mask:
    """A mask of an image, and what in its name told that it is one."""

    name: str
    form: Form


@dataclass(frozen=True)
class Paired:
    """id -> its masks, the masks that belong to no image, and what was assumed, for people."""

    masks: dict[str, list[Mask]]
    lost: list[str]
    notes: list[str]


class Matching:
    """Finds the image of each mask among these images."""

    def __init__(self, raw: RawFiles, images: list[Image], in_test: Callable[[str], bool]):
        self.raw, self.images, self.in_test = raw, images, in_test
        of_test = {stem(image.name) for image in images if image.is_test}
        self.are_twice = any(stem(image.name) in of_test for image in images if not image.is_test)
        self.by_stem: dict[str, list[Image]] = defaultdict(list)
        self.by_place: dict[tuple, list[Image]] = defaultdict(list)
        self.by_both: dict[tuple, list[Image]] = defaultdict(list)
        for image in images:
            self.by_stem[stem(image.name)].append(image)
            self.by_both[image.compared, stem(image.name)].append(image)
            self.by_place[image.compared].append(image)

    def pair(self, masks: list[str], places: Places) -> Paired:
        """Pairs masks with images. Raises UserError where a mask may belong to several."""
        compared = {name: place_of(places[name]) for name in masks}
        self.is_structured = any(place and place in self.by_place for place in compared.values())
        found: dict[str, list[Mask]] = defaultdict(list)
        lost = []
        for name in masks:
            image, form = self._by_name(name, compared[name])
            if image is None:
                lost.append(name)
            else:
                found[image.id].append(Mask(name, form))
        notes = []
        for level in (self._by_other_spelling, self._by_folder, self._by_core, self._by_number) if lost else ():
            more, said = level(lost, compared, found)
            if more:
                found |= more
                there = {mask.name for there in more.values() for mask in there}
                lost = [name for name in lost if name not in there]
                notes.append(said)
        return Paired(dict(found), lost, notes)

    def _by_name(self, name: str, place: tuple) -> tuple[Image | None, Form | None]:
        """The image of one of the names that it may have, in the mask's own place or else anywhere."""
        possible = forms(stem(name))
        for where in (lambda key: self.by_both.get((place, key), ()), lambda key: self.by_stem.get(key, ())):
            for form in possible:
                there = where(form.key)
                # among very many of one name none is nearer than the others
                near = [image for image in there if self._may_be(image, name, place)] if len(there) <= MOST else []
                if near:
                    return self._nearest(near, name, place), form
        return None, None

    def _may_be(self, image: Image, mask: str, place: tuple) -> bool:
        """Whether they can belong together by where they lie: not a/images/1 and b/masks/1, where such folders are on
        both sides."""
        if self.are_twice and self.in_test(mask) and not image.is_test:
            return False
        own = image.compared
        return own == place or not (self.is_structured and own and place) or _is_within(own, place)

    def _nearest(self, images: list[Image], name: str, place: tuple) -> Image:
        """Raises UserError where several are as near."""
        if len(images) == 1:
            return images[0]
        ranks = [(_shared_end(image.compared, place), not image.is_test) for image in images]
        best = max(ranks)
        if ranks.count(best) > 1:
            both = [image.name for image, rank in zip(images, ranks, strict=True) if rank == best]
            raise UserError(
                f"{self.raw.folder}: the mask {name} may belong to {shown(both, 2)}; put masks into folders called as "
                "those of their images are"
            )
        return images[ranks.index(best)]

    def _only(self, images: list[Image], name: str, place: tuple) -> Image | None:
        """The one of these that a mask can belong to, the nearest by its folders; None where there are none or
        several."""
        near = [image for image in images if self._may_be(image, name, place)]
        near = [image for image in near if image.compared == place] or near
        shared = [_shared_end(image.compared, place) for image in near]
        near = [image for image, count in zip(near, shared, strict=True) if count == max(shared)]
        return near[0] if len(near) == 1 else None

    def _by_other_spelling(self, lost: list[str], places: dict, found: dict) -> tuple[dict, str]:
        """Other capitals, another Unicode form."""
        free = defaultdict(list)
        for image in self.images:
            if image.id not in found:
                free[normal(stem(image.name))].append(image)
        more = defaultdict(list)
        for name in lost:
            pairs = (
                (self._only(free.get(normal(form.key), []), name, places[name]), form) for form in forms(stem(name))
            )
            image, form = next(((image, form) for image, form in pairs if image), (None, None))
            if image:
                more[image.id].append(Mask(name, form))
        more = {name: there for name, there in more.items() if len(there) == 1 or all(m.form.number for m in there)}
        return more, _said(more, "names that differ in capitals or in how accents are stored")

    def _by_folder(self, lost: list[str], places: dict, found: dict) -> tuple[dict, str]:
        """All masks in a folder beside that of one image, or in one called as the image is."""
        more = defaultdict(list)
        stems = _one_each(self.images, lambda image: normal(stem(image.name)))
        for name in lost:
            there = self.by_place.get(places[name], []) if places[name] else []
            image = there[0] if len(there) == 1 else stems.get(places[name][-1]) if places[name] else None
            if image is None or image.id in found:
                return {}, ""
            more[image.id].append(Mask(name, Form(image.id, "in its folder", stem(name))))
        return more, _said(more, "the folder that they lie in")

    def _by_core(self, lost: list[str], places: dict, found: dict) -> tuple[dict, str]:
        """What is left without what all images, and all masks, begin and end with: 21_training and 21_manual1."""
        more = self._by_cores(lost, places, found, normal)
        return more, _said(more, f"what tells their names apart ({_example(more)})")

    def _by_number(self, lost: list[str], places: dict, found: dict) -> tuple[dict, str]:
        """The same, numbers without the zeros before them."""
        more = self._by_cores(lost, places, found, lambda name: unpadded(normal(name)))
        return more, _said(more, f"their numbers, whatever zeros stand before them ({_example(more)})")

    def _by_cores(self, lost: list[str], places: dict, found: dict, key: Callable[[str], str]) -> dict:
        """Nothing unless it is one image for each mask: by names of each part, or of each folder."""
        free = [image for image in self.images if image.id not in found]
        parts = lambda image: image.is_test, self.in_test
        folders = lambda image: image.compared, places.get
        for of_image, of_mask in (parts, folders):
            called = defaultdict(list)
            for image, name in _cores(free, of_image, lambda image: stem(image.name)):
                called[key(name)].append(image)
            more = {}
            for mask, name in _cores(lost, of_mask, stem):
                image = self._only(called.get(key(name), []), mask, places[mask])
                if image is None or image.id in more:
                    break
                more[image.id] = [Mask(mask, Form(stem(image.name)))]
            else:
                return more
        return {}


def _cores(items: list, part: Callable, name: Callable) -> list[tuple]:
    """(item, what tells its name from those of the other items of its part)."""
    parts = defaultdict(list)
    for item in items:
        parts[part(item)].append(item)
    return [pair for there in parts.values() for pair in zip(there, core([name(i) for i in there]), strict=True)]


def _example(more: dict[str, list[Mask]]) -> str:
    image, (mask, *_) = next(iter(more.items()), ("", [Mask("", Form(""))]))
    return f"{stem(mask.name)} for {image}"


def _one_each(images: list[Image], key: Callable[[Image], str]) -> dict[str, Image]:
    counts = Counter(map(key, images))
    return {key(image): image for image in images if counts[key(image)] == 1}


def _said(found, how: str) -> str:
    return f"{sum(map(len, found.values()))} mask(s) are matched to images by {how}"


def _is_within(one: tuple, other: tuple) -> bool:
    """Whether the folders of one are among those of the other, in their order."""
    short, long = sorted((one, other), key=len)
    left = iter(long)
    return all(word in left for word in short)


def _shared_end(one: tuple, other: tuple) -> int:
    pairs = zip(one[::-1], other[::-1], strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def without_twins(raw: RawFiles, names: list[str]) -> list[str]:
    """What lies outside of zips hides its twin within one: what has its name and place, or its name and content."""
    called: dict[str, list[str]] = defaultdict(list)
    for name in names:
        called[normal(name.rpartition("/")[2])].append(name)
    hidden = set()
    for there in called.values():
        if len({raw.depth(name) for name in there}) > 1:
            hidden |= _twins(raw, there)
    return [name for name in names if name not in hidden]


def _twins(raw: RawFiles, names: list[str]) -> set[str]:
    """Of files of one name those in archives that are what was packed of another."""
    hidden, ends, earlier = set(), defaultdict(list), {}
    for _, group in itertools.groupby(sorted(names, key=raw.depth), raw.depth):
        group = list(group)
        for name in group:
            inside = _inside(name)
            # the same place, the archive being a folder or none; or one way ends like the other, and they are alike
            near = [earlier[end] for end in _ends(inside) if end in earlier] + ends[inside]
            is_there = way(name) in earlier or inside in earlier
            if is_there or any(raw.are_alike(other, name) for other in near[:50]):
                hidden.add(name)
        for name in group:
            earlier.setdefault(way(name), name)
            for end in _ends(way(name)):
                ends[end].append(name)
    return hidden


def _inside(name: str) -> tuple[str, ...]:
    """The folders above a file, archives left out."""
    return tuple(normal(word) for word in folder_of(name).split("/") if word and not archives.kind_of(word))


def _ends(folders: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [folders[i:] for i in range(len(folders) + 1)]
