"""Our scores against those of MLE-bench's graders (openai/mle-bench), on submissions that are drawn.

    python -m benchmarks.graders CHECKOUT                  (a minute; CHECKOUT holds mlebench/)
    python -m benchmarks.graders CHECKOUT --seed 7         (other submissions)
    python -m benchmarks.graders CHECKOUT --keep DIR       (the csv files stay there)

For each of their competitions with masks a truth is drawn, and answers to it, right, wrong and nearly right. We write,
validate and score them; their grader, imported from CHECKOUT, reads and scores the same files. Where scores differ and
a reason is known, the files are scored once more under it: then both must agree. Exit status 1 where they do not.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.graders import drawn, theirs
from benchmarks.graders.cases import Case, Rules, cases
from pipeline.store import answer_file, disk, submission
from pipeline.store.submission import Expected
from pipeline.tasks.scoring import Tally

EXACT = 1e-9


@dataclass
class Compared:
    """Attributes: differences: of our scores and theirs, of each submission both scored; explained: the same under the
    reason; refused: what their grader said of the others."""

    differences: list[float] = field(default_factory=list)
    explained: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def largest(self) -> float:
        return max(self.differences, default=0.0)

    @property
    def agrees(self) -> bool:
        return not self.refused and self.largest <= EXACT

    @property
    def is_explained(self) -> bool:
        return not self.refused and bool(self.explained) and max(self.explained) <= EXACT


def compare(case: Case, grade, folder: Path, seed: int) -> Compared:
    """Writes the csv files of a case into `folder`, and compares the scores of each submission."""
    from tqdm import tqdm

    random = np.random.default_rng((seed, *case.name.encode()))
    masks = drawn.truth(random, list(case.sizes.values()), case.ours.task.layers, case.empty)
    expected = _expected(case)
    truth, answers = folder / "truth.csv", folder / "answers.csv"
    _write(truth, case.ours, expected, masks)
    _write_answers(answers, case, submission.read_csv(truth, case.ours.form))
    found = Compared()
    submissions = drawn.answers(random, masks)
    bar = tqdm(submissions, desc=case.name, total=drawn.SUBMISSIONS, disable=not sys.stderr.isatty(), delay=1)
    for number, found_masks in enumerate(bar):
        path = folder / f"submission{number:02}.csv"
        _write(path, case.ours, expected, found_masks)
        answer_file.validate(path, case.ours.form, expected)
        other = theirs.score(grade, path, answers)
        if isinstance(other, str):
            found.refused.append(other)
            continue
        found.differences.append(abs(our_score(case.ours, path, truth, expected) - other))
        if case.theirs:
            found.explained.append(abs(our_score(case.theirs, path, truth, expected) - other))
    return found


def our_score(rules: Rules, path: Path, truth: Path, expected: Expected) -> float:
    """The competition's score of a csv, as `report` computes it where the truth of the test part is known."""
    pairs = [
        (rules.taken_for(found, true), true)
        for found, true in zip(_read(path, rules, expected), _read(truth, rules, expected), strict=True)
    ]
    if rules.official is None:
        return Tally(rules.metric, np.stack([rules.metric.statistic(rules.task, *pair) for pair in pairs])).score()
    units = defaultdict(list)
    for name, pair in zip(expected.ids, pairs, strict=True):
        units[rules.official.unit_of(name, "")].append(pair)
    stacked = [[np.stack(side) for side in zip(*members, strict=True)] for members in units.values()]
    return Tally(rules.official, np.stack([rules.official.statistic(rules.task, *unit) for unit in stacked])).score()


def _read(path: Path, rules: Rules, expected: Expected):
    return submission.decoded(submission.read_csv(path, rules.form), rules.form, expected, rules.task, str(path))


def _expected(case: Case) -> Expected:
    heights, widths = np.array(list(case.sizes.values())).T
    return Expected(list(case.sizes), heights, widths, case.ours.task.classes)


def _write(path: Path, rules: Rules, expected: Expected, masks: list[np.ndarray]) -> None:
    """A csv as `submit` writes it, of masks H x W x layers."""
    rows = [
        row
        for name, mask in zip(expected.ids, masks, strict=True)
        # labels of any task: what is not 0 is the class, also where shares of 255 are labels
        for row in submission.rows_of(
            name, rules.task.texts(rules.form.turned(mask * np.uint8(255))), rules.form, rules.task.classes
        )
    ]
    disk.write_rows(path, rules.form.columns, rows)


def _write_answers(path: Path, case: Case, truth: submission.Table) -> None:
    """The truth as their `prepare` leaves it: with sizes, and under its own name for the run lengths."""
    form = case.ours.form
    column, height, width = case.columns
    names = [column if name == form.rle_column else name for name in truth.columns]
    sizes = [case.sizes[name] for name in truth[form.id_column]]
    rows = [[*row, *(size if height else ())] for row, size in zip(truth.rows, sizes, strict=True)]
    disk.write_rows(path, [*names, *((height, width) if height else ())], rows)


def row(case: Case, found: Compared) -> str:
    """Of the table that is printed."""
    largest = f"{found.largest:.1g}" if found.differences else "-"
    if found.refused:
        said = f"{len(found.refused)} not scored by theirs: {found.refused[0]}"
    elif found.agrees:
        said = "agree"
    elif found.is_explained:
        said = f"{case.reason}: then {max(found.explained):.1g}"
    else:
        said = "NOT EXPLAINED"
    return f"| {case.name} | {len(found.differences)} | {largest} | {said} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.graders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("checkout", type=Path, help="a folder with mlebench/ in it")
    parser.add_argument("--seed", type=int, default=0, help="other submissions")
    parser.add_argument("--keep", type=Path, help="where the csv files stay; otherwise they are thrown away")
    options = parser.parse_args(arguments)
    there = [case for case in cases() if theirs.path_of(options.checkout, case.folder).is_file()]
    if not there:
        parser.error(f"{options.checkout} holds no mlebench/competitions/…/grade.py of ours; is it openai/mle-bench?")
    for name in sorted({case.folder for case in cases()} - {case.folder for case in there}):
        print(f"{name} is not in {options.checkout}; left out")
    failed = []
    with tempfile.TemporaryDirectory() as temporary, theirs.importable(options.checkout.resolve()) as said:
        print(*said, "", "| task | n | largest difference | |", "|---|---|---|---|", sep="\n")
        for case in there:
            folder = (options.keep or Path(temporary)) / case.name.replace(" ", "-").replace(",", "")
            folder.mkdir(parents=True, exist_ok=True)
            found = compare(case, theirs.grader(case.folder), folder, options.seed)
            print(row(case, found), flush=True)
            failed += [] if found.agrees or found.is_explained else [case.name]
    if failed:
        raise SystemExit(f"error: {', '.join(failed)}: scores differ, and no known reason explains it")


if __name__ == "__main__":
    main()
