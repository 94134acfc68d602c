"""A run to be learnt on Kaggle -> a folder that its client pushes: kernel-metadata.json and a notebook of three cells.

The code travels within the notebook, for a kernel is one source file: whoever has the notebook has all of it but the
data, and a version of it is a version of the code. What is larger than a notebook may be (pretrained weights) is a
private data set.
"""

import base64
import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

from pipeline import recipe as recipes
from pipeline import source
from pipeline.errors import UserError
from pipeline.packing import code, notebook, session
from pipeline.runs.job import Job
from pipeline.store import disk, records

NOTEBOOK = "notebook.ipynb"
LARGEST = 1_000_000  # bytes of a notebook's source that Kaggle takes
LONGEST = 50  # letters of its title
GPU = "NvidiaTeslaT4"  # two of them; a P100, which Kaggle gives where none is named, is too old for its own packages

UNPACK = """\
import base64, io, sys, tarfile

PACKED = "{packed}"
with tarfile.open(fileobj=io.BytesIO(base64.b64decode(PACKED)), mode="r:xz") as archive:
    archive.extractall("{folder}", filter="data")
sys.path.insert(0, "{folder}")"""

LEARN = """\
from pipeline.packing import session

session.learn("/kaggle/input", "/kaggle/working", "/tmp/segmentation")"""

CODE = "/tmp/segmentation-code"


def slug_of(*words: str) -> str:
    """A notebook's name in its address, of at most LONGEST letters. A longer one, or one of other letters than an
    address has, ends in a fingerprint of the whole: two runs are never versions of one notebook."""
    whole = "-".join(words)
    found = re.sub(r"[^a-z0-9]+", "-", whole.lower()).strip("-")
    if found == whole and len(found) <= LONGEST:
        return found
    return f"{found[: LONGEST - 9].rstrip('-')}-{disk.text_hash(whole)[:8]}"


def write(folder: Path, kernel: str, job: Job, pretrained: dict | None) -> str:
    """Writes the two files into a folder; returns the fingerprint of what is packed.

    Args:
        kernel: `USER/SLUG`. pretrained: weights, as `session.Session` has them.
    Raises:
        UserError: the notebook would be larger than Kaggle takes.
    """
    told, tables = _told(job, pretrained), _tables(job)
    files = {path.as_posix(): (source.PACKAGE.parent / path).read_bytes() for path in code.files()}
    files |= {f"folds/{path.name}": path.read_bytes() for path in tables}
    pack = disk.text_hash(json.dumps(told, sort_keys=True), *(f"{name} {content!r}" for name, content in files.items()))
    files[session.TOLD] = json.dumps({**told, "pack": pack}).encode()
    packed = base64.b64encode(_archive(files)).decode()
    unpack = UNPACK.format(packed=packed, folder=CODE)
    text = notebook.of([unpack, LEARN], _about(job))
    if len(text) > LARGEST:
        raise UserError(
            f"the notebook would have {len(text) / 1e6:.2f} MB, and Kaggle takes {LARGEST / 1e6:g}: its fold tables "
            f"have {sum(path.stat().st_size for path in tables) / 1e6:.2f} MB, the package "
            f"{sum(map(len, files.values())) / 1e6:.2f} before packing; take out what you added"
        )
    (folder / NOTEBOOK).write_text(text, encoding="utf-8")
    (folder / "kernel-metadata.json").write_text(
        json.dumps(_metadata(kernel, job, pretrained), indent=1), encoding="utf-8"
    )
    return pack


def _told(job: Job, pretrained: dict | None) -> dict:
    """What `session.Session` is told."""
    # where the weights lie there, only the session knows
    recipe = replace(job.recipe, weights=job.named_recipe.weights) if pretrained else job.recipe
    words = [job.competition.name, "--run", job.store.run, "--recipe", job.recipe_name]
    words += recipes.words(recipe, job.named_recipe)
    words += ["--on-bad-image", "empty" if job.stands_in else "refuse"]
    words += [word for fold in job.folds for word in ("--fold", str(fold))]
    return {
        "competition": job.competition.name,
        "run": job.store.run,
        "words": words,
        "folds": job.folds_file.name,
        "data": {kind: job.prepared.fingerprint(kind) for kind in session.KINDS},
        "fold_table": job.fold_table.fingerprint(),
        "earlier": job.continue_from,
        "pretrained": pretrained,
        "code": code.fingerprint(),
    }


def _tables(job: Job) -> list[Path]:
    """The files of folds/ that travel: the fold table, its record, and groups of one's own."""
    table = job.folds_file
    return [path for path in (table, records.record_path(table), job.store.own_groups) if path.exists()]


def _about(job: Job) -> str:
    """The notebook's first cell, for people."""
    fields = " ".join(recipes.words(job.recipe, job.named_recipe)) or "none"
    return (
        f"# {job.competition.title}\n\n"
        f"Run `{job.store.run}`: recipe `{job.recipe_name}`, fields that differ: {fields}.\n\n"
        "The next cell unpacks the code and the folds; the last one learns every fold, predicts, tunes, writes the "
        "submission and a report (`runs/`, `submissions/`)."
    )


def _archive(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files, whenever they were written."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _metadata(kernel: str, job: Job, pretrained: dict | None) -> dict:
    """https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels_metadata.md"""
    # a competition's files are its own, or a data set's; of what draws its own there are none
    slug = job.competition.slug
    datasets = [pretrained["dataset"]] if pretrained else []
    return {
        "id": kernel,
        # of which Kaggle makes the slug again
        "title": kernel.partition("/")[2].replace("-", " "),
        "code_file": NOTEBOOK,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": GPU,
        "competition_sources": [slug] if slug and "/" not in slug else [],
        "dataset_sources": [*datasets, *([slug] if "/" in slug else [])],
        "kernel_sources": [job.continue_from] if job.continue_from else [],
        "model_sources": [],
    }
