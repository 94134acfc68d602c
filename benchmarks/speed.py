"""Seconds of the parts that must not be waited for, against the way it is usually done, in the same run.

    .venv/bin/python -m benchmarks.speed            (a minute; prints a table: ours, the peer, the ratio)

Peers, in our words: the per-mask encoder of Kaggle's most copied kernel ("Run-length encode and decode": flatten the
transposed mask, `numpy.where` on the changes, join), one mask after the other; the threshold search of the TGS
kernels, which decodes and scores every image again for every threshold; and `import keras` alone for the start.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.store import submission
from pipeline.tasks.binary import Binary
from pipeline.tasks.scoring import Tally

SIDE = 101
ROOT = Path(__file__).parents[1]


def blobs(count: int, seed: int) -> np.ndarray:
    """count x SIDE x SIDE smooth random fields as uint8 probabilities, 40 % of them low everywhere."""
    import cv2

    random = np.random.default_rng(seed)
    fields = random.normal(size=(count, 4, 4)).astype(np.float32) * 3
    fields[random.random(count) < 0.4] -= 9
    large = np.stack([cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for field in fields])
    return (255 / (1 + np.exp(-large))).astype(np.uint8)


def kernel_encode(mask: np.ndarray) -> str:
    """One mask, the way the kernels do it."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    changes = np.where(flat[1:] != flat[:-1])[0] + 1
    changes[1::2] -= changes[::2]
    return " ".join(str(value) for value in changes)


def encode_and_validate(masks: np.ndarray) -> int:
    import pandas

    ids = [f"{i:010x}" for i in range(len(masks))]
    task = Binary(("salt",))
    texts = [text for mask in masks for text in task.texts(mask[..., None])]
    form = submission.Format(rle_column="rle_mask")
    sizes = np.full(len(ids), SIDE)
    expected = submission.Expected(ids, sizes, sizes, ("salt",))
    table = pandas.DataFrame({"id": ids, "rle_mask": texts})
    return submission.validate(table, form, expected, "benchmark").rows


def search(answers: np.ndarray, labels: np.ndarray) -> float:
    metric = CountMetric("TGS", precision_over_iou)
    items = (("", answer[..., None], label[..., None]) for answer, label in zip(answers, labels, strict=True))
    found = Binary(("salt",)).search(metric, items)
    rule = found.choose(np.arange(len(answers)))
    return Tally(metric, found.statistics(rule)).score()


def kernel_search(answers: np.ndarray, labels: np.ndarray) -> float:
    """31 plain thresholds, every image decoded and scored again for each. The richer rule is 24 x 81 times that."""
    best = 0.0
    for threshold in np.linspace(0.2, 0.8, 31):
        scores = []
        for answer, label in zip(answers, labels, strict=True):
            found = answer >= 255 * threshold
            both, either = np.logical_and(found, label).sum(), np.logical_or(found, label).sum()
            overlap = both / either if either else 1.0
            scores.append(np.mean([overlap > t for t in np.arange(0.5, 1, 0.05)]))
        best = max(best, float(np.mean(scores)))
    return best


def start(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)


def seconds(action, repeats: int) -> float:
    """The median of several runs."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    masks = blobs(18_000, 1) >= 128
    answers, labels = blobs(4000, 2), np.roll(blobs(4000, 2), 4, axis=2) >= 128
    rows = [
        ("18,000 masks encoded and validated", lambda: encode_and_validate(masks)),
        ("  peer: encoded one by one, not validated", lambda: [kernel_encode(mask) for mask in masks]),
        ("thresholds of 4000 images, about 80,000 rules", lambda: search(answers, labels)),
        ("  peer: 31 plain thresholds", lambda: kernel_search(answers[:200], labels[:200])),
        ("start: --help", lambda: start("-m", "pipeline", "--help")),
        ("start: tgs tune --help", lambda: start("-m", "pipeline", "tgs", "tune", "--help")),
        ("  peer: import keras", lambda: start("-c", "import keras")),
    ]
    for title, action in rows:
        scale = 20 if "31 plain" in title else 1  # measured on 200 images of 4000
        print(f"{title:<56}{seconds(action, repeats) * scale:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
