"""The mounted test part, a pack -> the submission: prepared, predicted, decoded and encoded piece by piece.

Memory holds some pictures at a time and the disk one piece, whatever the test part is. Each image gets a row: an empty
one where its picture cannot be read, or time is out.
"""

import contextlib
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline import source
from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.inference.ensemble import TRIED, Ensemble, Member, Part
from pipeline.inference.shedding import Clock, plans
from pipeline.inference.spool import Spool
from pipeline.packing.opened import Pack
from pipeline.raw import images as checks
from pipeline.raw import tables
from pipeline.raw.asked import Asked
from pipeline.raw.remembered import Mounted
from pipeline.runs import decoding, encoding, tuning
from pipeline.runs.job import Job
from pipeline.store import answer_file, disk, submission, zipped
from pipeline.store.dialect import VOLUMES
from pipeline.store.paths import Store
from pipeline.store.submission import Expected

REAL = 0.5  # share of the pictures that a sample submission names, if it is no placeholder


@dataclass
class Inference:
    """One answering of a test part.

    Args: limit: seconds; 0 is none. say: takes lines for people.
    """

    pack: Pack
    job: Job
    limit: float
    say: Callable[[str], None]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    out_of_time: int = 0

    def run(self, folder: Path, target: Path) -> None:
        """Raises UserError where there is no test part, or none of its pictures can be read."""
        ensemble = ensemble_of(self.pack)
        names, memory = self.pack.train_files()
        with (
            tempfile.TemporaryDirectory(prefix="infer-") as scratch,
            self._mounted(folder, names, memory) as (raw, data, images),
        ):
            for note in data.notes:
                self.say(f"note: {note}")
            asked = self._asked(raw, data, ensemble)
            order = self._order(raw, [image.id for image in images])
            wanted = set(order)
            chosen = [image for image in images if image.id in wanted]
            self._write(target, asked, chosen, order, ensemble, Path(scratch))

    @contextlib.contextmanager
    def _mounted(self, folder: Path, names: list[str], memory) -> Iterator[tuple[Mounted, RawData, list[RawImage]]]:
        """The raw files with what is found in them, first without the sample submission: in a placeholder of three rows
        `read` might take these for all there is."""
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(Mounted(folder, names, memory, {self._sample}))
            try:
                data, images = self._found(raw)
            except UserError:
                images = []
            if not images:
                raw.show()
                data, images = self._found(raw)
            if not images:
                raise UserError(f"{folder} holds no test pictures; name the folder of the competition: --data DIR")
            self.say(f"{len(images)} test pictures in {folder}")
            yield raw, data, images

    def _found(self, raw: Mounted) -> tuple[RawData, list[RawImage]]:
        with source.of_the_user("read()"):
            data = self.job.competition.read(raw)
        found = checks.in_order(data, self.job.competition, raw)
        return data, [image for image in found if image.part == "test"]

    def _asked(self, raw: Mounted, data: RawData, ensemble: Ensemble) -> Asked:
        task, form = self.job.competition.task, self.job.competition.format
        are_slices = task.needs_groups or form.files == VOLUMES
        are_slices |= any(one.recipe.neighbours or one.recipe.slices > 1 for one in ensemble.members)
        stands_in = self.job.on_bad_image != "refuse"
        return Asked(
            self.job.competition, raw, self.pack.info, self.pack.content["size"], data.nodata, are_slices, stands_in
        )

    def _order(self, raw: Mounted, found: list[str]) -> list[str]:
        """The ids that are answered, in order: of the sample submission where it is none of a few rows for show."""
        form, name = self.job.competition.format, self._sample
        rows = self._sample_rows(raw)
        if rows is None:
            return found
        asked = list(dict.fromkeys(form.image_and_class(row)[0] for row in rows))
        there = set(found)
        named = [one for one in asked if one in there]
        if len(named) < REAL * len(found):
            self.say(
                f"{name} names {len(named)} of {len(found)} test pictures, so it is a placeholder: all are answered"
            )
            if bare := [one for one in asked if one not in there]:
                self.say(f"warning: {len(bare)} ids of {name} have no picture and are left out: {shown(bare)}")
            return found
        if more := [one for one in found if one not in set(named)]:
            self.say(f"left out: {len(more)} test pictures that {name} does not name: {shown(more)}")
        if bare := [one for one in asked if one not in there]:
            self.say(f"warning: {len(bare)} ids of {name} have no picture and get an empty answer: {shown(bare)}")
        return asked

    @property
    def _sample(self) -> str:
        return self.pack.content["sample"] or "sample_submission.csv"

    def _sample_rows(self, raw: Mounted) -> list[dict[str, str]] | None:
        """None where there is no sample submission, or it is none of this format, which is said."""
        form, where = self.job.competition.format, next(iter(raw.left_out), None)
        if form.files or where is None:
            return None
        try:
            # some placeholders hold no more than the names of the columns
            if len(raw.read(where).split()) < 2:
                return []
            return tables.checked_sample(raw.read(where), form, raw.where(where))
        except UserError as error:
            self.say(f"warning: {error}; it is not used: all test pictures are answered")
            return None

    def _write(
        self, target: Path, asked: Asked, images: list[RawImage], order: list[str], ensemble: Ensemble, scratch: Path
    ) -> None:
        form, task = self.job.competition.format, self.job.competition.task
        labels = self._labels(asked, images, ensemble, scratch)
        with disk.atomic(target) as part:
            if form.files:
                zipped.write(part, form, ((name, found) for _, name, found in labels))
            else:
                with Spool(scratch / "texts") as spool:
                    for decoder, name, found in labels:
                        for _, texts in encoding.texts(decoder, [(name, found)]):
                            spool.add(name, texts)
                    blank = [""] * len(task.classes)
                    rows = (
                        row
                        for name in order
                        for row in submission.rows_of(name, spool.get(name) or blank, form, task.classes)
                    )
                    disk.write_rows(part, form.columns, rows)
            # where none can be read, nothing gets the name of a submission
            notes = asked.notes()
            heights, widths = np.array([self.sizes.get(name, (1, 1)) for name in order], np.int64).reshape(-1, 2).T
            summary = answer_file.validate(part, form, Expected(order, heights, widths, task.classes), str(target))
        for note in notes:
            self.say(f"warning: {note}")
        if self.out_of_time:
            self.say(f"warning: time was out before {self.out_of_time} images: they get an empty answer")
        self.say(f"{target}: valid, {summary}, {summary.empty:.1%} empty")

    def _labels(self, asked: Asked, images: list[RawImage], ensemble: Ensemble, scratch: Path) -> Iterator[tuple]:
        """(decoder, id, labels) image by image, piece by piece."""
        from tqdm import tqdm

        content, rules = tuning.read_thresholds(self.pack.store.thresholds, self.job.competition.task.classes)
        clock = Clock(plans(ensemble.looks()), len(images), self.limit, self.job.started, time.monotonic)
        bar = tqdm(total=len(images), desc="infer", unit="image", disable=not sys.stderr.isatty(), delay=1)
        folders = (self._store(scratch, number).prepared for number in itertools.count())
        with bar, contextlib.closing(asked.pieces(images, folders, TRIED)) as pieces:
            before, looked = time.monotonic(), ensemble.seconds
            for number, _ in enumerate(pieces):
                store = self._store(scratch, number)
                job = Job(self.job.competition, self.job.recipe, "", store)
                rows = np.arange(len(job.prepared.columns["id"]))
                if number == 0 and self.limit:
                    clock.looked(ensemble.measured(job.prepared, rows, clock.plan.looks[0]), 1)
                if said := clock.adjusted():
                    self.say(said)
                decoder = decoding.as_submitted(job, content)
                yield from self._decoded(decoder, rules, ensemble.answered(job.prepared, store.root, clock, bar))
                clock.done += len(rows)
                now = time.monotonic()
                clock.went_by(max(now - before - (ensemble.seconds - looked), 0), len(rows))
                before, looked = now, ensemble.seconds
                shutil.rmtree(store.root)
                if clock.is_over() and not self.job.competition.format.files:
                    self.out_of_time += len(images) - clock.done
                    return

    def _store(self, scratch: Path, number: int) -> Store:
        """Of a piece."""
        return Store(scratch / f"piece{number}", self.job.competition.name, self.pack.content["run"])

    def _decoded(self, decoder, rules: list, answers: Iterator[np.ndarray | None]) -> Iterator[tuple]:
        columns, task = decoder.job.prepared.columns, self.job.competition.task
        sizes = list(zip(columns["height"].tolist(), columns["width"].tolist(), strict=True))
        self.sizes |= dict(zip(columns["id"], sizes, strict=True))

        def there() -> Iterator[np.ndarray]:
            for size, answer in zip(sizes, answers, strict=True):
                self.out_of_time += answer is None
                yield np.zeros((*size, task.outputs), np.uint8) if answer is None else answer

        for name, found in encoding.labels(decoder, columns["id"], there(), rules):
            yield decoder, name, found


def ensemble_of(pack: Pack) -> Ensemble:
    """The networks of a pack."""
    keys: list[tuple] = []
    answers = []
    for answer in pack.content["answers"]:
        parts = []
        for share in answer:
            key = share["run"], share["fold"]
            if key not in keys:
                keys.append(key)
            parts.append(Part(keys.index(key), share["weight"]))
        answers.append(parts)
    members = [
        Member(pack.store_of(run).fold(fold), pack.recipe_of(run), f"fold {fold} of {run}") for run, fold in keys
    ]
    return Ensemble(pack.competition, members, answers)
