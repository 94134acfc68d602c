"""Work done by Ray (https://docs.ray.io): on this machine, or on the nodes of a cluster that it belongs to.

Each piece of work is a task. A node sees nothing but what it is sent, and writes nothing but its own temporary folder;
what comes back is written here, by the rules that hold for every file of ours. So a node that is lost takes nothing
with it but what it did since its last checkpoint arrived, and one that was only believed lost cannot spoil anything.
"""

import functools
import importlib.util
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError, not_installed, one_line
from pipeline.machines import cluster, errand, luggage, nodes, parcels
from pipeline.machines.bars import Bars
from pipeline.machines.errand import Began, End, Errand
from pipeline.machines.nodes import Share
from pipeline.machines.parcels import Piece
from pipeline.machines.work import Work
from pipeline.runs.job import Job
from pipeline.store import locks

EVERY = 20.0  # seconds between two checkpoints that a fold sends
LOSSES = 3  # that a fold may have one after the other without finishing an epoch
PATIENCE = 30.0  # seconds until a fold that waits says so, and that a node has to answer


def check(job: Job) -> None:
    """Raises UserError where Ray is not there, or nobody answers at the address."""
    if importlib.util.find_spec("ray") is None:
        raise UserError(f"--on needs {not_installed('ray')} (requirements-ray.txt has the version that is tested)")
    nodes.threads_asked_for()
    cluster.check_address(job.on)


def do(job: Job, works: Sequence[Work]) -> dict[str, str]:
    """Does all of it; returns title -> why of what failed for good. Raises UserError where the cluster cannot do it."""
    with tempfile.TemporaryDirectory() as own_code, cluster.joined(job.on, Path(own_code)) as ray:
        crew = Crew(ray, job, _share(ray, job, works), luggage.data_of(job), Bars(works, job.say))
        crew.check_nodes(works)
        return crew.do(works)


def _share(ray, job: Job, works: Sequence[Work]) -> Share:
    """What each fold gets. Raises UserError where no node has enough, or every GPU is taken."""
    found = cluster.nodes_of(ray)
    devices = max(work.devices for work in works) if any(work.epochs for work in works) else 0
    has_gpus = any(node.gpus for node in found.values())
    share = nodes.share(list(found.values()), len(works), devices if has_gpus else 0, nodes.threads_asked_for())
    idle = ray.available_resources().get("GPU", 0)
    if share.gpus > idle:
        line = f"no free GPU at {job.on}: {sum(node.gpus for node in found.values()):.0f} are there, {idle:.0f} free"
        if not job.wait:
            raise UserError(f"{line}; start again when others are done with them, or give --wait")
        job.say(f"{line}: waiting for one")
    return share


