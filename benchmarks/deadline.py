"""Folds of one recipe after the other until a deadline, on a machine that is lent for minutes.

    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT --recipe unet2015 --recipe default
    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT2 --resume OUT --recipe …    (goes on)
    python -m benchmarks.deadline tgs --data DIR --deadline 9m --out OUT --recipe default --variant attention=on

Order: every fold of each recipe; then the variants of the first recipe on its fold 0, compared with it image by image
(`ablate`); then the other folds of the variant that gained most, if one gained more than a standard error.

What is finished is in OUT whenever the command ends or is killed, in few files: `results.csv` (a row per fold, and one
per finished recipe), `ablation.csv`, `log.txt`, and for each recipe `<recipe>.tar.xz` with its finished folds
(predictions, history, records; weights are left out where they are large, and what would make an archive larger than
16 MiB) and, when every fold is there, `<competition>-<recipe>.csv`, its submission; `variants.tar.xz` holds the
variants. `--resume` takes an earlier OUT, so that several short calls make one experiment. Options of the pipeline that
are not known here are given to every training (`--epochs 1 --steps 2` for a rehearsal).
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

from pipeline import recipe, store
from pipeline.__main__ import competition, parse

ROOT = Path(__file__).parents[1]
COLUMNS = ["run", "fold", "seconds", "score_at_half", "score_at_half_no_tta", "out_of_fold", "cross_fitted"]
COLUMNS += ["standard_error", "n", "backend", "hardware"]
RESERVE = 20  # seconds kept for packing and for the last stages
LARGE = 6 << 20  # bytes: weights of more are left out of the archive
LARGEST = 15 << 20  # bytes of an archive
# what is left out of an archive that would be larger, first the first
DISPENSABLE = ("valid_no_tta.npy", "test.npy", "model.weights.h5")
ALL = "all"
TABLE, ABLATION, VARIANTS = "results.csv", "ablation.csv", "variants"


@dataclass
class Experiment:
    """One competition's recipes and variants under a deadline.

    Attributes: variants: of the first recipe, as `ablate --fields` takes them; out: where results go; root: the
        pipeline's --root, thrown away afterwards; ends: of `time.monotonic`; options: for every training.
    """

    competition: str
    recipes: list[str]
    variants: list[str]
    data: Path | None
    out: Path
    root: Path
    ends: float
    options: list[str]
    rows: dict[tuple[str, str], dict] = field(default_factory=dict)

    def left(self) -> float:
        return self.ends - time.monotonic() - RESERVE

    def run(self) -> None:
        if self.pipeline("split", *self.named(self.recipes[0]), limit=self.left()) is None:
            raise SystemExit("the deadline is over before the data is prepared")
        for name in self.recipes:
            self.run_folds(name, self.named(name), range(self.folds(name)))
        if self.variants and self.has_answers(self.recipes[0], 0):
            winner = self.compare()
            if winner:
                self.run_folds(winner, ["--run", winner], range(self.folds(self.recipes[0])))

    def named(self, name: str) -> list[str]:
        """The options of a recipe's run."""
        return ["--recipe", name, "--run", name, *self.options]

    def run_folds(self, run: str, options: list[str], folds: range) -> None:
        """Trains what is not finished, as long as there is time; then thresholds, scores and submission."""
        for fold in folds:
            if not self.finished(run, fold) and not self.train(run, options, fold):
                self.say(f"{run}: no time for fold {fold}")
                return
        if (run, ALL) not in self.rows:
            self.conclude(run, options, len(folds))

    def train(self, run: str, options: list[str], fold: int) -> bool:
        """Trains a fold and predicts the test part with it; False where the time is too short for it."""
        if self.left() <= max(self.known_seconds(run), 0):
            return False
        started = time.monotonic()
        printed = self.pipeline("train", "predict", "--fold", str(fold), *options, limit=self.left())
        if printed is None:
            return False
        self.note(run, fold, time.monotonic() - started, printed)
        self.pack(run, [run])
        return True

    def known_seconds(self, run: str) -> float:
        """The longest that a fold of this run has taken; 0 where none is finished."""
        known = [float(row["seconds"]) for row in self.rows.values() if row["run"] == run and row["fold"] != ALL]
        return max(known, default=0.0)

    def conclude(self, run: str, options: list[str], count: int) -> None:
        """Thresholds, scores and the submission of a run whose folds are all there."""
        if self.left() < 0 or self.pipeline("tune", "submit", *options, limit=self.left() + RESERVE / 2) is None:
            return
        name = f"{self.competition}-{run}.csv"
        shutil.copy(self.root / "submissions" / name, self.out / name)
        found = store.read_json(self.folder(run) / "thresholds.json")
        error = found["standard_error"] or 0
        seconds = sum(float(self.rows[run, str(fold)]["seconds"]) for fold in range(count))
        first = self.rows[run, "0"]
        self.rows[run, ALL] = {name: first[name] for name in ("backend", "hardware")} | {
            "run": run,
            "fold": ALL,
            "seconds": f"{seconds:.0f}",
            "score_at_half": f"{found['oof_at_half']:.4f}",
            "out_of_fold": f"{found['oof']:.4f}",
            "cross_fitted": "" if found["cross_fitted"] is None else f"{found['cross_fitted']:.4f}",
            "standard_error": f"{error:.4f}",
            "n": str(found["n"]),
        }
        self.write_table()
        self.pack(run, [run])
        self.say(f"{run}: {found['metric']}, cross-fitted {found['cross_fitted']} ± {error:.4f}, n {found['n']}")
        for name in found["by_fold"][0].get("also", {}):
            values = [entry["also"][name] for entry in found["by_fold"]]
            self.say(f"{run}: {name}: mean of folds {sum(values) / len(values):.4f}, {values}")

    def compare(self) -> str | None:
        """The variants on fold 0, one more each time; the run that gained most, or None where none gained."""
        base, done = self.recipes[0], []
        for variant in self.variants:
            # what is known of a network of another size is only that it may take as long
            if self.left() <= self.known_seconds(base):
                self.say(f"no time for {variant}")
                break
            words = ["ablate", "--fold", "0", *self.named(base), "--fields", *done, variant]
            if self.pipeline(*words, limit=self.left()) is None:
                self.say(f"no time for {variant}")
                break
            done.append(variant)
            shutil.copy(self.folder(base) / ABLATION, self.out / ABLATION)
            self.pack(VARIANTS, [row["run"] for row in self.compared() if row["run"] != base])
            row = self.compared()[-1]
            self.say(f"{variant}: {row['gain'] or '?'} ± {row['gain_error'] or '?'}, {row['verdict']}")
        gained = [row for row in self.compared() if row["verdict"] == "gains"]
        return max(gained, key=lambda row: float(row["gain"]))["run"] if gained else None

    def compared(self) -> list[dict]:
        path = self.out / ABLATION
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def folds(self, name: str) -> int:
        """How many this recipe trains."""
        given = vars(parse([self.competition, *self.options]))
        fields = {**competition(self.competition).recipes[name], **{k: v for k, v in given.items() if v is not None}}
        return fields.get("trained_folds") or fields.get("folds", recipe.Recipe().folds)

    def folder(self, run: str) -> Path:
        return self.root / "runs" / self.competition / run

    def has_answers(self, run: str, fold: int) -> bool:
        return (self.folder(run) / f"fold{fold}" / "valid.npy").exists()

    def finished(self, run: str, fold: int) -> bool:
        test = self.folder(run) / f"fold{fold}" / "test.npy"
        answered = test.exists() or not self.has_test() or (run, ALL) in self.rows
        return self.has_answers(run, fold) and answered

    def has_test(self) -> bool:
        index = self.root / "data" / self.competition / "prepared" / "images.csv"
        with index.open(encoding="utf-8") as file:
            return any(row["part"] == "test" for row in csv.DictReader(file))

    def pipeline(self, *words: str, limit: float) -> str | None:
        """Runs stages or a tool; what they printed, or None when the limit (seconds) ended them.

        Raises SystemExit when they failed: then there is nothing to go on with.
        """
        if limit <= 0:
            return None
        where = ["--root", str(self.root), *(["--data", str(self.data)] if self.data else [])]
        command = [sys.executable, "-P", "-m", "pipeline", self.competition, *words, *where]
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
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{printed[-2000:]}")
        return printed

    def note(self, run: str, fold: int, seconds: float, printed: str) -> None:
        """A row of results.csv, once for each fold."""
        lines = [line for line in printed.splitlines() if line.startswith(f"fold {fold}: out-of-fold score")]
        scores = {("no_tta" if "without flips" in line else "tta"): line.rsplit(" ", 1)[1] for line in lines}
        environment = store.read_json(self.folder(run) / f"fold{fold}" / "environment.json")
        row = {"run": run, "fold": str(fold), "seconds": f"{seconds:.0f}"}
        row |= {"score_at_half": scores.get("tta", ""), "score_at_half_no_tta": scores.get("no_tta", "")}
        self.rows[run, str(fold)] = row | {name: environment.get(name, "") for name in ("backend", "hardware")}
        self.write_table()
        self.say(f"{run} fold {fold}: {seconds:.0f} s, {row['score_at_half']} at .5")

    def write_table(self) -> None:
        rows = [[row.get(name, "") for name in COLUMNS] for row in self.rows.values()]
        store.write_rows(self.out / TABLE, COLUMNS, rows)

    def pack(self, name: str, runs: list[str]) -> None:
        """The archive of these runs, complete before it gets its name, and small enough."""
        part = self.out / f"{name}.part"
        for count in range(len(DISPENSABLE) + 1):
            self.write_archive(part, runs, DISPENSABLE[:count])
            if part.stat().st_size <= LARGEST:
                break
        part.rename(self.out / f"{name}.tar.xz")

    def write_archive(self, part: Path, runs: list[str], without: tuple[str, ...]) -> None:
        with tarfile.open(part, "w:xz", preset=3) as archive:
            for run in runs:
                for path in sorted(self.folder(run).rglob("*")):
                    large = path.suffix in (".h5", ".npz") and path.stat().st_size > LARGE
                    unfinished = path.parent != self.folder(run) and not (path.parent / "valid.npy").exists()
                    if path.is_file() and not large and not unfinished and path.name not in without:
                        archive.add(path, path.relative_to(self.root / "runs" / self.competition))

    def resume(self, earlier: Path) -> None:
        """Takes what an earlier call left. What is not trained any more still belongs to the result."""
        if (earlier / TABLE).exists():
            with (earlier / TABLE).open(newline="", encoding="utf-8") as file:
                self.rows = {(row["run"], row["fold"]): row for row in csv.DictReader(file)}
            self.write_table()
        for path in sorted([*earlier.glob("*.tar.xz"), *earlier.glob("*.csv")]):
            if path.name != TABLE:
                shutil.copy(path, self.out / path.name)
        for path in sorted(earlier.glob("*.tar.xz")):
            with tarfile.open(path) as archive:
                archive.extractall(self.root / "runs" / self.competition, filter="data")

    def say(self, line: str) -> None:
        print(f"{max(0, self.left() + RESERVE):5.0f} s left: {line}", flush=True)


def main(name: str | None = None, recipes: list[str] | None = None, variants: list[str] | None = None) -> None:
    """`recipes` and `variants`: where none are given on the command line."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if name is None:
        parser.add_argument("competition")
    parser.add_argument(
        "--deadline", type=recipe.seconds, required=True, help="9m, 540s: when this command must have ended"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="raw files")
    parser.add_argument("--recipe", action="append", help="repeatable, in order of importance")
    parser.add_argument("--variant", action="append", help="of the first recipe, repeatable: field=value[,field=value]")
    parser.add_argument("--resume", type=Path, help="an earlier --out")
    options, others = parser.parse_known_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        experiment = Experiment(
            name or options.competition,
            options.recipe or recipes or ["default"],
            options.variant or variants or [],
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
