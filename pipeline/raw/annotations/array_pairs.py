"""Which mask is of which image, where either are arrays: by their names, or by their places in two stacks."""

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.array_files import Item, is_stack
from pipeline.raw.annotations.axes import shape
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import core, forms, normal, stem, unpadded


def pairs_of(
    raw: RawFiles, train: dict, truth: dict, images: str, masks: str, all_of_them: bool = True
) -> dict[str, tuple[Item, Item]]:
    """id -> (image, mask). Raises UserError where they do not fit; where not all have a mask, if these are to."""
    if is_stack(images) and is_stack(masks):
        if len(train) != len(truth):
            raise UserError(f"{images} holds {len(train)} images, {masks} {len(truth)} masks: they must be as many")
        return {name: (image, mask) for (name, image), mask in zip(train.items(), truth.values(), strict=True)}
    by_name = {normal(name): name for name in train}
    found, lost = {}, []
    for name, mask in truth.items():
        own = next((by_name[normal(form.key)] for form in forms(name) if normal(form.key) in by_name), None)
        if own is None:
            lost.append(name)
        else:
            found[own] = (train[own], mask)
    if lost and len(lost) == len(truth):
        found = _by_cores(train, truth)
        lost = [] if found else lost
    if lost:
        raise UserError(f"{raw.folder}: {len(lost)} of {len(truth)} masks in {masks} have no image: {shown(lost)}")
    bare = [name for name in train if name not in found]
    if bare and all_of_them:
        raise UserError(f"{raw.folder}: {len(bare)} of {len(train)} images have no mask in {masks}: {shown(bare)}")
    return found


def _by_cores(train: dict, truth: dict) -> dict[str, tuple[Item, Item]]:
    """The same by what tells the names of each apart (image_1 and mask_1); none unless there is one image for each."""
    called, masks = (
        dict(zip(map(unpadded, map(normal, core(list(there)))), there.items(), strict=True)) for there in (train, truth)
    )
    if len(called) < len(train) or len(masks) < len(truth) or not masks.keys() <= called.keys():
        return {}
    return {called[key][0]: (called[key][1], mask) for key, (_, mask) in masks.items()}


def refuse_mixed(pairs: list[tuple[Item, Item]]) -> None:
    """Raises UserError where some masks are slices and others volumes."""
    first = pairs[0][1].read()
    for _, mask in pairs:
        array = mask.read()
        if array.ndim != first.ndim:
            raise UserError(
                f"masks are of {shape(first)} and of {shape(array)}: {pairs[0][1].where}, {mask.where}; bring slices "
                "and volumes in folders apart, and name those that are meant: ./run.sh new NAME FOLDER IMAGES MASKS"
            )


def said_of_cores(pairs: dict[str, tuple[Item, Item]]) -> str:
    """A line on masks that are not called as their images are; blank where all are."""
    for name, (_, mask) in pairs.items():
        called = {normal(form.key) for form in forms(stem(mask.path))}
        # one of its file alone is called as that is
        if mask.where == mask.path and normal(stem(name)) not in called:
            return f"masks are matched to images by what tells their names apart ({stem(mask.path)} for {name})"
    return ""
