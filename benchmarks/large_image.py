"""A picture of 8000 x 8000 pixels through a trained network, tile by tile: seconds, peak memory, and what tiles change.

    python -m benchmarks.large_image COMPETITION RUN --root DIR [--side 8000] [--compared 2048] [--flips]

The picture is a patchwork of the competition's own images. First a part of it is predicted whole and in tiles: the
largest and the mean difference of the stored probabilities (0 to 255). Then all of it in tiles.
"""

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.record import job_of
from pipeline.imaging.flips import IDENTITY, SYMMETRIES
from pipeline.store.prepared import Prepared
from pipeline.training import backend


class Patchwork:
    """One large picture of many small ones, as a reader of images."""

    def __init__(self, prepared: Prepared, side: int):
        cell = min(int(prepared.images.heights.min()), int(prepared.images.widths.min()))
        count = -(-side // cell)
        random = np.random.default_rng(0)
        picture = np.empty((count * cell, count * cell, prepared.info["channels"]), prepared.images[0].dtype)
        for row in range(count):
            for column in range(count):
                chosen = prepared.images[int(random.integers(len(prepared.images)))][:cell, :cell]
                picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = chosen
        self.picture = picture[:side, :side]
        self.heights = self.widths = np.array([side])

    def __getitem__(self, row: int) -> np.ndarray:
        return self.picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("competition")
    parser.add_argument("run")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--side", type=int, default=8000)
    parser.add_argument("--compared", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--flips", action="store_true", help="averaged over the competition's flips, too")
    options = parser.parse_args()
    backend.choose()
    job = job_of(options)
    if not job.store.model_file(0) or job.recipe.slices > 1 or job.recipe.neighbours:
        raise SystemExit(f"{options.run} must be a run of single images with a trained fold 0")
    flips = SYMMETRIES[job.competition.symmetry] if options.flips else (IDENTITY,)
    # at the picture's own size, whatever the network was trained at
    recipe = replace(job.recipe, size=0, fit="pad", tile=options.tile)
    tiled, whole = predictor(job, recipe), predictor(job, replace(recipe, tile=0))

    part = Patchwork(job.prepared, options.compared)
    one, other = (next(iter(each.pictures(part, [0], flips)))[-1].astype(int) for each in (tiled, whole))
    difference = np.abs(one - other)
    print(f"tiles of {options.tile} against the whole, {options.compared} x {options.compared}: largest difference")
    print(
        f"{difference.max()} of 255, mean {difference.mean():.4f}, {np.mean(difference > 1):.2%} differ by more than 1"
    )

    del whole
    large = Patchwork(job.prepared, options.side)
    before, started = peak(), time.monotonic()
    next(iter(tiled.pictures(large, [0], flips)))
    seconds = time.monotonic() - started
    print(
        f"{options.side} x {options.side} in {seconds:.0f} s, {options.side**2 / seconds / 1e6:.2f} megapixels a second"
    )
    print(f"peak of the process {peak()} MiB ({before} before it; the picture is {large.picture.nbytes >> 20})")


def predictor(job, recipe):
    from pipeline.training import fit

    network = fit.network_for(recipe, job.competition, job.prepared.info)
    fit.load_weights(network, job.store.model_file(0))
    return fit.predictor_for(recipe, job.competition, job.prepared.info, network)


def peak() -> int:
    """MiB that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
