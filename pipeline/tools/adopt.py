"""DIR --run NAME -> a run of another program's predictions: tuned, scored, reported, submitted like any other.

    ./run.sh tgs adopt ~/preds --run theirs                     oof.npz and test.npz, each of predictions and ids
    ./run.sh tgs adopt ~/preds --run theirs --logits            values before the sigmoid or softmax
    ./run.sh tgs adopt ~/preds --run theirs --fit pad           at the network's size: padding, or resizing, is undone
    ./run.sh tgs adopt ~/nnunet/Dataset001 --run nnunet --names cases.csv
    ./run.sh tgs adopt oof.npz --run half                       one file: tuned and scored, without a submission

DIR holds out-of-fold predictions of the train images, and perhaps predictions of the test images: in one file each, or
one for each fold (oof_fold0.npz, fold_0/validation/*.npz); arrays (npz, h5, npy beside ids) or pictures called as their
images are (PNG, TIFF). Values are floats from 0 to 1, uint8, uint16 of full range, or logits; of objects also maps of
numbers with scores. What is taken for what is said in a line; what is not told by the files is refused with the option
that tells it.

Each image's out-of-fold prediction must be of the fold that folds/<c>.csv holds it out in. Whether a network has really
never seen it, files cannot tell: what makes one doubt it is said. The run holds to these folds and these images: when
they change, it is refused, as one that was trained here is.
"""

import contextlib
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.command import order
from pipeline.errors import UserError, shown
from pipeline.runs import adopted, brought, trained
from pipeline.runs.identity import absolute
from pipeline.runs.job import Job
from pipeline.stages import predict
from pipeline.store import disk

EXAMPLE = "./run.sh tgs adopt DIR --run NAME"
# fields of a recipe that say something of predictions
_SAID = ("folds", "split", "tta")


def run(
    job: Job | None,
    words: list[str],
    logits: bool = False,
    names: Path | None = None,
    channels: str = "",
    fit: str = "",
) -> int:
    """Checks everything, writes the run, and does what comes after training. Returns 0.

    Raises UserError for what cannot be a run, before anything is written.
    """
    if job is None or len(words) != 1:
        raise UserError(f"adopt wants a competition, a folder (or file) and a name for the run: {EXAMPLE}")
    _check_options(job)
    folder = absolute(Path(words[0]))
    if not folder.exists():
        raise UserError(f"{folder} is not there; name the folder or the file of predictions")
    given = {"logits": logits, "names": str(absolute(names)) if names else "", "channels": channels, "fit": fit}
    _adopt(job, folder, given)
    job = adopted.job_of(replace(job), fit)
    order.bring_up_to_date(job, "report")
    if not trained.can_answer(job):
        job.say("no test predictions: the submission is left out")
    for line in adopted.doubts(disk.read_json(job.store.thresholds)):
        job.say(f"warning: {line}")
    return 0


def _check_options(job: Job) -> None:
    """Raises UserError for a run without a name of its own, and for options that would do nothing."""
    if not job.has_own_name:
        raise UserError(f"adopt wants a name for the run that is no recipe's: {EXAMPLE}")
    odd = [field for field in recipes.differences(job.recipe, job.named_recipe) if field not in _SAID]
    if adopted.read(job.store) is None and any(job.store.run_folder.glob("[!.]*")):
        raise UserError(f"run '{job.store.run}' is there, and was not adopted; give another --run NAME")
    if odd:
        raise UserError(f"{recipes.option(odd[0])} is of training, and another program did that; leave it out")
    if job.folds:
        raise UserError("--fold is of train and predict: the folds adopted are those that are there; leave it out")


def _adopt(job: Job, folder: Path, given: dict) -> None:
    """Writes the run, unless it is there and was made of the same."""
    from pipeline.adoption import parts, whole
    from pipeline.raw.files import RawFiles

    with contextlib.ExitStack() as stack:
        is_file = folder.is_file()
        found = parts.of_file(folder) if is_file else parts.of_folder(stack.enter_context(RawFiles(folder)))
        for line in found.notes:
            job.say(line)
        order.bring_up_to_date(job, "split")
        job = adopted.job_of(replace(job), given["fit"])
        content = _origin(job, folder, given, found)
        if _is_adopted(job, content["fingerprint"]):
            return
        table = job.fold_table
        taken = whole.taken(found, job.prepared, table, job.competition.task, job.store.shown(job.folds_file), given)
        taken.refuse_turned()
        content |= {"assumed": [*found.notes, *taken.notes], "warnings": taken.warnings(job.competition.metric)}
        for line in [*taken.notes, *(f"warning: {line}" for line in content["warnings"])]:
            job.say(line)
        _write_run(job, taken, content)
    tests = f", test predictions of {shown(taken.plan.test, 10)}" if taken.plan.test else ""
    folds = shown(sorted(taken.plan.valid), 10)
    job.say(f"{job.store.shown(job.store.run_folder)}: out-of-fold predictions of fold {folds}{tests}")


def _is_adopted(job: Job, fingerprint: str) -> bool:
    """Whether the run is there, of the same files and options. Raises UserError where it is of others, unless it is to
    be replaced."""
    known = adopted.read(job.store)
    if known is None or job.again:
        return False
    if known.get("fingerprint") != fingerprint:
        raise UserError(
            f"run '{job.store.run}' was adopted from {known.get('from')}, other files or options; give another "
            "--run NAME, or --again to replace it"
        )
    job.say(f"run '{job.store.run}' was adopted from these files already (--again adopts them anew)")
    trained.check(job)
    return True


def _origin(job: Job, folder: Path, given: dict, found) -> dict:
    """What adopted.json holds before anything is converted."""
    from pipeline.tasks.ahead import in_order

    paths = sorted({path for part in found.parts for path in part.files})
    paths += [Path(given["names"])] if given["names"] else []
    base = folder if folder.is_dir() else folder.parent
    hashes = {
        str(path.relative_to(base)) if path.is_relative_to(base) else str(path): value
        for path, value in zip(paths, in_order(disk.file_hash, paths, "hash"), strict=True)
    }
    said = {name: value for name, value in given.items() if value and name != "names"}
    return {
        "from": str(folder),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(job, folder, given),
        "options": {name: value for name, value in given.items() if value},
        "fingerprint": disk.text_hash(*said.items(), *hashes.items()),
        "files": hashes,
    }


def _command(job: Job, folder: Path, given: dict) -> str:
    words = ["./run.sh", job.competition.name, "adopt", str(folder), "--run", job.store.run]
    words += ["--folds", str(job.recipe.folds)]
    words += ["--split", job.recipe.split] if job.recipe.split else []
    for name, value in given.items():
        words += [f"--{name}"] if value is True else [f"--{name}", value] if value else []
    return shlex.join(words)


def _write_run(job: Job, taken, content: dict) -> None:
    def answers(pictures: list) -> brought.Answers:
        return brought.Answers(len(pictures), lambda: taken.converted(pictures))

    valid, test = (
        {fold: answers(found) for fold, found in part.items()} for part in (taken.plan.valid, taken.plan.test)
    )
    brought.write(job, content, valid, test, predict.inputs_of, "adopt")
