"""Masks to the text of a csv and back, checked, as many as TGS's test part has."""

import io

import numpy as np

from benchmarks.rows.drawn import SIDE, blobs
from benchmarks.table import Row, in_turns, optional, version
from pipeline.imaging import rle
from pipeline.store import submission
from pipeline.tasks.binary import Binary

COUNT = 18_000
FORM = submission.Format(rle_column="rle_mask")
IDS = [f"{i:010x}" for i in range(COUNT)]
SIZES = np.full(COUNT, SIDE)
EXPECTED = submission.Expected(IDS, SIZES, SIZES, ("salt",))


def rle_encode(repeats: int) -> Row:
    masks = blobs(COUNT, 1) >= 128
    assert _texts(masks[:300]) == [kernel_encode(mask) for mask in masks[:300]]
    actions = {
        "ours": lambda: _validated(_texts(masks)),
        "kernel": lambda: _csv([kernel_encode(mask) for mask in masks]),
    }
    peers = {"kernel": f"the encoder of Kaggle's most copied kernel, mask by mask, not validated, {version('numpy')}"}
    coco, name = optional("pycocotools.mask", "pycocotools")
    if coco is not None:
        # its own compressed text, which no Kaggle csv takes: the runs are the same
        actions["coco"] = lambda: _csv(
            [coco.encode(np.asfortranarray(mask))["counts"].decode() for mask in masks.view("u1")]
        )
        peers["coco"] = f"{name} (C), to its own compressed text, not validated"
    times = in_turns(repeats, unchecked=lambda: _csv(_texts(masks)), **actions)
    return Row(
        what=f"masks of {SIDE} x {SIDE} to the text of a csv, validated",
        unit="s",
        n=COUNT,
        ours=times["ours"],
        peers={title: times[key] for key, title in peers.items()},
        note=f"not validated, as the peers, ours takes {np.median(times['unchecked']):.2g} s",
    )


def rle_decode(repeats: int) -> Row:
    masks = blobs(COUNT, 1) >= 128
    texts = _texts(masks)
    table = submission.table_of(_csv(texts).encode(), FORM, "the csv")
    found = np.stack(list(submission.decoded(table, FORM, EXPECTED, Binary(("salt",)))))
    assert np.array_equal(found[..., 0] != 0, masks)
    assert np.array_equal(kernel_decode(texts[0]), masks[0])
    actions = {
        "ours": lambda: list(submission.decoded(table, FORM, EXPECTED, Binary(("salt",)))),
        "kernel": lambda: [kernel_decode(text) for text in texts],
    }
    peers = {"kernel": f"the decoder of Kaggle's most copied kernel, not validated, {version('numpy')}"}
    coco, name = optional("pycocotools.mask", "pycocotools")
    if coco is not None:
        packed = [coco.encode(np.asfortranarray(mask)) for mask in masks.view("u1")]
        actions["coco"] = lambda: [coco.decode(one) for one in packed]
        peers["coco"] = f"{name} (C), from its own compressed text, not validated"
    times = in_turns(repeats, **actions)
    return Row(
        what="rows of a csv to masks, validated",
        unit="s",
        n=COUNT,
        ours=times["ours"],
        peers={title: times[key] for key, title in peers.items()},
    )


def kernel_encode(mask: np.ndarray) -> str:
    """One mask, the way the kernels do it: flatten the transposed mask, find the changes, join."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    changes = np.where(flat[1:] != flat[:-1])[0] + 1
    changes[1::2] -= changes[::2]
    return " ".join(str(value) for value in changes)


def kernel_decode(text: str) -> np.ndarray:
    """One row, the way the kernels do it."""
    numbers = np.array(text.split(), int)
    flat = np.zeros(SIDE * SIDE, np.uint8)
    for start, length in zip(numbers[0::2] - 1, numbers[1::2], strict=True):
        flat[start : start + length] = 1
    return flat.reshape(SIDE, SIDE).T.astype(bool)


def _texts(masks: np.ndarray) -> list[str]:
    return rle.encode_many(masks)


def _csv(texts: list[str]) -> str:
    file = io.StringIO()
    file.write("id,rle_mask\n")
    file.writelines(f"{name},{text}\n" for name, text in zip(IDS, texts, strict=True))
    return file.getvalue()


def _validated(texts: list[str]) -> None:
    submission.validate(submission.table_of(_csv(texts).encode(), FORM, "the csv"), FORM, EXPECTED, "the csv")
