"""Which value of masks means that a pixel is to be ignored."""

from pipeline.errors import UserError, shown
from pipeline.raw.meaning.colours import COLOURED, VOID, code_of, plain_of
from pipeline.raw.meaning.looks import Looks

# PASCAL VOC draws what is to be ignored so, the last of its palette
VOC = code_of((224, 224, 192)) | COLOURED
MOST = 0.5  # of all pixels: what covers more is not what somebody left out
AT_RIMS = 0.5  # of its pixels, in rims and parts at the frame: beside two values 255 is not taken for ignored with less


def void_of(looks: Looks, classes: list[int]) -> tuple[int | None, list[str]]:
    """The value that means ignore, None where there is none, and what is to be said of it.

    Raises UserError where 255 may mean that, or a class.
    """
    if VOC in classes:
        return VOC, [_said(looks, VOC, "as in PASCAL VOC")]
    if min(classes) == -1:
        return -1, [_said(looks, -1, "as it is below 0")]
    beside = [value for value in classes if value != VOID]
    if VOID not in classes or len(beside) < 2 or max(beside) >= VOID // 2 or looks.order:
        return None, []
    seen = looks.values[VOID]
    share, rims = seen.pixels / looks.pixels, seen.rim / seen.pixels
    if share <= MOST and rims >= AT_RIMS:
        return VOID, [_said(looks, VOID, f"{rims:.0%} of it in narrow rims or at the frame")]
    if share <= MOST and len(beside) > 2:
        return VOID, [_said(looks, VOID, "as is usual beside numbers of classes")]
    values = ", ".join(f'"class_{value}": {value}' for value in classes)
    raise UserError(
        f"the masks hold {shown(map(str, beside), 6)} and 255, which covers {share:.1%} of the pixels, {rims:.0%} of "
        "it in narrow rims or at the frame: ignored, or a class? Make the file without the folder and "
        f"say labels=class_ids({max(beside) + 1}, void=255) if ignored, labels=near({{{values}}}) if a class"
    )


def _said(looks: Looks, value: int, why: str) -> str:
    seen = looks.values[value]
    return (
        f"{plain_of(value)} means ignore ({why}): {seen.pixels / looks.pixels:.1%} of the pixels, in {seen.images} of "
        f"{looks.count} masks, are neither learnt nor scored"
    )
