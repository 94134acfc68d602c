"""Peak memory and seconds of `prepare` on pictures of 4000 x 4000.

    python -m benchmarks.large_pictures --out DIR [--count 40] [--ending .jpg]

Draws pictures in colour and their masks (PNG) below DIR and prepares them in a process of its own, whose largest
resident memory is printed. Linux.
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

ROOT = Path(__file__).parents[1]
SIZE = 4000
CODE = """
import resource, sys, time
from dataclasses import replace
from pathlib import Path
from pipeline.command.names import competition
COMPETITION = competition("demo")
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from pipeline.stages import prepare
from pipeline.store.submission import Format

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

began, before = time.perf_counter(), peak()
with RawFiles(Path(sys.argv[1])) as raw:
    prepare.convert(replace(COMPETITION, read=read_folders), raw, Path(sys.argv[2]), {})
spent = f"{time.perf_counter() - began:.0f} s, {time.process_time():.0f} s of a core"
print(f"{before:.0f} MiB before, {peak():.0f} MiB at the peak, {spent}")
"""


def draw(folder: Path, count: int, ending: str) -> None:
    """Specks in colour, with a disc that is the mask."""
    random = np.random.default_rng(0)
    specks = cv2.resize(random.integers(0, 255, (SIZE // 8, SIZE // 8, 3), np.uint8), (SIZE, SIZE))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(mask, tuple(int(place) for place in random.integers(500, SIZE - 500, 2)), 400, 255, -1)
        image = np.roll(specks, 97 * number, 1)
        image[mask > 0] //= 2
        cv2.imwrite(str(folder / "images" / f"{number:03}{ending}"), image)
        cv2.imwrite(str(folder / "masks" / f"{number:03}.png"), mask)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--ending", default=".jpg")
    options = parser.parse_args()
    raw = options.out / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    draw(raw, options.count, options.ending)
    shutil.rmtree(options.out / "prepared", ignore_errors=True)
    command = [sys.executable, "-c", CODE, str(raw), str(options.out / "prepared")]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
