"""What the columns of a csv are called, by what they hold: only a hint, which what they hold must bear out."""

import re

RLE_NAMES = re.compile(
    r"encod|^rle|rle$|run_?length|^pixels$|^segmentation$|^annotation$|^predicted$|mask", re.IGNORECASE
)
MEASURE_NAMES = re.compile(r"(box|size|shape|area)$", re.IGNORECASE)
CLASS_NAMES = re.compile(r"^(class|label|category|cls)(_?(id|name|ids|names))?$", re.IGNORECASE)
SIZE_NAMES = (
    re.compile(r"^(img_?|image_?|orig_?)?(height|h|rows)$", re.IGNORECASE),
    re.compile(r"^(img_?|image_?|orig_?)?(width|w|cols|columns)$", re.IGNORECASE),
)
_IMAGE_NAMES = re.compile(r"^(image|img|file|picture|photo)", re.IGNORECASE)
_KEY_NAMES = re.compile(r"^(id|key|name|path|uid)$", re.IGNORECASE)


def names_images(column: str) -> int:
    """How likely a column names images by what it is called: 2 (`image_id`, `filename`), 1 (`id`), 0, or -1 (a class, a
    size)."""
    if CLASS_NAMES.match(column) or any(pattern.match(column) for pattern in SIZE_NAMES):
        return -1
    return 2 if _IMAGE_NAMES.match(column) else int(bool(_KEY_NAMES.match(column)))


BOX_NAMES = re.compile(r"^((b|bounding[ _]?)?box(es)?|rect(angle)?s?)$", re.IGNORECASE)
OUTLINE_NAMES = re.compile(r"polygon|outline|contour|vertices|^(points?|coord(inate)?s)$", re.IGNORECASE)
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("xcenter", "ycenter", "width", "height"),
)


def of_box(columns: list[str]) -> tuple[str, ...]:
    """Four of the columns that together are a box by what they are called (`xmin`, `y_max` …); none where there are no
    such."""
    plain = {re.sub(r"^bbox|[_\- ]", "", name.lower()): name for name in columns}
    return next((tuple(plain[part] for part in four) for four in _CORNERS if set(four) <= plain.keys()), ())
