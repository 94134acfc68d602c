"""What is in the pack of a run: code, networks, thresholds, the notebook, what `read` must know of the train part."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import source
from pipeline.competition import RawData
from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.packing import answers, code, notebook, opened, packages
from pipeline.packing.kernel import slug_of
from pipeline.raw import images as checks
from pipeline.raw.remembered import Memory, Mounted, Noted, train_names
from pipeline.runs.job import Job
from pipeline.store import disk, records

NOTEBOOK = "notebook.ipynb"
LIMIT = "8h30m"  # of the nine hours that a notebook has: what comes before and after takes some, too


@dataclass(frozen=True)
class Remembered:
    """What `read` needs where no train part is.

    Attributes:
        names: of train files. memory: what it takes of them. sample: the file name of the sample submission, blank
            where there is none. packages: that read the test pictures, beyond what Kaggle surely has.
        note: what is to be said; blank where nothing is.
    """

    names: list[str]
    memory: Memory
    sample: str
    packages: list[str]
    note: str


def remembered(job: Job, folder: Path) -> Remembered:
    """Reads the raw files once, and again without the train part. Raises UserError where they cannot be read."""
    with Noted(folder) as raw:
        data = _read(job, raw)
        memory = raw.memory
        sample = _sample(raw, data)
        raw.memory = Memory()
        names = train_names(raw, data, sample)
        tests = [image for image in data.images if image.part == "test"]
        touched = map(raw.touched, evenly.some(tests or data.images, packages.LOOKED_AT))
        needed = packages.needed(raw, [name for name in touched if name])
    memory, sample = memory.only(names), (sample or "").rpartition("/")[2]
    found = Remembered(names, memory, sample, needed, "")
    return Remembered(names, memory, sample, needed, _doubt(job, folder, found, {image.id for image in tests}))


def _read(job: Job, raw) -> RawData:
    with source.of_the_user("read()"):
        data = job.competition.read(raw)
    checks.in_order(data, job.competition, raw)
    return data


def _sample(raw: Noted, data: RawData) -> str | None:
    """The file among the raw ones that holds the sample submission."""
    tables = [name for name in raw.names if name.lower().endswith(".csv")] if data.sample is not None else []
    return next((name for name in tables if raw.read(name) == data.sample), None)


def _doubt(job: Job, folder: Path, found: Remembered, tests: set[str]) -> str:
    """Why the test part is not found where it alone is mounted; blank where it is."""
    try:
        with Mounted(folder, found.names, found.memory, {found.sample}, are_there=False) as raw:
            again = {image.id for image in _read(job, raw).images if image.part == "test"}
    except UserError as error:
        again, why = None, str(error)
    else:
        why = f"{len(again & tests)} of {len(tests)} test images are found, and {len(again - tests)} others"
    if again is None or tests - again:
        return (
            f"warning: read() of {job.competition.name} wants the train part mounted beside the test part, as Kaggle "
            f"does ({why})"
        )
    return ""


def write(
    job: Job, folder: Path, found: Remembered, mixture: list[list[answers.Share]], pace: Callable[[Path], float | None]
) -> dict:
    """Writes the folder whole, or leaves what was there; returns pack.json. `pace`: seconds for a test image by what is
    packed in a folder. Raises UserError where it cannot be written."""
    with disk.whole_folder(folder) as part, disk.as_user_error(folder):
        code.copy_into(part)
        _copy_runs(job, part, mixture)
        shutil.copyfile(job.store.prepared / "prepared.json", part / opened.PREPARED)
        (part / opened.TRAIN_FILES).write_bytes(opened.packed(found.names, found.memory))
        installed = packages.put_into(part / "packages", found.packages)
        files = {
            str(path.relative_to(part)): disk.file_hash(path) for path in sorted(part.rglob("*")) if path.is_file()
        }
        content = {
            "form": opened.FORM,
            "competition": job.competition.name,
            "run": job.store.run,
            "recipe": job.recipe_name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "inputs": inputs_of(job, mixture),
            "answers": [
                [{"run": one.job.store.run, "fold": one.fold, "weight": one.weight} for one in answer]
                for answer in mixture
            ],
            "sample": found.sample,
            "size": _usual_size(job),
            "packages": installed,
            "files": files,
        }
        disk.write_json(part / opened.NAME, content)
        content["seconds_per_image"] = pace(part)
        content["own"] = _put_own(job, folder, part)
        disk.write_json(part / opened.NAME, content)
    return content


def _put_own(job: Job, folder: Path, part: Path) -> dict[str, str]:
    """Writes what may be changed by hand (the notebook, the data set's name), or takes it from the pack that stood in
    the folder where it was. Returns the fingerprints of what is written where nobody has."""
    texts = {
        NOTEBOOK: notebook.text(job.competition, LIMIT),
        "dataset-metadata.json": json.dumps(metadata(job), indent=1) + "\n",
    }
    before = _recorded(folder).get("own")
    for name, text in texts.items():
        own, written = folder / name, before.get(name) if isinstance(before, dict) else None
        if written and own.is_file() and disk.text_hash(disk.read_text(own)) != written:
            shutil.copyfile(own, part / name)
            job.say(f"{job.store.shown(own)} is yours: kept as it is")
        else:
            disk.write_text(part / name, text)
    return {name: disk.text_hash(text) for name, text in texts.items()}


def _recorded(folder: Path) -> dict:
    """The pack.json in a folder; empty where there is none, or it is damaged: then it is made again."""
    try:
        return disk.read_json(folder / opened.NAME)
    except UserError:
        return {}


def inputs_of(job: Job, mixture: list[list[answers.Share]]) -> dict:
    """What a pack is made of."""
    networks = {f"{share.job.store.run}/fold{share.fold}": _model(share) for answer in mixture for share in answer}
    return {
        "code": code.fingerprint(),
        "thresholds": records.fingerprint(job.store.thresholds),
        "prepared": job.prepared.fingerprint("train"),
        "networks": {name: records.fingerprint(path) for name, path in networks.items()},
        "weights": [[share.weight for share in answer] for answer in mixture],
    }


def metadata(job: Job) -> dict:
    """dataset-metadata.json, as Kaggle's client wants it: a title of 6 to 50 letters, and an address of 3 to 50 that no
    other run has."""
    title = f"{job.competition.name} {job.store.run} pack"[:50].ljust(6, ".")
    address = slug_of(job.competition.name, job.store.run, "pack")
    owner = os.environ.get("KAGGLE_USERNAME") or "INSERT_USERNAME_HERE"
    return {"title": title, "id": f"{owner}/{address}", "licenses": [{"name": "other"}]}


def _copy_runs(job: Job, part: Path, mixture: list[list[answers.Share]]) -> None:
    """Recipes, thresholds and networks, each with its record, where a project's root has them."""
    shares = [share for answer in mixture for share in answer]
    paths = {
        job.store.recipe,
        job.store.thresholds,
        *(share.job.store.recipe for share in shares),
        *map(_model, shares),
    }
    for path in sorted(paths):
        for one in (path, records.record_path(path)):
            if one.exists():
                target = part / one.relative_to(job.store.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one, target)


def _model(share: answers.Share) -> Path:
    return share.job.store.model_file(share.fold)


def _usual_size(job: Job) -> list[int]:
    """Height and width that most images have."""
    sizes = zip(job.prepared.columns["height"].tolist(), job.prepared.columns["width"].tolist(), strict=True)
    return list(Counter(sizes).most_common(1)[0][0])


def is_current(job: Job, folder: Path, mixture: list[list[answers.Share]]) -> bool:
    """Whether the pack in a folder is of what there is now."""
    return (folder / NOTEBOOK).exists() and _recorded(folder).get("inputs") == inputs_of(job, mixture)


def refuse_taken(folder: Path) -> None:
    """Raises UserError for a folder that holds something else than a pack."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / opened.NAME).exists())):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
        raise UserError(f"{folder} is there and no pack ({shown(names, 3)}); move it away, or name another: --to DIR")