@dataclass
class Crew:
    """Those who do the work of a job, each with the same share."""

    ray: object
    job: Job
    share: Share
    data: errand.Data
    bars: Bars
    is_unseen: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    sending: threading.Lock = field(default_factory=threading.Lock)

    def do(self, works: Sequence[Work]) -> dict[str, str]:
        folds = f"{len(works)} fold{'s' if len(works) > 1 else ''}"
        self.job.say(f"{folds} on Ray, {self.share} each, {self._counted_nodes()}")
        alike = luggage.first_of_those_alike(self.job, works)
        finished = {work.folder: threading.Event() for work in works}
        with self.bars, ThreadPoolExecutor(len(works)) as pool:
            try:
                waiting = [
                    pool.submit(self._done, work, finished.get(alike.get(work.folder)), finished[work.folder])
                    for work in works
                ]
                while wait(waiting, timeout=1).not_done:
                    self.bars.look()
            finally:
                # Ctrl-C: tasks are cancelled, and threads come to their end
                self.stop.set()
        lines = [each.result() for each in waiting]
        return {work.title: line for work, line in zip(works, lines, strict=True) if line}

    def check_nodes(self, works: Sequence[Work]) -> None:
        """Raises UserError where a node would learn something else than this machine, or lacks a file."""
        found = {key: node for key, node in cluster.nodes_of(self.ray).items() if node.has(self.share)}
        modules, beside = luggage.modules(self.job, works), luggage.beside(self.job, works)
        data = self.data

        def asked() -> tuple[dict, bool, dict]:
            return nodes.setting(modules), data.is_in(data.place), {path: luggage.digest(path) for path in beside}

        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        task = self.ray.remote(num_cpus=0, max_retries=2)(asked)
        refs = {key: task.options(scheduling_strategy=strategy(key, soft=False)).remote() for key in found}
        errors, answers = self.ray.exceptions, {}
        for key, ref in refs.items():
            try:
                answers[found[key].name] = self.ray.get(ref, timeout=4 * PATIENCE)
            except (errors.RayTaskError, errors.RuntimeEnvSetupError) as error:
                why = one_line(str(getattr(error, "cause", None) or error))
                raise UserError(f"node {found[key].name} cannot work for us: {why[-200:]}") from error
            except errors.RayError:
                # it may just have gone; what it would learn is asked again before it learns anything
                self.job.say(f"node {found[key].name} does not answer")
        if not answers:
            raise UserError(f"no node of the cluster answers: ask it with `ray status --address={self.job.on}`")
        nodes.refuse_others(nodes.setting(modules), {name: setting for name, (setting, _, _) in answers.items()})
        for name, (_, _, digests) in answers.items():
            luggage.refuse_other_files(name, beside, digests)
        unseen = [name for name, (_, sees, _) in answers.items() if not sees]
        self.is_unseen = bool(unseen)
        if unseen:
            size = sum(data.sizes.values()) / 1e6
            self.job.say(f"node {unseen[0]} does not see {data.place}: {size:.0f} MB are sent to each that does not")

    def _counted_nodes(self) -> str:
        count = sum(node.has(self.share) for node in cluster.nodes_of(self.ray).values())
        return f"{count} node{'s' if count != 1 else ''}"

    @functools.cached_property
    def _data_sent(self) -> list:
        """The prepared files in the object store, from where each node takes them once."""
        return [self.ray.put(piece) for piece in parcels.pieces(self.job.store.prepared, self.data.sizes)]

    def _done(self, work: Work, before: threading.Event | None, finished: threading.Event) -> str:
        """Why it failed for good; blank where it is done. `before`: when what it takes over is learnt."""
        try:
            while before and not before.wait(1):
                if self.stop.is_set():
                    return "interrupted"
            with locks.making(work.folder, self.job.wait, self.bars.say) as waited:
                if waited and not self.job.again and luggage.is_done(self.job, work):
                    self.bars.say(f"{work.title} was trained meanwhile")
                    return ""
                if self.job.again:
                    shutil.rmtree(work.folder, ignore_errors=True)
                return self._until_done(work)
        except UserError as error:
            return str(error)
        finally:
            finished.set()

    def _until_done(self, work: Work) -> str:
        losses, sends_data = 0, self.is_unseen
        while not self.stop.is_set():
            before = luggage.epoch_of(work)
            end = self._attempt(work, sends_data)
            if end.how == "done":
                (work.folder / "checkpoint.npz").unlink(missing_ok=True)
            if end.how == "failed" and not self.stop.is_set():
                self.bars.say(f"{work.title} failed: {end.why}")
            if end.how in ("done", "failed"):
                return end.why
            if end.how == "unseen" and not sends_data:
                sends_data = True
                continue
            after = luggage.epoch_of(work)
            losses = 1 if after > before else losses + 1
            if losses >= LOSSES:
                return f"{end.why}; so it was {losses} times since it last finished an epoch"
            self.bars.say(f"{work.title}: {end.why}; it goes on from epoch {after + 1}, elsewhere if there is room")
            # a node that is gone is believed to be there for a moment
            self.stop.wait(2 * losses)
        return "interrupted"

    def _attempt(self, work: Work, sends_data: bool) -> End:
        """Sends it once. Returns how that ended."""
        with self.sending:
            data = self._data_sent if sends_data else None
        files = [self.ray.put(piece) for piece in parcels.pieces(work.root, luggage.names_of(self.job, work))]
        task = self.ray.remote(
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            num_returns="streaming",
            max_retries=0,
            scheduling_strategy="SPREAD",
            _generator_backpressure_num_objects=2,
        )(_on_a_node)
        stream = task.remote(luggage.errand_of(self.job, work, self.data, self.share, EVERY), files, data)
        node = ""
        self.bars.begin(work)
        try:
            for event in (events := self._events(stream, work)):
                if isinstance(event, End):
                    return event
                if isinstance(event, Began):
                    node = event.node
                elif isinstance(event, Piece):
                    parcels.received(work.folder, event, events)
                else:
                    self.bars.pass_on(work, event)
        except self.ray.exceptions.RayTaskError as error:
            return End("failed", f"a mistake on its node: {one_line(repr(error.cause))[:300]}")
        except (self.ray.exceptions.RayError, parcels.CutOff) as error:
            return End(
                "lost", f"its process on node {node or 'unknown'}, or the node, was lost ({type(error).__name__})"
            )
        finally:
            self.bars.end(work)
        return End("lost", f"it ended on node {node} without a word")

    def _events(self, stream, work: Work) -> Iterator:
        """What a task yields. Cancels it when everything stops; says where it waits for room."""
        started, said, began = time.monotonic(), False, False
        while True:
            ready, _ = self.ray.wait([stream], timeout=1, fetch_local=False)
            if self.stop.is_set():
                self.ray.cancel(stream)
                yield End("failed", "interrupted")
                return
            if not ready:
                if not began and not said and time.monotonic() - started > PATIENCE:
                    said = self._says_what_it_waits_for(work)
                continue
            began = True
            try:
                yield self.ray.get(next(stream))
            except StopIteration:
                return

    def _says_what_it_waits_for(self, work: Work) -> bool:
        """Whether it waits for room, which is then said; else it is about to begin. Raises UserError where there is no
        node any more that it could wait for."""
        if not any(node.has(self.share) for node in cluster.nodes_of(self.ray).values()):
            raise UserError(f"no node of the cluster has {self.share} any more")
        free = self.ray.available_resources()
        if free.get("CPU", 0) >= self.share.cpus and free.get("GPU", 0) >= self.share.gpus:
            return False
        self.bars.say(f"{work.title} waits for {self.share} to be free")
        return True


def _on_a_node(sent: Errand, files: list, data: list | None) -> Iterator:
    """The task: `files` and `data` are references, fetched one after the other."""
    import ray

    fetched = (ray.get(ref) for ref in files)
    events = errand.run(sent, fetched, None if data is None else (ray.get(ref) for ref in data))
    # Ray sends into what it iterates over, which `yield from` would pass on to lists
    yield from (event for event in events)
