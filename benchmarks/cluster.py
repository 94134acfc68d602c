"""What folds on Ray cost beside their training: speed-up over nodes, data and checkpoints on their way.

    .venv/bin/python -m benchmarks.cluster speed [--seconds 20] [--works 4]
    .venv/bin/python -m benchmarks.cluster transfer [--megabytes 400]
    .venv/bin/python -m benchmarks.cluster same

Nodes are those of `ray.cluster_utils.Cluster`, all on this machine. `speed` sends pieces of work that sleep, as a GPU
lets a processor sleep, to 1, 2 and 4 nodes of one processor; it counts from the first of them sent until the last of
them written. `transfer` puts a file of random bytes into the object store, from where a node takes it to its disk.
`same` trains two small folds of the demo without Ray, on one node, on two, and on two of which one is killed in the
middle, and prints hashes of the submissions, and of all weights and predictions.
"""

import argparse
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline import recipe as recipes
from pipeline.__main__ import run
from pipeline.competitions.demo import competition as demo
from pipeline.machines import cluster as joining
from pipeline.machines import luggage, nodes, on_ray, parcels, places, work
from pipeline.machines.bars import Bars
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.store import disk
from pipeline.store.paths import Store

STORE = 1 << 30  # bytes of a node's object store
SLEEPING = """
import os, sys, time
folder = os.path.join(sys.argv[4], sys.argv[1])
os.makedirs(folder, exist_ok=True)
time.sleep(float(sys.argv[2]))
open(os.path.join(folder, "valid.npy"), "w").close()
"""


@contextlib.contextmanager
def cluster(count: int) -> Iterator:
    """A cluster of a head that lends nothing and so many nodes of one processor."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    nothing = {"num_gpus": 0, "object_store_memory": STORE}
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **nothing})
    try:
        for _ in range(count):
            found.add_node(num_cpus=1, **nothing)
        yield found
    finally:
        found.shutdown()


def speed(root: Path, works: int, seconds: float) -> None:
    run(["demo", "split", "--folds", str(works), "--root", str(root)])
    job = Job(demo, Recipe(folds=works), "quick", Store(root, "demo", "asleep"))
    disk.write_json(job.store.recipe, {"recipe": "quick", **recipes.to_json(job.recipe)})
    make = luggage.errand_of

    def asleep(job, one, *given):
        folder = one.folder.relative_to(one.root).as_posix()
        return replace(make(job, one, *given), arguments=("-c", SLEEPING, folder, str(seconds)))

    luggage.errand_of = asleep
    alone = 0.0
    for count in (1, 2, 4):
        pieces = [work.of(job, fold, 1) for fold in range(works)]
        with (
            cluster(count) as found,
            tempfile.TemporaryDirectory() as own,
            joining.joined(found.address, Path(own)) as ray,
        ):
            crew = on_ray.Crew(ray, job, nodes.Share(1), luggage.data_of(job), Bars(pieces, lambda _: None))
            crew.check_nodes(pieces)
            began = time.monotonic()
            failed = crew.do(pieces)
            took = time.monotonic() - began
        assert not failed, failed
        alone = alone or took
        print(
            f"{count} node(s): {works} pieces of {seconds:.0f} s in {took:.1f} s, {alone / took:.2f} times as fast as "
            f"one node, {works * seconds / took / count:.1%} of the time asleep",
            flush=True,
        )


def transfer(folder: Path, megabytes: int) -> None:
    (folder / "from").mkdir()
    (folder / "from" / "images.npy").write_bytes(np.random.default_rng(0).bytes(megabytes << 20))
    with cluster(1) as found, tempfile.TemporaryDirectory() as own, joining.joined(found.address, Path(own)) as ray:

        def received(refs, place):
            began = time.monotonic()
            parcels.all_received(Path(place), (ray.get(ref) for ref in refs))
            return time.monotonic() - began

        # a first task starts the process and the connection
        ray.get(ray.remote(num_cpus=1)(received).remote([], str(folder)))
        for number in range(3):
            began = time.monotonic()
            refs = [ray.put(piece) for piece in parcels.pieces(folder / "from", ["images.npy"])]
            put = time.monotonic() - began
            took = ray.get(ray.remote(num_cpus=1)(received).remote(refs, str(folder / f"to{number}")))
            print(
                f"{megabytes} MiB in {len(refs)} pieces: into the store {megabytes / put:.0f} MiB/s, from there to the "
                f"disk of a node {megabytes / took:.0f} MiB/s",
                flush=True,
            )


def same(folder: Path) -> None:
    os.environ.update(dict.fromkeys(places.THREADS, "1"))
    run(["demo", "split", "--folds", "3", "--root", str(folder / "drawn")])
    for title, count, kills in (
        ("without Ray", 0, False),
        ("on one node", 1, False),
        ("on two nodes", 2, False),
        ("on two nodes, one of them killed", 2, True),
    ):
        root = folder / title.replace(" ", "-").replace(",", "")
        shutil.copytree(folder / "drawn", root)
        given = ["--run", "small", "--root", str(root)]
        with cluster(count) if count else contextlib.nullcontext() as found:
            if kills:
                threading.Thread(target=_kill, args=(found, root), daemon=True).start()
            run(["demo", "train", *SMALL, *given, *(["--on", found.address] if count else [])])
        run(["demo", "submit", *given])
        learnt = sorted(path for path in root.glob("runs/demo/small/fold?/*") if path.suffix in (".npy", ".h5"))
        submission = disk.file_hash(root / "submissions" / "demo-small.csv")
        print(f"{title}: submission {submission[:16]}, weights and predictions of its folds", end=" ")
        print(
            disk.text_hash(*(f"{path.parent.name} {path.name} {disk.file_hash(path)}" for path in learnt)), flush=True
        )


SMALL = ["--width", "8", "--depth", "2", "--size", "32", "--steps", "30", "--epochs", "20", "--batch-size", "8"]
SMALL += ["--folds", "3", "--trained-folds", "2"]


def _kill(found, root: Path) -> None:
    """Kills a node once both folds have finished three epochs."""
    histories = [root / "runs" / "demo" / "small" / f"fold{fold}" / "history.csv" for fold in (0, 1)]
    while not all(path.exists() and len(path.read_text().splitlines()) > 3 for path in histories):
        time.sleep(0.05)
    found.remove_node(found.worker_nodes.copy().pop(), allow_graceful=False)
    print("killed a node", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "transfer", "same"))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--works", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        if given.what == "speed":
            speed(Path(folder) / "root", given.works, given.seconds)
        elif given.what == "same":
            same(Path(folder))
        else:
            transfer(Path(folder), given.megabytes)


if __name__ == "__main__":
    main()
