"""Peak memory of every stage on as many images as the ultrasound nerve competition has, and on a quarter of them.

    python -m benchmarks.memory --out DIR [--share 1.0 0.25]

Draws 5635 train and 5508 test images of 420 x 580 in that competition's layout (2 GB below DIR), runs each stage in a
process of its own with the recipe `smoke`, and samples what the process has allocated (RssAnon: without files that are
mapped into memory, which the system drops when it needs the space). Flat means: a quarter of the images needs about
as much. Linux.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.imaging import rle
from pipeline.store.disk import write_rows

ROOT = Path(__file__).parents[1]
TRAIN, TEST, SUBJECTS = 5635, 5508, 47
HEIGHT, WIDTH = 420, 580
STAGES = ("prepare", "split", "train", "tune", "predict", "submit", "report")


def draw(folder: Path, share: float) -> None:
    """Frames of speckle with a bright disc in two of five."""
    random = np.random.default_rng(0)
    specks = [cv2.GaussianBlur(random.integers(0, 255, (HEIGHT, WIDTH), np.uint8), (0, 0), 3) for _ in range(24)]
    rows = []
    for part, count in (("train", round(TRAIN * share)), ("test", round(TEST * share))):
        (folder / part).mkdir(parents=True)
        for number in range(count):
            image, mask = specks[number % 24].copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
            if random.random() < 0.41:
                centre = int(random.integers(100, WIDTH - 100)), int(random.integers(100, HEIGHT - 100))
                cv2.circle(mask, centre, int(random.integers(30, 60)), 255, -1)
                image[mask > 0] += 60
            if part == "test":
                _write(folder / part / f"{number + 1}.tif", image)
                continue
            subject, place = number % SUBJECTS + 1, number // SUBJECTS + 1
            _write(folder / part / f"{subject}_{place}.tif", image)
            _write(folder / part / f"{subject}_{place}_mask.tif", mask)
            rows.append((subject, place, rle.encode(mask)))
    write_rows(folder / "train_masks.csv", ["subject", "img", "pixels"], rows)
    answers = [(number + 1, "1 1") for number in range(round(TEST * share))]
    write_rows(folder / "sample_submission.csv", ["img", "pixels"], answers)


def _write(path: Path, picture: np.ndarray) -> None:
    path.write_bytes(cv2.imencode(".tif", picture)[1].tobytes())


def peak_of(competition: str, stage: str, raw: Path, root: Path, *more: str) -> tuple[float, float]:
    """(MiB at the peak, seconds) of a stage with the recipe `smoke` and more options."""
    # every stage is asked for alone: what it reads is finished, so nothing else runs in its process
    command = [sys.executable, "-m", "pipeline", competition, stage, "--recipe", "smoke", "--data", str(raw), *more]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--root", str(root)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, allocated(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{stage} ended with {process.returncode}")
    return peak / 1024, time.perf_counter() - began


def allocated(pid: int) -> int:
    """KiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, nargs="+", default=[0.25, 1.0])
    options = parser.parse_args()
    for share in options.share:
        raw, root = options.out / f"raw-{share}", options.out / f"root-{share}"
        shutil.rmtree(raw, ignore_errors=True), shutil.rmtree(root, ignore_errors=True)
        draw(raw, share)
        for stage in STAGES:
            peak, seconds = peak_of("nerve", stage, raw, root)
            print(f"{share:<6} {stage:<10} {peak:8.0f} MiB {seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
