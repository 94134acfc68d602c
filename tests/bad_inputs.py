"""Bad inputs of every kind against the command line: how many there are, and which are not answered.

    python -m tests.bad_inputs [--family NAME …] [--fast] [--list FILE]

Answered is: exit status 2 with one line that says what is wrong, nothing half-written, and what was there before as it
was; or exit status 0 where the input is fine after all. Everything runs in this process, on a copy of the package (some
inputs are files of it), in a scratch folder. `--fast` takes every twelfth of each family.
"""

import argparse
import importlib
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
FAMILIES = (
    "command_line",
    "our_json",
    "our_csv",
    "our_arrays",
    "submissions",
    "raw_files",
    "competition_files",
    "folders_for_new",
    "learnt",
)
FAST = 12  # `--fast` takes one of so many
MEMORY = 8 << 30  # bytes: what asks for more ends with a MemoryError instead of taking the machine along


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bad-inputs-") as scratch:
        os.environ.update(_environment(Path(scratch)))
        return _run(options, Path(scratch))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bad_inputs")
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--list", type=Path, help="also write those that are not answered here, as they come")
    return parser.parse_args()


def _environment(scratch: Path) -> dict[str, str]:
    """Nobody's home, and no credentials."""
    (scratch / "home").mkdir()
    kept = {name: "" for name in os.environ if name.startswith("KAGGLE")}
    return {"HOME": str(scratch / "home"), "TF_CPP_MIN_LOG_LEVEL": "3", **kept}


def _run(options: argparse.Namespace, scratch: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # the package that is imported from here on is the copy
    shutil.copytree(ROOT / "pipeline", scratch / "house" / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    sys.path.insert(0, str(scratch / "house"))
    from tests.bad_inputs_families import roots
    from tests.bad_inputs_families.case import keep_streams_in

    main = importlib.import_module("pipeline.__main__").main
    keep_streams_in(scratch)
    bases = roots.build(scratch, _quiet(main))
    unanswered, tried = [], 0
    for name in options.family or FAMILIES:
        started = time.monotonic()
        cases = importlib.import_module(f"tests.bad_inputs_families.{name}").cases()
        chosen = cases[::FAST] if options.fast else cases
        if any(case.base not in bases for case in chosen):
            bases["network"] = roots.build_network(scratch, bases["prepared"], _quiet(main))
        faults = []
        for case in chosen:
            line = _tried(name, case, scratch, bases, main)
            faults += [line] if line else []
            _note(options.list, line)
        unanswered += faults
        tried += len(chosen)
        seconds = time.monotonic() - started
        print(f"{name:<20}{len(chosen):>6} tried{len(chosen) - len(faults):>6} answered{seconds:>7.0f} s", flush=True)
        for line in faults:
            print(f"  {line}", flush=True)
    print(f"tried {tried}, answered {tried - len(unanswered)}")
    return 1 if unanswered else 0


def _note(path: Path | None, line: str) -> None:
    if path and line:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")


def _quiet(main):
    def run(arguments: list[str]) -> int:
        from tests.bad_inputs_families.case import Case, outcome

        found = outcome(Case("", tuple(arguments), with_root=False, patience=300), Path(arguments[-1]), main)
        if found.status:
            print(found.escaped, found.errors)
        return 1 if found.status is None else found.status

    return run


def _tried(family: str, case, scratch: Path, bases: dict[str, Path], main) -> str:
    """What is wrong with how a case was answered, as a line; blank where nothing is."""
    from tests.bad_inputs_families.case import contents, fault, outcome

    # a name of its own: what is remembered of one root is not of another
    root = Path(tempfile.mkdtemp(prefix=f"{family}-", dir=scratch)) / "root"
    shutil.copytree(bases[case.base], root)
    case.spoil(root)
    before = contents(root)
    found = outcome(case, root, main)
    mock.patch.stopall()
    said = fault(case, found, before, root)
    _forget(root.parent)
    line = f"{family} | {case.name} | {said.replace(str(root), 'ROOT').replace(str(scratch), 'SCRATCH')}"
    return " ".join(line.splitlines()) if said else ""


def _forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
