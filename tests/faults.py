"""Kills a run and fills its disk, goes on, and compares every file with those of a run that was left alone.

    python -m tests.faults --kills 50 [--seed 0]       SIGKILL at random moments of a run with a small network
    python -m tests.faults --every-write [--step N]    before every call that changes a folder
    python -m tests.faults --full-disk [--step N]      every call that needs room fails for want of it
    python -m tests.faults --small-disk [--step N]     on real file systems of 4, 20, 36 … KiB; wants root on Linux

The last three run the classical model in forks of this process on few pictures, so that each point is seconds. The exit
status is 1 where a run does not go on, or ends in other files.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-write", action="store_true")
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--small-disk", action="store_true")
    parser.add_argument("--step", type=int, default=1, help="only every N-th point")
    options = parser.parse_args()
    by_points = options.every_write or options.full_disk or options.small_disk
    if not (options.kills or by_points):
        parser.error("give --kills N, --every-write, --full-disk or --small-disk")
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        good = [True]
        if options.kills:
            from tests.faults_parts import kills

            good.append(kills.run(options.kills, options.seed, Path(scratch)))
        if by_points:
            good.append(_points(options, Path(scratch)))
    return 0 if all(good) else 1


def _points(options: argparse.Namespace, scratch: Path) -> bool:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tests.faults_parts import child, points

    child.load()
    found, good = points.scenes(scratch), []
    ways = [way for way in ("every_write", "full_disk", "small_disk") if getattr(options, way)]
    for try_all in [getattr(points, way) for way in ways]:
        for scene in found:
            count = try_all(scene, scratch, options.step)
            print(f"{try_all.__name__.replace('_', ' ')}, {scene.name}: ", end="")
            print(f"points {count.points}, resumed {count.resumed}, differing {count.differing}", flush=True)
            good.append(count.points == count.resumed and not count.differing)
    return all(good)


if __name__ == "__main__":
    sys.exit(main())
