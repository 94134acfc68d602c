"""Folds of one recipe after the other until a deadline, on a machine that is lent for minutes.

    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT --recipe unet2015 --recipe default
    python -m benchmarks.deadline isbi2012 --data DIR --deadline 9m --out OUT2 --resume OUT --recipe …    (goes on)
    python -m benchmarks.deadline tgs --data DIR --deadline 9m --out OUT --recipe default --variant width=48

Order: every fold of each recipe; then the variants of the first recipe on its fold 0, compared with it image by image
(`ablate`); then the other folds of the variant that gained most, if one gained more than a standard error and more than
another seed (a variant `seed=…`) did. That one is chosen by its fold 0: only its other folds are an honest score.

What is finished is in OUT whenever the command ends or is killed, in few files: `results.csv` (a row per fold, and one
per finished recipe), `ablation.csv`, `log.txt`, archives of the finished folds (see `benchmarks.archive`) and, when
every fold is there, `<competition>-<recipe>.csv`, the submission. `--resume` takes an earlier OUT, so that several
short calls make one experiment. Options of the pipeline that are not known here are given to every training (`--epochs
1 --steps 2` for a rehearsal).
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import archive
from pipeline import recipe
from pipeline.command.names import competition
from pipeline.command.options import parse
from pipeline.errors import UserError
from pipeline.runs import identity, variants
from pipeline.store import disk

ROOT = Path(__file__).parents[1]
COLUMNS = ["run", "fold", "seconds", "score_at_half", "score_at_half_no_tta", "out_of_fold", "cross_fitted"]
COLUMNS += ["standard_error", "n", "backend", "hardware"]
RESERVE = 20  # seconds kept for packing and for the last stages
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
        self.check()
        if self.pipeline("split", *self.named(self.recipes[0]), limit=self.left()) is None:
            raise SystemExit("the deadline is over before the data is prepared")
        for name in self.recipes:
            self.run_folds(name, self.named(name), range(self.folds(name)))
        if self.variants and self.has_answers(self.recipes[0], 0):
            winner = self.compare()
            if winner:
                self.run_folds(winner, ["--run", winner], range(self.folds(self.recipes[0])))

    def check(self) -> None:
        """Ends the command where a recipe or variant cannot be, before anything is trained."""
        try:
            base, *_ = [self.resolved(name) for name in self.recipes]
            variants.parse(tuple(self.variants), base)
            if self.variants and base.budget:
                raise UserError(
                    "--budget picks other epochs for each variant: give --epochs, or leave out the variants"
                )
        except UserError as error:
            raise SystemExit(f"error: {error}") from error

    def resolved(self, name: str) -> recipe.Recipe:
        """A recipe with the options for every training. Raises UserError."""
        given = vars(parse([self.competition, *self.options]))
        fields = {key: given[key] for key in recipe.to_json(recipe.Recipe()) if given[key] is not None}
        return identity.resolve_run(competition(self.competition), self.root, None, name, fields)[2]

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
        if self.left() <= self.known_seconds(run):
            return False
        started = time.monotonic()
        # of a variant that an earlier call trained, weights that were too large did not come along
        again = ["--again"] if self.has_answers(run, fold) and not self.has_weights(run, fold) else []
        printed = self.pipeline("train", "predict", "--fold", str(fold), *again, *options, limit=self.left())
        if printed is None:
            return False
        self.note(run, fold, time.monotonic() - started, printed)
        archive.add_fold(self.out, run, self.folder(run) / f"fold{fold}")
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
        found = disk.read_json(self.folder(run) / "thresholds.json")
        error = found["standard_error"] or 0
        rows = [self.rows[run, str(fold)] for fold in range(count) if (run, str(fold)) in self.rows]
        seconds, first = sum(float(row["seconds"]) for row in rows), rows[0]
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
        archive.conclude(self.out, run, self.folder(run))
        self.say(f"{run}: {found['metric']}, cross-fitted {found['cross_fitted']} ± {error:.4f}, n {found['n']}")
        for name in found["by_fold"][0].get("also", {}):
            values = [entry["also"][name] for entry in found["by_fold"]]
            self.say(f"{run}: {name}: mean of folds {sum(values) / len(values):.4f}, {values}")

    def compare(self) -> str | None:
        """The variants on fold 0, one more each time; the run that gained most, or None where none gained."""
        base, known = self.recipes[0], {row["variant"] for row in self.compared()}
        done = [variant for variant in self.variants if variant in known]
        for variant in [variant for variant in self.variants if variant not in known]:
            # what is known of the base is the least that a larger one needs
            if self.left() <= self.known_seconds(base) or not self.add_variant(base, done, variant):
                self.say(f"no time for {variant}")
                continue
            done.append(variant)
        return self.winner()

    def add_variant(self, base: str, done: list[str], variant: str) -> bool:
        """Trains a variant and writes the table with it; False where the time is too short."""
        words = ["ablate", "--fold", "0", *self.named(base), "--fields", *done, variant]
        if self.pipeline(*words, limit=self.left()) is None:
            return False
        shutil.copy(self.folder(base) / ABLATION, self.out / ABLATION)
        row = self.compared()[-1]
        archive.add_fold(self.out, VARIANTS, self.folder(row["run"]) / "fold0")
        gain, error = (f"{float(row[name]):.4f}" if row[name] else "?" for name in ("gain", "gain_error"))
        self.say(f"{variant}: {gain} ± {error}, {row['verdict']}")
        return True

    def winner(self) -> str | None:
        """The run that gained most, more than its standard error and than chance: what other seeds gained."""
        rows = self.compared()[1:]
        seeds = [abs(float(row["gain"])) for row in rows if row["variant"].startswith("seed=") and row["gain"]]
        gained = [row for row in rows if row["verdict"] == "gains" and not row["variant"].startswith("seed=")]
        gained = [row for row in gained if float(row["gain"]) > max(seeds, default=0.0)]
        return max(gained, key=lambda row: float(row["gain"]))["run"] if gained else None

    def compared(self) -> list[dict]:
        path = self.out / ABLATION
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def folds(self, name: str) -> int:
        """How many this recipe trains."""
        resolved = self.resolved(name)
        return resolved.trained_folds or resolved.folds

    def folder(self, run: str) -> Path:
        return self.root / "runs" / self.competition / run

    def has_answers(self, run: str, fold: int) -> bool:
        return (self.folder(run) / f"fold{fold}" / "valid.npy").exists()

    def has_weights(self, run: str, fold: int) -> bool:
        folder = self.folder(run) / f"fold{fold}"
        return any(folder.glob("model.*"))

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
        scores = {("no_tta" if "not averaged" in line else "tta"): line.rsplit(" ", 1)[1] for line in lines}
        environment = disk.read_json(self.folder(run) / f"fold{fold}" / "environment.json")
        row = {"run": run, "fold": str(fold), "seconds": f"{seconds:.0f}"}
        row |= {"score_at_half": scores.get("tta", ""), "score_at_half_no_tta": scores.get("no_tta", "")}
        self.rows[run, str(fold)] = row | {name: environment.get(name, "") for name in ("backend", "hardware")}
        self.write_table()
        self.say(f"{run} fold {fold}: {seconds:.0f} s, {row['score_at_half']} at .5")

    def write_table(self) -> None:
        rows = [[row.get(name, "") for name in COLUMNS] for row in self.rows.values()]
        disk.write_rows(self.out / TABLE, COLUMNS, rows)

    def resume(self, earlier: Path) -> None:
        """Takes what an earlier call left. What is not trained any more still belongs to the result."""
        if (earlier / TABLE).exists():
            with (earlier / TABLE).open(newline="", encoding="utf-8") as file:
                self.rows = {(row["run"], row["fold"]): row for row in csv.DictReader(file)}
            self.write_table()
        for path in sorted([*earlier.glob(f"*{archive.ENDING}"), *earlier.glob("*.csv")]):
            if path.name != TABLE:
                shutil.copy(path, self.out / path.name)
        for path in sorted(earlier.glob(f"*{archive.ENDING}")):
            archive.unpack(path, self.root / "runs" / self.competition)

    def say(self, line: str) -> None:
        print(f"{max(0, self.left() + RESERVE):5.0f} s left: {line}", flush=True)


def duration(text: str) -> float:
    """`9m` or `540s` in seconds."""
    try:
        return recipe.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(name: str | None = None, recipes: list[str] | None = None, variants: list[str] | None = None) -> None:
    """`recipes` and `variants`: where none are given on the command line."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if name is None:
        parser.add_argument("competition")
    parser.add_argument("--deadline", type=duration, required=True, help="9m, 540s: when this command must have ended")
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
