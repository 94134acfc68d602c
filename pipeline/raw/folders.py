"""A folder of images and a folder of masks, matched by name: what most data sets are, whoever made them.

A file of `competitions/` calls `read_folders`; what a mask's pixels mean is said by one of the small functions of
`masks` (`binary`, `class_ids(3)`, `palette({…})` …) or by one of your own: from H x W x C, as the file holds it,
to H x W x 1. What is wrong with the files is said in one line that names the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.competition import Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import grouping, values
from pipeline.raw.files import RawFiles
from pipeline.raw.grouping import BY_ITSELF, Group
from pipeline.raw.images import WrongKind, kind_of
from pipeline.raw.masks import Labels, above, binary, class_ids, palette, tolerated, with_channels
from pipeline.raw.places import finding, refusals, unused
from pipeline.raw.places.finding import Found
from pipeline.raw.places.stacks import Page
from pipeline.store.scaling import is_nodata

UNMASKED = ("refuse", "test", "empty")
VALID_AS = ("folds", "learnt", "truth")
SEVERAL = ("union", "objects")


def read_folders(
    raw: RawFiles,
    images: str = "images",
    masks: str | tuple[str, ...] = "masks",
    test: str = "test",
    labels: Labels | None = None,
    group: Group = BY_ITSELF,
    channels: int | None = None,
    unmasked: str = "refuse",
    valid: str = "",
    valid_as: str = "folds",
    several: str = "union",
    nodata: float | None = None,
) -> RawData:
    """Matches images and masks by name; the name without its ending is the id. Where names repeat from folder to folder
    (a patient's, train/ and valid/) the folders that tell them apart stand before it: `patient7/1`.

    Args:
        images, masks: the names of the folders (`photos`, `train/photos`), wherever they lie, also in zips; "" is
            every folder; a star stands for anything (`*_images`), also in names of files (`*.bmp`, `all/*_gt.png`).
            Several folders of masks are as many layers of labels, one for each class. Where both are one folder, masks
            are what ends in _mask, _label, _seg, _gt … or begins with mask_.
        test: the folder of the pictures to answer; "" where there is none. Masks of these are the hidden truth. Where
            names are in train too, ids of test images begin with `test_`.
        labels: from a mask H x W x C to labels H x W x 1; None is `binary`.
        group: from the id to its group (patient, drive), or a regular expression whose one group that is; "folder" is
            the outermost folder that tells images apart (parts of a split left aside), None no group. By itself it is
            the folder where names repeat. Slices of a stack are one group in any case.
        channels: 1 or 3: every image gets so many; None leaves them as they are (then all must be alike).
        unmasked: what an image without a mask is: `refuse`, one to answer (`test`), or one with nothing in it
            (`empty`).
        valid: the folder of a published validation part; "" leaves its images among the others.
        valid_as: what becomes of it: in the `folds` like all others, always `learnt` and never held out, or kept apart
            as hidden `truth` that the report alone reads.
        several: what several masks of one image are (x_mask_1, x_mask_2; a folder of masks beside an image): parts of
            one (`union`), or an object each (`objects`: numbers 1, 2, … in the order of names).
        nodata: the value of pixels that nothing is known of (-9999, float("nan")): they are neither learnt nor
            answered. None where every value is one.

    Raises:
        UserError: nothing there, names that do not match, images or masks that are missing or there twice. What is
            wrong within a picture is raised when it is read.
    """
    refuse_labels(labels)
    refuse_unknown("unmasked", unmasked, UNMASKED)
    refuse_unknown("valid_as", valid_as, VALID_AS)
    refuse_unknown("several", several, SEVERAL)
    found = finding.find(raw, images, masks, test, valid)
    bare = set(found.bare)
    if unmasked == "refuse":
        refusals.refuse_bare(raw, found, (masks,) if isinstance(masks, str) else tuple(masks))
    to_answer = {*found.test, *(bare if unmasked == "test" else ()), *(found.in_valid if valid_as == "truth" else ())}
    group_of = grouping.of_found(group, found)
    masked = {name for layer in found.masks for name in layer}
    blind = sorted(to_answer - masked) if to_answer & masked else []
    if blind and valid_as == "truth":
        refuse_blind(raw, blind)
    result = []
    for name, page in {**found.train, **found.test}.items():
        has_truth = name in masked and not blind
        part = "test" if name in to_answer else "train"
        pages = tuple(layer.get(name, ()) for layer in found.masks)
        gaps = values.checked_nodata(nodata)
        picture = _Picture(raw, page, pages, labels or binary, channels, several == "objects", gaps)
        result.append(
            RawImage(
                id=name,
                part=part,
                image=picture.image,
                labels=picture.labels if part == "train" or has_truth else None,
                group=group_of(name, part),
                doubt=picture.doubt,
                always_learnt=valid_as == "learnt" and part == "train" and name in found.in_valid,
            )
        )
    answered = frozenset(bare if unmasked == "test" else ())
    notes = _notes(raw, found, group, test, valid, valid_as, several, answered)
    notes += [blind_said(len(to_answer & masked), blind)] if blind else []
    return RawData(result, notes=notes, nodata=nodata)


def refuse_blind(raw: RawFiles, blind: list[str]) -> None:
    """Raises UserError for a validation part that is hidden truth, beside images to answer without a mask."""
    raise UserError(
        f"{raw.folder}: {len(blind)} images to answer have no mask: {shown(blind)}; hidden truth is of all or of "
        'none: say test="", or valid_as="learnt"'
    )


def blind_said(count: int, blind: list[str]) -> str:
    return (
        f"masks of {count} images to answer are not used: hidden truth is of all or of none, and {len(blind)} have no "
        f"mask: {shown(blind)}"
    )


def _notes(
    raw: RawFiles,
    found: Found,
    group: Group,
    test: str,
    valid: str,
    valid_as: str,
    several: str,
    bare: frozenset[str],
) -> list[str]:
    """What is assumed, and what is left out. `bare`: images without a mask that are to be answered."""
    return [
        line
        for line in (
            found.renamed(test) if found.prefix else "",
            *found.notes,
            split_of(found, valid, valid_as, bare),
            folders_said(found, group),
            several_said(found, several),
            unused.line(raw, found.used),
        )
        if line
    ]


def split_of(found: Found, valid: str, valid_as: str, answered: frozenset[str]) -> str:
    """`split_said` of folders. `answered`: those without a mask, where these are to be answered."""
    kept = len(found.in_valid - answered)
    return split_said(finding.by_part(found, answered), valid and kept and f"{valid}/", kept, valid_as)


def split_said(counts: Mapping[str, int], valid: str, in_valid: int, valid_as: str) -> str:
    """What becomes of a published validation part, for people; blank where there is none.

    Args:
        counts: of the images in each part of the split. valid: where the part is; in_valid: how many images.
        valid_as: as in `read_folders`.
    """
    split = "a published split: " + ", ".join(f"{part or 'neither'} ({count})" for part, count in counts.items())
    if not valid:
        todo = 'valid="FOLDER" and valid_as="learnt" (never held out) or "truth" (kept for the report alone)'
        return f"{split}; all are pooled and get folds anew; otherwise say {todo}" if counts else ""
    what = {
        "folds": 'are in the folds like all others; or valid_as="learnt" (never held out), "truth" (for the report)',
        "learnt": "are always learnt and never held out (valid_as=)",
        "truth": "are kept apart: the report alone reads their masks (valid_as=)",
    }[valid_as]
    return f"{split if counts else 'a published part'}; the {in_valid} images in {valid} {what}"


def truth_said(count: int, test: str, argument: str) -> str:
    """That images to answer have masks, for people; `argument` says so."""
    return f"masks of {count} images in {test} are hidden truth that the report alone reads ({argument}=)"


def folders_said(found: Found, group: Group) -> str:
    """That folders are groups, for people."""
    if not grouping.is_by_folder(group, found):
        return ""
    folders = sorted({folder for folder in found.folders.values() if folder})
    return (
        f"{len(folders)} folder(s) are groups, whose images are never on both sides of a fold: {shown(folders, 3)}; "
        "where those of a folder are no more alike than others (classes, not patients): group=None"
    )


def several_said(found: Found, several: str) -> str:
    if not found.several:
        return ""
    first = next(there for layer in found.masks for there in layer.values() if len(there) > 1)
    what = "an object each" if several == "objects" else 'parts of one mask (several="objects": an object each)'
    return (
        f"{len(found.several)} image(s) have several masks, which are {what}: {found.several[0]} has {len(first)}, "
        f"{shown([page.name.rpartition('/')[2] for page in first], 2)}"
    )


@dataclass
class _Picture:
    """An image and its masks; the image's size is kept from one reading to the other."""

    raw: RawFiles
    page: Page
    masks: tuple[tuple[Page, ...], ...]
    of_mask: Labels
    channels: int | None
    are_objects: bool
    nodata: float | None = None
    shape: tuple[int, int] | None = None
    forgiven: int = 0  # pixels of its masks, when they were read last, whose value is no class's

    def image(self) -> np.ndarray:
        picture = self.page.read(self.raw, has_gaps=self.nodata is not None)
        # nodata that is mixed into a grey is none any more
        picture = with_channels(values.of_image(picture, str(self.page), self.nodata), self.channels)
        self._remark_gaps(picture)
        self.shape = picture.shape[:2]
        return picture

    def _remark_gaps(self, picture: np.ndarray) -> None:
        """Says where the file names pixels without data, and nobody else does."""
        pictures, name = self.raw.pictures, self.page.name
        said = pictures.nodata.get(name)
        if self.nodata is None and is_nodata(picture, said).any():
            remark = f"pixels of {said:g} are without data, as the file says, and are learnt all the same; otherwise "
            pictures.remarks.setdefault(f"{remark}say nodata={said!r}", {})[name] = None

    def labels(self) -> np.ndarray:
        if self.shape is None:
            self.image()
        self.forgiven = 0
        return np.concatenate([self._layer(pages) for pages in self.masks], axis=2)

    def _layer(self, pages: tuple[Page, ...]) -> np.ndarray:
        if not pages:
            return self._empty()
        found = [self._one(page) for page in pages]
        if self.are_objects:
            return _as_objects(found)
        return found[0] if len(found) == 1 else self._joined(found, pages)

    def _empty(self) -> np.ndarray:
        """Labels of an image without a mask. Raises UserError where black is a class by `labels`."""
        name = f"the empty mask of {self.page}"
        labels = self._checked(np.zeros((*self.shape, 1), np.uint8), name)
        if labels.any():
            raise UserError(f'{name} is black, which is a class by labels=: unmasked="empty" cannot be; add the mask')
        return labels

    def _joined(self, found: list[np.ndarray], pages: tuple[Page, ...]) -> np.ndarray:
        """Masks that are parts of one. Raises UserError where two say different things of a pixel."""
        joined = found[0].copy()
        for labels, page in zip(found[1:], pages[1:], strict=True):
            if ((joined != labels) & (joined > 0) & (labels > 0)).any():
                raise UserError(
                    f"mask {page} and another of {self.page} name different classes for one pixel; keep masks of "
                    "classes that overlap in folders of their own: masks=(…, …)"
                )
            joined = np.maximum(joined, labels)
        return joined

    def _one(self, page: Page) -> np.ndarray:
        picture = page.read(self.raw)
        size = picture.shape[:2]
        if size != self.shape:
            turned = "; one of them lies on its side" if size == self.shape[::-1] else ""
            turned = self.raw.pictures.why_not_alike(self.page.name, page.name) or turned
            raise UserError(
                f"image {self.page} is {_size(self.shape)} pixels (height x width), its mask {page} "
                f"{_size(size)}{turned}; make them one size (masks without smoothing: nearest neighbour)"
            )
        return self._checked(picture, f"mask {page}")

    def doubt(self, labels: np.ndarray) -> Doubt | None:
        return doubt_of(self.forgiven)

    def _checked(self, mask: np.ndarray, name: str) -> np.ndarray:
        found, forgiven = labelled(mask, self.of_mask, name)
        self.forgiven += forgiven
        return found


def labelled(mask: np.ndarray, labels: Labels, name: str) -> tuple[np.ndarray, int]:
    """H x W x 1 by `labels`, and how many pixels were forgiven a value that is no class's. Raises UserError that begins
    with the name, and WrongKind for what is no labels."""
    try:
        found, forgiven = tolerated(labels, mask)
    except UserError as error:
        raise UserError(f"{name} {error}") from error
    numbers = isinstance(found, np.ndarray) and found.ndim == 3 and found.dtype.kind in "ui"
    if not numbers or found.shape[:2] != mask.shape[:2]:
        raise WrongKind(f"{name}: labels= gives {kind_of(found)}, not whole numbers {_size(mask.shape[:2])} x 1")
    return found, forgiven


def doubt_of(forgiven: int) -> Doubt | None:
    """Of labels of which so many pixels were forgiven."""
    return Doubt("the value is no class's, the nearest is taken", forgiven) if forgiven else None


def refuse_unknown(word: str, value: str, known: tuple[str, ...]) -> None:
    """Raises UserError for an argument that is none of those there are."""
    if value not in known:
        raise UserError(f"{word}={value!r} is not known; it can be {', '.join(known)}")


def refuse_labels(labels: Labels | None) -> None:
    """Raises WrongKind for what is no function of a mask, or one of `masks` that makes such a function."""
    if labels is not None and not callable(labels):
        raise WrongKind(f"labels={labels!r} is no function: labels=binary, or one of your own")
    if labels in (above, class_ids, palette):
        raise WrongKind(f"labels={labels.__name__} lacks its arguments: labels={labels.__name__}(…)")


def _as_objects(masks: list[np.ndarray]) -> np.ndarray:
    """H x W x 1 uint16: the objects of each mask with numbers of their own; where two overlap, the later one wins."""
    labels = np.zeros(masks[0].shape, np.uint16)
    count = 0
    for mask in masks:
        labels = np.where(mask > 0, mask.astype(np.uint16) + count, labels)
        count += int(mask.max())
    return labels


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
