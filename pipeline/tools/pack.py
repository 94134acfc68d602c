"""--run R [--to DIR] -> a data set for Kaggle: a finished run, and the notebook that answers the hidden test.

    ./run.sh tgs pack --run quick                     into runs/tgs/quick/pack/
    ./run.sh tgs pack --run quick --to ~/tgs-quick    elsewhere
    kaggle datasets create -p runs/tgs/quick/pack --dir-mode zip

The folder holds the code, the run's networks, thresholds and recipe, what `read` must know of the train files, and
`notebook.ipynb`: three cells, which need no internet and install nothing. A blend is packed with the networks of its
runs; of predictions that another program made there are none, and the error says so. `rehearse` tries all of it.
"""

from pathlib import Path

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.inference import ensemble, whole
from pipeline.packing import answers, contents
from pipeline.packing.opened import Pack
from pipeline.runs.identity import absolute
from pipeline.runs.job import Job

MIB = 1 << 20


def run(job: Job | None, words: list[str], to: Path | None = None) -> int:
    """Writes the pack, whole, and says what it is. Returns 0. Raises UserError naming what a run lacks."""
    if job is None or words:
        raise UserError("pack wants a competition and a run: ./run.sh tgs pack --run R [--to DIR]")
    make(job, absolute(to) if to else job.store.run_folder / "pack")
    return 0


def make(job: Job, folder: Path) -> dict:
    """The pack's pack.json."""
    contents.refuse_taken(folder)
    order.bring_up_to_date(job, "tune")
    mixture = answers.of(job)
    raw = job.raw_folder()
    if raw is None:
        raise UserError(
            "pack reads once more how the raw files lie, and there are none; name their folder with --data DIR"
        )
    found = contents.remembered(job, raw)
    if found.note:
        job.say(found.note)
    content = contents.write(job, folder, found, mixture, lambda part: _pace(job, part))
    _say(job, folder, content)
    return content


def _pace(job: Job, folder: Path) -> float:
    """Seconds for a test image on this machine; where there is no test part, for one that was learnt."""
    prepared = job.prepared
    rows = prepared.test if len(prepared.test) else prepared.train
    return ensemble.seconds_for(whole.ensemble_of(Pack(folder, job.competition)), prepared, rows)


def _say(job: Job, folder: Path, content: dict) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    networks = {(part["run"], part["fold"]) for answer in content["answers"] for part in answer}
    seconds = content["seconds_per_image"]
    job.say(
        f"{job.store.shown(folder)}/: {size / MIB:.1f} MB in {len(content['files'])} files, {len(networks)} network(s)"
    )
    if content["packages"]:
        job.say(f"packages that Kaggle's image may lack: {', '.join(content['packages'])}")
    job.say(f"{seconds:.3g} s for a test image on this machine: {seconds * 10000 / 3600:.2g} hours for 10,000")
    job.say(
        f"upload: kaggle datasets create -p {job.store.shown(folder)} --dir-mode zip (its owner: dataset-metadata.json)"
    )
    job.say(f"before: ./run.sh {job.competition.name} rehearse --run {job.store.run}")
