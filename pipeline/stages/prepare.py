"""raw files -> data/<c>/prepared/: images.npy labels.npy images.csv prepared.json (and truth.npy, the sample).

Every picture is decoded once, by all cores, into one flat file.
"""

from pathlib import Path

from pipeline import source
from pipeline.competition import Competition
from pipeline.errors import UserError, shown
from pipeline.raw import images as checks
from pipeline.raw import reader, tables, values
from pipeline.raw.decoding import Decoding
from pipeline.raw.files import RawFiles, content_of, fingerprints
from pipeline.raw.organisers import Organisers
from pipeline.raw.written import Written
from pipeline.runs import drawn
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.store.disk import atomic

READS = ("download",)
FORM = 2  # of the prepared files: another number has them made again


def needs(job: Job) -> tuple[str, ...]:
    """The modules without which nothing works; later stages read what this one writes."""
    return ("numpy", "pandas", "cv2", "tqdm")


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.prepared


def is_current(job: Job) -> bool:
    """Raises UserError where the competition's file reads in another way than it did, and there are no raw files."""
    done, folder = job.store.prepared / "prepared.json", job.raw_folder()
    state = _state(job, done, folder)
    if state == "yours":
        job.say(f"{job.store.shown(done)} was not written by us: used as it is")
    if state == "current" and job.on_bad_image == "refuse" and disk.read_json(done).get("bad"):
        # asked for by name: what stands in for pictures that cannot be read is not taken for them
        state = "stale"
    if state == "stale" and folder is None:
        raise UserError(
            f"{job.store.shown(done.parent)} was made by another read(), group= or labels= than "
            f"{reader.file_of(job.competition)} has now; name the raw files with --data DIR to have them read again"
        )
    return state in ("current", "yours")


def _state(job: Job, done: Path, folder: Path | None) -> str:
    """As `records.state`; without raw files by what can be known without them."""
    wanted, record = inputs_of(job.competition, folder), records.read_record(done)
    if record and "code" not in record["inputs"]:
        # of an earlier version, which did not keep the competition's own code apart
        wanted = {name: value for name, value in wanted.items() if name in ("raw", "form")}
        job.say(f"{job.store.shown(done.parent)} is of an earlier version: whether its read() was edited is not known")
    saved = record["inputs"] if record else {}
    other = [name for name, value in wanted.items() if saved.get(name) != value]
    if record and other == ["identity"] and saved.get("content") == content_of(folder):
        # a copy, or files that were touched: what is in them is the same, and need not be read again next time
        records.update(done, {**saved, "identity": wanted["identity"]})
        return "current"
    return "current" if record and not other else records.state(done, wanted)


def inputs_of(competition: Competition, folder: Path | None) -> dict:
    """What the prepared data depends on: the raw files, the files of ours that read them (both only where there are
    raw files), and the competition's own code."""
    own = {"code": reader.own_code(competition), "form": FORM}
    return {**fingerprints(folder), "reader": reader.shared_code(competition), **own} if folder else own


def run(job: Job, named: bool = False) -> None:
    folder = job.raw_folder()
    if folder is None:
        raise UserError(
            f"no raw files in {job.store.shown(job.store.raw)}; name their folder with --data DIR, or run the stage "
            "'download'"
        )
    inputs = {**inputs_of(job.competition, folder), "content": content_of(folder)}
    done = job.store.prepared / "prepared.json"
    if records.state(done, inputs) == "yours" and not job.again:
        job.say(f"{job.store.shown(done)} is yours: kept (--again replaces it)")
        return
    with RawFiles(folder) as raw:
        info = convert(job.competition, raw, job.store.prepared, inputs, job.stands_in)
    for note in info["notes"]:
        job.say(f"warning: {note}")
    job.say(
        f"{info['train']} train and {info['test']} test images, {info['channels']} channel(s) of {info['dtype']}, "
        f"{info['empty']:.1%} of the train images are empty"
    )
    for line in _of_values(info):
        job.say(line)


def _of_values(info: dict) -> list[str]:
    """What people must know of images of other values than 0 to 255."""
    if "scaling" not in info:
        return []
    lines = ["float32 takes twice the disk of 16 bits, which would lose levels"] if info["dtype"] == "float32" else []
    low, high = info["scaling"]["low"], info["scaling"]["high"]
    if info["dtype"] != "uint8":
        ends = [f"{a:.4g} to {b:.4g}" for a, b in zip(low, high, strict=True)]
        lines += [f"seen as 0 to 1 is where nearly all values of the train images lie: {shown(ends, 4)}"]
    if "nodata" in info:
        lines += [f"nodata: {info['nodata']:.1%} of the train pixels are not learnt, and are answered with nothing"]
    return lines


def convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict, stands_in: bool = False) -> dict:
    """Writes the prepared folder from raw files, and in the end exchanges it whole: a folder that cannot be read leaves
    what was prepared before. `stands_in`: a black picture stands for a test picture that cannot be read. Returns the
    content of prepared.json. Raises UserError."""
    with disk.whole_folder(folder) as part:
        try:
            return _convert(competition, raw, part, inputs, stands_in)
        except checks.WrongKind as error:
            raise UserError(f"{reader.file_of(competition)}: {error}") from error


def _convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict, stands_in: bool) -> dict:
    with source.of_the_user("read()"):
        data = competition.read(raw)
    is_drawn = raw is not None and raw.one(drawn.MARK) is not None
    images = checks.in_order(data, competition, raw)
    nodata = values.checked_nodata(data.nodata)
    train = {image.id for image in images if image.part == "train"}
    organisers = Organisers(raw, competition.format, competition.task, train)
    writer = Written(competition, folder, Decoding(competition, raw, stands_in, nodata), organisers)
    writer.write(images)
    if data.sample is not None:
        with atomic(folder / "sample_submission.csv") as part:
            part.write_bytes(tables.as_read_later(data.sample, competition.format))
    notes = [*([drawn.SAID] if is_drawn else []), *data.notes, *writer.decoding.notes(), *organisers.notes()]
    info = writer.info(notes)
    if is_drawn:
        info["drawn"] = True
    # written last: it means that everything beside it is finished
    with records.recorded(folder / "prepared.json", inputs) as part:
        disk.write_json(part, info)
    return info
