"""Peak memory and seconds of every stage on slides of 20,000 x 20,000 pixels.

    python -m benchmarks.slide --out DIR [--side 20000] [--compression zlib] [--stages prepare split …]

Draws below DIR, in the layout of `hubmap`, a large slide to learn and to hold out, the same one to answer, and a small
one to learn from while the large one is held out; then runs each stage in a process of its own with the smallest
network. Printed are seconds, seconds of a core, the largest resident memory (with files that are mapped into it, which
the system drops when it needs the space), and the largest that a process has allocated for itself. Linux.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.memory import ROOT, allocated
from pipeline.competitions import hubmap
from pipeline.imaging import columns
from pipeline.store.disk import write_json, write_rows

STAGES = ("prepare", "split", "train", "tune", "predict", "submit", "report")
PATCH = 2500  # of which the large slide is made, side by side
NETWORK = ["--model", "unet", "--width", "4", "--depth", "2", "--stem", "4", "--crop", "256", "--tile", "2048"]
NETWORK += ["--epochs", "1", "--steps", "2", "--batch-size", "2", "--folds", "2"]


def draw(folder: Path, side: int, compression: str) -> None:
    picture, mask = hubmap._slide("large", (PATCH, PATCH))
    small = picture[:1500, :2000], mask[:1500, :2000]
    times = -(-side // PATCH)
    large = np.tile(picture, (times, times, 1))[:side, :side], np.tile(mask, (times, times))[:side, :side]
    rows, information = [], []
    for number, (name, (pixels, labels)) in enumerate({"large": large, "small": small}.items()):
        path = folder / "train" / f"{name}.tiff"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels, tile=(512, 512), compression=compression, photometric="rgb")
        write_json(path.with_suffix(".json"), hubmap._features(np.ascontiguousarray(labels)))
        rows.append((name, columns.encode(labels)))
        information.append((f"{name}.tiff", number))
    (folder / "test").mkdir()
    os.link(folder / "train" / "large.tiff", folder / "test" / "asked.tiff")
    write_rows(folder / hubmap.RUNS, ["id", hubmap.ENCODING], rows)
    write_rows(folder / hubmap.SAMPLE, hubmap.FORMAT.columns, [("asked", "")])
    write_rows(folder / hubmap.DONORS, [hubmap.FILE, hubmap.DONOR], information)


def measured(command: list[str]) -> tuple[float, float, float, float]:
    """(MiB resident at the peak, MiB allocated at the peak, seconds, seconds of a core) of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    own = 0
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        own = max(own, allocated(process.pid))
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_maxrss / 1024, own / 1024, time.perf_counter() - began, used.ru_utime + used.ru_stime


def fold_of(root: Path) -> str:
    """That holds out the large slide."""
    with next((root / "folds").glob("*.csv")).open(newline="") as file:
        return next(row["fold"] for row in csv.DictReader(file) if row["id"] == "large")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--compression", default="zlib")
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--flips", action="store_true", help="averaged over the eight flips and turns, too")
    options = parser.parse_args()
    raw, root = options.out / "raw", options.out / "root"
    if "prepare" in options.stages:
        for folder in (raw, root):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        # a process that begins as a copy of a large one has its peak
        code = f"from pathlib import Path; from benchmarks.slide import draw; draw(Path({str(raw)!r}), "
        code += f"{options.side}, {options.compression!r})"
        measured([sys.executable, "-c", code])
    for stage in options.stages:
        command = [sys.executable, "-m", "pipeline", "hubmap", stage, "--data", str(raw), "--root", str(root)]
        command += ["--recipe", "quick", "--run", "measured", *NETWORK, "--tta" if options.flips else "--no-tta"]
        if stage == "train":
            command += ["--fold", fold_of(root)]
        resident, own, seconds, core = measured(command)
        print(f"{stage:<10} {resident:8.0f} MiB resident {own:8.0f} MiB of its own {seconds:8.1f} s", end=" ")
        print(f"{core:8.1f} s of a core", flush=True)


if __name__ == "__main__":
    main()
