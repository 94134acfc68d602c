"""Folds on a cluster of Ray: several nodes of this machine, one of which is killed in the middle."""

import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.machines import luggage, nodes, on_ray, places
from pipeline.store import disk, records
from tests import made_runs
from tests.machines import errands
from tests.start import TINY, run, start

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install -r requirements-ray.txt)")
pytestmark = pytest.mark.slow
ONE_THREAD = dict.fromkeys(places.THREADS, "1")


@pytest.fixture(scope="module")
def cluster():
    """Ray's own: a head that lends nothing, and nodes as tests add them. The paths of its sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20}
        found = Cluster(initialize_head=True, head_node_args=head)
        yield found
        found.shutdown()


@pytest.fixture
def with_nodes(cluster):
    """Adds a node of one processor each time it is called; they are gone after the test."""
    added = []

    def add():
        added.append(cluster.add_node(num_cpus=1, num_gpus=0, object_store_memory=100 << 20))
        return added[-1]

    yield add
    for node in set(added) & set(cluster.worker_nodes):
        cluster.remove_node(node, allow_graceful=False)


def _lines_to(job, monkeypatch, react=lambda line: None) -> list[str]:
    """What the job says from now on; `react` is called with each line."""
    lines: list[str] = []

    def say(_, line):
        lines.append(line)
        react(line)

    monkeypatch.setattr(type(job), "say", say)
    return lines


def test_folds_go_on_elsewhere_when_a_process_or_a_node_dies_and_one_that_fails_is_named(
    demo_root, cluster, with_nodes, monkeypatch
):
    job, works = errands.job_and_works(demo_root, folds=4, epochs=4)
    wrong = {works[0].folder: "killed", works[1].folder: "refused"}
    make, data_of = luggage.errand_of, luggage.data_of

    def errand_of(job, one, *given):
        slow = 0.1 if one.folder in wrong else 1.5
        return replace(make(job, one, *given), arguments=errands.arguments(one, wrong.get(one.folder, ""), slow))

    monkeypatch.setattr(luggage, "errand_of", errand_of)
    monkeypatch.setattr(on_ray, "EVERY", 0)
    # as on machines that do not see the root
    monkeypatch.setattr(luggage, "data_of", lambda job: replace(data_of(job), place=Path("/nowhere")))
    node, _ = with_nodes(), with_nodes()
    begun = set()

    def react(line):
        title, _, rest = line.partition(", epoch ")
        if rest.startswith("2 ") and title in ("fold 2", "fold 3") and title not in begun:
            begun.add(title)
            if len(begun) == 2:
                cluster.remove_node(node, allow_graceful=False)

    lines = _lines_to(job, monkeypatch, react)
    assert on_ray.do(replace(job, on=cluster.address), works) == {"fold 1": "nothing is left to learn from"}
    assert (works[0].folder / "valid.npy").read_text() == "0 1 1 1"
    one, other = sorted((work.folder / "valid.npy").read_text() for work in works[2:])
    assert one == "0 0 0 0"
    assert other in ("0 1 1 1", "0 0 2 2", "0 0 0 3"), "from its last epoch on"
    lost = [line for line in lines if "it goes on from epoch" in line]
    assert len(lost) == 2 and any("it was killed" in line and "from epoch 2" in line for line in lost)
    assert not [path for work in works for path in work.folder.glob("*part*")]
    assert any("node" in line and "does not see /nowhere: " in line for line in lines)


def test_a_node_that_would_learn_something_else_is_refused_before_any_fold(demo_root, cluster, with_nodes, monkeypatch):
    job, works = errands.job_and_works(demo_root, folds=1)
    with_nodes()
    here = nodes.setting(())
    monkeypatch.setattr(nodes, "setting", lambda modules: {**here, "Python": "3.99"})
    lines = _lines_to(job, monkeypatch)
    with pytest.raises(UserError, match=r"^node \S+ has Python 3\.\d+ instead of 3\.99: its folds would be others"):
        on_ray.do(replace(job, on=cluster.address), works)
    assert [line for line in lines if "does not answer" not in line] == []


def test_a_fold_whose_node_is_killed_ends_as_one_that_was_trained_here(
    demo_root, cluster, with_nodes, monkeypatch, tmp_path
):
    words = ["demo", "train", *TINY, "--epochs", "12", "--fold", "0", "--run", "tiny"]
    # with a root of its own: a run that learnt the same would be taken over
    shutil.copytree(demo_root, tmp_path / "alone")
    alone = start(*words, root=tmp_path / "alone", **ONE_THREAD)
    assert alone.wait(300) == 0, alone.communicate()
    candidates, killed = [with_nodes(), with_nodes()], []

    def react(line):
        if line.startswith("fold 0, epoch 2 ") and not killed:
            # an epoch takes less time than a node to die
            killed.append(_process_of_the_fold())
            os.kill(killed[0], signal.SIGSTOP)
            (node,) = [node for node in candidates if _raylet(node) in _ancestors(killed[0])]
            cluster.remove_node(node, allow_graceful=False)
            os.kill(killed[0], signal.SIGKILL)

    lines = _lines_to(made_runs.job_of(demo_root, ""), monkeypatch, react)
    monkeypatch.setattr(on_ray, "EVERY", 0)
    run(*words, "--on", cluster.address, root=demo_root)
    (lost,) = [line for line in lines if "it goes on from epoch" in line]
    assert "it goes on from epoch 1," not in lost
    here, there = (root / "runs" / "demo" / "tiny" / "fold0" for root in (tmp_path / "alone", demo_root))
    names = {path.name for path in here.iterdir()}
    assert names == {path.name for path in there.iterdir()}
    for name in sorted(names):
        # a record holds times, the environment and history seconds
        if name.endswith((".npy", ".h5")) or name in ("valid.csv",):
            assert (here / name).read_bytes() == (there / name).read_bytes(), name
    assert disk.file_hash(there / "valid.npy") == records.read_record(there / "valid.npy")["output"]


def _process_of_the_fold() -> int:
    """Its number: the one process that trains in a folder that was made for it, on a node of this cluster."""
    room = f"{tempfile.gettempdir()}/folds-{os.getuid()}/errand-".encode()
    (found,) = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if room in _content(path)]
    return int(found)


def _content(path: Path) -> bytes:
    """Of a file that may be gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _ancestors(process: int) -> list[int]:
    found = []
    while process > 1:
        status = Path(f"/proc/{process}/status").read_text()
        process = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
        found.append(process)
    return found


def _raylet(node) -> int:
    return node.all_processes[ray._private.ray_constants.PROCESS_TYPE_RAYLET][0].process.pid
