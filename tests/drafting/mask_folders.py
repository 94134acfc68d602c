"""Masks written as files of any kind, what `new` says of them, and the labels that the file it writes reads."""

import io

import cv2
import numpy as np
from PIL import Image

from pipeline.drafting import chooser
from pipeline.raw.files import RawFiles

SIZE = (72, 96)


def scene(seed, classes=1, size=SIZE):
    """Labels H x W uint8: a disc for each class, and a box of class 1 near the upper right."""
    draw = np.random.default_rng(seed)
    labels = np.zeros(size, np.uint8)
    for k in range(1, classes + 1):
        centre = int(draw.integers(14, size[1] - 30)), int(draw.integers(14, size[0] - 20))
        cv2.circle(labels, centre, 9, k, -1)
    labels[2:8, -14:-4] = 1
    return labels


def encoded(array, ending=".png", *options):
    """The bytes of a picture file; colours are red, green, blue (alpha)."""
    if array.ndim == 3 and array.shape[2] >= 3:
        array = array[..., [2, 1, 0, *range(3, array.shape[2])]]
    done, content = cv2.imencode(ending, np.ascontiguousarray(array), list(options))
    assert done
    return content.tobytes()


def with_palette(numbers, colours, kind="PNG", **options):
    """The bytes of a picture of numbers with a palette."""
    picture = Image.frombytes("P", numbers.shape[::-1], numbers.astype(np.uint8).tobytes())
    picture.putpalette([part for colour in colours for part in colour])
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def folder_of(path, masks, ending=".png"):
    """images/ and masks/ of these arrays, or bytes of files."""
    (path / "images").mkdir(parents=True)
    (path / "masks").mkdir()
    for i, mask in enumerate(masks):
        content = mask if isinstance(mask, bytes) else encoded(mask, ending)
        (path / "masks" / f"p{i:02d}{ending}").write_bytes(content)
        size = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2]
        image = np.random.default_rng(i).integers(0, 255, (*size, 3), np.uint8)
        (path / "images" / f"p{i:02d}.png").write_bytes(encoded(image))
    return path


def drafted(folder, answer="", named=()):
    """(Draft, the labels of each image in order) as the written file has them."""
    with RawFiles(folder) as raw:
        draft = chooser.draft(raw, *named, answer=answer)
        space = {}
        exec("\n".join(("from pipeline.competition import RawData", "from pipeline.raw.files import RawFiles")), space)
        exec("\n".join([*draft.imports, draft.kind.constants, draft.read]), space)
        images = sorted(space["read"](raw).images, key=lambda image: image.id)
        return draft, [image.labels()[..., 0] for image in images]


def dice(found, truth):
    both = np.count_nonzero(found & truth)
    total = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2 * both / total if total else 1.0
