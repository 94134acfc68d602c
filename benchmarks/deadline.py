"""Folds of one recipe after the other until a deadline, on a machine that is lent for minutes.

    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT --recipe unet2015 --recipe default
    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT2 --resume OUT --recipe …    (goes on)

What is finished is in OUT whenever the command ends or is killed: `results.csv` (a row per fold), `log.txt`, and for
each recipe `<recipe>.tar.xz` with its finished folds (predictions, history, records; weights are left out where they
are large) and, when every fold is there, `<competition>-<recipe>.csv`, its submission. `--resume` takes an earlier
OUT's archives, so that several short calls make one experiment. Options of the pipeline that are not known here are
given to every training (`--epochs 1 --steps 2` for a rehearsal).
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import store
from pipeline.__main__ import competition, parse
from pipeline.recipe import seconds

ROOT = Path(__file__).parents[1]
COLUMNS = ["recipe", "fold", "seconds", "score_at_half", "score_at_half_no_tta", "backend", "hardware"]
RESERVE = 20  # seconds kept for packing and for the last stages
LARGE = 6 << 20  # bytes: weights of more are left out of the archive
TABLE = "results.csv"


@dataclass
class Experiment:
    """One competition's recipes under a deadline.

    Attributes: out: where results go; root: the pipeline's --root, thrown away afterwards; options: for every training.
    """

    competition: str
    recipes: list[str]
    data: Path | None
    out: Path
    root: Path
    ends: float
    options: list[str]
    rows: dict[tuple[str, str], dict] = field(default_factory=dict)

    def left(self) -> float:
        return self.ends - time.monotonic() - RESERVE

    def run(self) -> None:
        if self.pipeline("split", recipe=self.recipes[0], limit=self.left()) is None:
            raise SystemExit("the deadline is over before the data is prepared")
        for recipe in self.recipes:
            for fold in range(self.folds(recipe)):
                if not self.finished(recipe, fold) and not self.train(recipe, fold):
                    self.say(f"{recipe}: no time for fold {fold}")
                    break
            if all(self.finished(recipe, fold) for fold in range(self.folds(recipe))):
                self.conclude(recipe)

    def train(self, recipe: str, fold: int) -> bool:
        """Trains a fold and predicts the test part with it; False where the time is too short for it."""
        known = [float(row["seconds"]) for row in self.rows.values() if row["recipe"] == recipe]
        if self.left() <= (max(known) if known else 0):
            return False
        started = time.monotonic()
        printed = self.pipeline("train", "predict", "--fold", str(fold), recipe=recipe, limit=self.left())
        if printed is None:
            return False
        self.note(recipe, fold, time.monotonic() - started, printed)
        self.pack(recipe)
        return True

    def conclude(self, recipe: str) -> None:
        """Thresholds, scores and the submission of a recipe whose folds are all there."""
        if self.left() < 0 or self.pipeline("tune", "submit", recipe=recipe, limit=self.left() + RESERVE / 2) is None:
            return
        name = f"{self.competition}-{recipe}.csv"
        shutil.copy(self.root / "submissions" / name, self.out / name)
        self.pack(recipe)
        found = store.read_json(self.folder(recipe) / "thresholds.json")
        error = found["standard_error"] or 0
        self.say(f"{recipe}: {found['metric']}, cross-fitted {found['cross_fitted']} ± {error:.4f}, n {found['n']}")
        for name in found["by_fold"][0].get("also", {}):
            values = [entry["also"][name] for entry in found["by_fold"]]
            self.say(f"{recipe}: {name}: mean of folds {sum(values) / len(values):.4f}, {values}")

    def folds(self, recipe: str) -> int:
        """How many this recipe trains."""
        given = vars(parse([self.competition, *self.options]))
        fields = {**competition(self.competition).recipes[recipe], **{k: v for k, v in given.items() if v is not None}}
        return fields.get("trained_folds") or fields.get("folds", 5)

    def folder(self, recipe: str) -> Path:
        return self.root / "runs" / self.competition / recipe

    def finished(self, recipe: str, fold: int) -> bool:
        folder = self.folder(recipe) / f"fold{fold}"
        return (folder / "valid.npy").exists() and ((folder / "test.npy").exists() or not self.has_test())

    def has_test(self) -> bool:
        index = self.root / "data" / self.competition / "prepared" / "images.csv"
        with index.open(encoding="utf-8") as file:
            return any(row["part"] == "test" for row in csv.DictReader(file))

    def pipeline(self, *words: str, recipe: str, limit: float | None) -> str | None:
        """Runs stages; what they printed, or None when the limit (seconds) ended them.

        Raises SystemExit when they failed: then there is nothing to go on with.
        """
        where = ["--root", str(self.root), *(["--data", str(self.data)] if self.data else [])]
        run = ["--recipe", recipe, "--run", recipe, *self.options]
        command = [sys.executable, "-P", "-m", "pipeline", self.competition, *words, *run, *where]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        log = self.out / "log.txt"
        begins = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            try:
                done = subprocess.run(command, stdout=file, stderr=file, env=environment, timeout=limit, check=False)
            except subprocess.TimeoutExpired:
                return None
        printed = log.read_bytes()[begins:].decode(errors="replace")
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} of {recipe} ended with {done.returncode}:\n{printed[-2000:]}")
        return printed

    def note(self, recipe: str, fold: int, seconds: float, printed: str) -> None:
        """A row of results.csv, once for each fold."""
        lines = [line for line in printed.splitlines() if line.startswith(f"fold {fold}: out-of-fold score")]
        scores = {("no_tta" if "without flips" in line else "tta"): line.rsplit(" ", 1)[1] for line in lines}
        environment = store.read_json(self.folder(recipe) / f"fold{fold}" / "environment.json")
        row = dict(zip(COLUMNS, (recipe, str(fold), f"{seconds:.0f}"), strict=False))
        row |= {"score_at_half": scores.get("tta", ""), "score_at_half_no_tta": scores.get("no_tta", "")}
        self.rows[recipe, str(fold)] = row | {name: environment.get(name, "") for name in ("backend", "hardware")}
        self.write_table()
        self.say(f"{recipe} fold {fold}: {seconds:.0f} s, {row['score_at_half']} at .5")

    def write_table(self) -> None:
        rows = [[row[name] for name in COLUMNS] for row in self.rows.values()]
        store.write_rows(self.out / TABLE, COLUMNS, rows)

    def pack(self, recipe: str) -> None:
        """The archive of a recipe, complete before it gets its name."""
        part = self.out / f"{recipe}.part"
        with tarfile.open(part, "w:xz", preset=3) as archive:
            for path in sorted(self.folder(recipe).rglob("*")):
                large = path.suffix in (".h5", ".npz") and path.stat().st_size > LARGE
                unfinished = path.parent != self.folder(recipe) and not (path.parent / "valid.npy").exists()
                if path.is_file() and not large and not unfinished:
                    archive.add(path, path.relative_to(self.root / "runs" / self.competition))
        part.rename(self.out / f"{recipe}.tar.xz")

    def resume(self, earlier: Path) -> None:
        """Takes the archives and rows of an earlier call. What is not trained any more still belongs to the result."""
        if (earlier / TABLE).exists():
            with (earlier / TABLE).open(newline="", encoding="utf-8") as file:
                self.rows = {(row["recipe"], row["fold"]): row for row in csv.DictReader(file)}
            self.write_table()
        for path in sorted(earlier.glob("*.tar.xz")):
            shutil.copy(path, self.out / path.name)
            with tarfile.open(path) as archive:
                archive.extractall(self.root / "runs" / self.competition, filter="data")

    def say(self, line: str) -> None:
        print(f"{max(0, self.left() + RESERVE):5.0f} s left: {line}", flush=True)


def main(name: str | None = None, recipes: list[str] | None = None) -> None:
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if name is None:
        parser.add_argument("competition")
    parser.add_argument("--deadline", type=seconds, required=True, help="9m, 540s: when this command must have ended")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="raw files")
    parser.add_argument("--recipe", action="append", help="repeatable, in order of importance")
    parser.add_argument("--resume", type=Path, help="an earlier --out")
    options, others = parser.parse_known_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        experiment = Experiment(
            name or options.competition,
            options.recipe or recipes or ["default"],
            options.data,
            options.out,
            Path(root),
            started + options.deadline,
            others,
        )
        if options.resume:
            experiment.resume(options.resume)
        experiment.run()


if __name__ == "__main__":
    main()
