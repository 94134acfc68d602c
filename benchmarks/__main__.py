"""How fast each stage is, against what a competitor would use instead: one table.

    .venv/bin/python -m benchmarks                             every row that can be measured here, but `setup`
    .venv/bin/python -m benchmarks --rows search,rle_encode    some
    .venv/bin/python -m benchmarks --json FILE                 also as {row: {ours, peer, ratio, unit, n, …}}
    .venv/bin/python -m benchmarks --rows train_cpu,predict --fields width=64,stem=1    of another network
    .venv/bin/python -m benchmarks --rows setup                downloads all that is pinned, once more

Ours and the peers are measured in one process, in turns, at least five times each (`whole` and `setup` once), on the
same data; where both give results these are compared first. Ratios above 1: ours is faster. Peers that are not among
the pinned packages: `.venv/bin/pip install pycocotools stardist timm torch torchmetrics`; where one is not there its
line is missing.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

from benchmarks.table import LEAST, Missing
from pipeline.command.names import competition
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs import variants
from pipeline.store import disk

# name -> the module of its function, which has the same name
ROWS = {
    "search": "search",
    "rle_encode": "run_lengths",
    "rle_decode": "run_lengths",
    "train_cpu": "networks",
    "train_gpu": "networks",
    "feed": "networks",
    "predict": "networks",
    "dataset": "stages",
    "instances": "objects",
    "startup": "commands",
    "idea": "commands",
    "whole": "stages",
    "setup": "setting_up",
}


# not measured unless it is named
NAMED = ("setup",)
# of which --fields changes the network
OF_NETWORKS = ("train_cpu", "train_gpu", "feed", "predict")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    usual = ",".join(name for name in ROWS if name not in NAMED)
    parser.add_argument("--rows", default=usual, help=f"among {', '.join(ROWS)} (default: all but {', '.join(NAMED)})")
    parser.add_argument(
        "--fields", metavar="F=V,…", help=f"another recipe than TGS's `quick` in {', '.join(OF_NETWORKS)}"
    )
    parser.add_argument("--json", type=Path, help="where the numbers go, too")
    parser.add_argument("--repeats", type=int, default=LEAST, help=f"turns of each side, {LEAST} at the least")
    options = parser.parse_args(words)
    wrong = [name for name in options.rows.split(",") if name not in ROWS]
    if wrong:
        parser.error(f"there is no row '{wrong[0]}'; there are {', '.join(ROWS)}")
    try:
        recipe = _recipe(options.fields)
    except UserError as error:
        parser.error(str(error))
    print(_machine(), flush=True)
    found = {}
    for name in options.rows.split(","):
        measure = getattr(importlib.import_module(f"benchmarks.rows.{ROWS[name]}"), name)
        try:
            row = measure(options.repeats, **({"recipe": recipe} if name in OF_NETWORKS else {}))
        except Missing as why:
            print(f"{name:<11} not measured: {why}", flush=True)
            continue
        found[name] = row.to_json()
        print("\n".join(row.lines(name)), flush=True)
        if options.json:
            # after each row: a later one may take long
            disk.write_json(options.json, found)
    return 0


def _recipe(changes: str | None) -> Recipe:
    """TGS's `quick`, changed. Raises UserError."""
    base = Recipe(**competition("tgs").recipes["quick"])
    return variants.parse((changes,), base)[0].recipe if changes else base


def _machine() -> str:
    from pipeline.training import hardware

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{hardware.described()}{load}, Python {sys.version.split()[0]}"


if __name__ == "__main__":
    sys.exit(main())
