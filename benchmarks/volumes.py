"""Peak memory and seconds of every stage on volumes of 320 x 320 x 320, few of them and more.

    python -m benchmarks.volumes --out DIR [--count 2 6]

Draws two train volumes and so many test volumes in the layout of `surface` (a gigabyte below DIR for eight of them),
runs each stage in a process of its own with the smallest network, and samples what the process has allocated (see
`benchmarks.memory`). Flat means: more volumes need as much. Linux.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks.memory import peak_of
from pipeline.competitions import surface
from pipeline.store.disk import write_rows

SIZE = (320, 320, 320)
STAGES = ("prepare", "split", "train", "tune", "predict", "submit", "report")
# so small that the way there is measured, not the network
NETWORK = (
    "--model unet --width 2 --depth 1 --slices 16 --crop 32 --tile 192 --steps 2 --epochs 1 --folds 2 "
    "--trained-folds 1 --no-tta --xla off"
)


def draw(folder: Path, count: int) -> None:
    for part, numbers in (("train", range(1, 3)), ("test", range(11, 11 + count))):
        for number in numbers:
            surface.write_volume(folder, part, number, *surface.drawn_volume(number, 34117, SIZE))
        write_rows(folder / f"{part}.csv", ["id", "scroll_id"], [(number, 34117) for number in numbers])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, nargs="+", default=[2, 6])
    options = parser.parse_args()
    for count in options.count:
        raw, root = options.out / f"raw-{count}", options.out / f"root-{count}"
        shutil.rmtree(raw, ignore_errors=True), shutil.rmtree(root, ignore_errors=True)
        draw(raw, count)
        for stage in STAGES:
            peak, seconds = peak_of("surface", stage, raw, root, *NETWORK.split())
            print(f"{count:<6} {stage:<10} {peak:8.0f} MiB {seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
