"""Work sent to another machine, without one: what arrives, what comes back, and what is refused."""

import itertools
import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.machines import errand, luggage, nodes, on_ray, parcels, work
from pipeline.machines.errand import Began, End
from pipeline.machines.nodes import Node, Share
from pipeline.machines.parcels import Piece
from pipeline.runs import learnt_before, trained
from pipeline.store import disk
from tests import made_runs
from tests.machines import errands
from tests.start import run

KILLED = work.why(-signal.SIGKILL, [])


@pytest.fixture
def far(tmp_path, monkeypatch):
    """The temporary folder of "another machine"."""
    folder = tmp_path / "far"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@given(st.binary(max_size=40), st.integers(1, 9))
def test_a_file_arrives_as_it_was_sent_whatever_the_pieces(content, size):
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parcels, "SIZE", size)
        (Path(place) / "from").mkdir()
        (Path(place) / "from" / "x.npy").write_bytes(content)
        sent = list(parcels.pieces(Path(place) / "from", ["x.npy"]))
        assert len(sent) == max(1, -(-len(content) // size))
        parcels.all_received(Path(place) / "to", sent)
        before, after = (Path(place) / each / "x.npy" for each in ("from", "to"))
        assert after.read_bytes() == content
        assert after.stat().st_mtime_ns == before.stat().st_mtime_ns


@pytest.mark.parametrize("others", [[], [End("failed")], [Piece("y", b"b", True, 0)]], ids=["none", "end", "other"])
def test_a_file_that_comes_in_part_is_no_file(tmp_path, others):
    with pytest.raises(parcels.CutOff, match="came in part"):
        parcels.received(tmp_path, Piece("x", b"a", False, 0), iter(others))
    assert list(tmp_path.iterdir()) == []


def test_a_record_goes_before_its_file_and_what_means_done_at_the_end(tmp_path):
    for name in ("valid.npy", "valid.npy.inputs.json", "history.csv", "a.part-1-000000.npy", ".lock", "valid.csv"):
        (tmp_path / name).touch()
    assert parcels.in_order(tmp_path, ["model.json", "valid.npy"]) == [
        "history.csv",
        "valid.csv",
        "valid.npy.inputs.json",
        "valid.npy",
    ]


def _ended(found: list) -> End:
    assert isinstance(found[0], Began)
    assert not [event for event in found[:-1] if isinstance(event, End)]
    return found[-1]


def _pieces_of(job, one) -> list[Piece]:
    return list(parcels.pieces(one.root, luggage.names_of(job, one)))


def test_an_errand_sends_what_it_finished_and_leaves_nothing_behind(demo_root, far, tmp_path):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    found = list(errand.run(errands.errand_of(job, one), _pieces_of(job, one), None))
    assert _ended(found) == End("done")
    said = [event for event in found if isinstance(event, str)]
    assert said == ["prepare: up to date", "train:", *(f"fold 0, epoch {epoch} of 3: loss 0.1" for epoch in (1, 2, 3))]
    names = [event.name for event in found if isinstance(event, Piece)]
    assert names[-4:] == ["history.csv", "valid.csv", "valid.npy.inputs.json", "valid.npy"]
    assert names.index("history.csv") < names.index("checkpoint.npz")
    parcels.all_received(tmp_path / "back", (event for event in found if isinstance(event, Piece)))
    assert (tmp_path / "back" / "valid.npy").read_text() == "0 0 0"
    assert list(far.glob("*/*")) == []


def test_an_errand_goes_on_from_the_checkpoint_that_comes_with_it(demo_root, far):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    sent = replace(errands.errand_of(job, one), arguments=errands.arguments(one, "killed"))
    events = errand.run(sent, _pieces_of(job, one), None)
    found = []
    for event in events:
        if isinstance(event, Piece):
            parcels.received(one.folder, event, events)
        found.append(event)
    assert _ended(found) == End("lost", KILLED)
    assert luggage.epoch_of(one) == 1
    again = list(errand.run(errands.errand_of(job, one), _pieces_of(job, one), None))
    assert _ended(again) == End("done")
    parcels.all_received(one.folder, (event for event in again if isinstance(event, Piece)))
    assert (one.folder / "valid.npy").read_text() == "0 1 1", "epochs 2 and 3 by who began at 1"


def test_what_a_process_refuses_is_its_line(demo_root, far):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    sent = replace(errands.errand_of(job, one), arguments=errands.arguments(one, "refused"))
    assert _ended(list(errand.run(sent, [], None))) == End("failed", "nothing is left to learn from")


def test_an_errand_that_is_given_up_ends_its_process(demo_root, far):
    job, (one,) = errands.job_and_works(demo_root, folds=1, epochs=1000)
    events = errand.run(errands.errand_of(job, one), [], None)
    next(event for event in events if isinstance(event, str))
    (room,) = far.glob("folds-*/errand-*")
    events.close()
    assert not room.exists()
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(room).encode() in _read(path)]
    assert running == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_data_that_is_not_there_is_asked_for_and_kept_for_the_next_fold(demo_root, far):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    data = luggage.data_of(job)
    assert "truth.npy" not in data.sizes and {"images.npy", "labels.npy"} <= data.sizes.keys()
    unseen = replace(errands.errand_of(job, one), data=replace(data, place=Path("/nowhere")))
    assert _ended(list(errand.run(unseen, [], None))) == End("unseen")
    sent = parcels.pieces(data.place, data.sizes)
    assert _ended(list(errand.run(unseen, [], sent))) == End("done")
    assert next(sent, None) is None
    (kept,) = far.glob("folds-*/prepared-*")
    assert {path.name for path in kept.iterdir()} == set(data.sizes)
    assert _ended(list(errand.run(unseen, [], None))) == End("done")


def test_data_of_the_same_size_and_another_content_is_not_taken_for_it(demo_root, far):
    job, _ = errands.job_and_works(demo_root, folds=1)
    data = luggage.data_of(job)
    done = data.place / "prepared.json"
    assert data.is_in(data.place)
    done.write_text(done.read_text().replace("e", "E", 1))
    assert not data.is_in(data.place)


def test_a_machine_without_room_says_what_it_needs(demo_root, far, monkeypatch):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    unseen = replace(errands.errand_of(job, one), data=replace(luggage.data_of(job), place=Path("/nowhere")))
    monkeypatch.setattr(errand, "free", lambda: 1000)
    how, why = _ended(list(errand.run(unseen, [], [])))
    assert how == "failed" and "has room for 0.0 GB, the data needs 0.0; set TMPDIR" in why


def test_other_code_or_packages_are_refused_by_name(demo_root, far):
    job, (one,) = errands.job_and_works(demo_root, folds=1)
    sent = errands.errand_of(job, one)
    other = replace(sent, setting={**sent.setting, "Python": "3.99", "code": "f" * 16})
    how, why = _ended(list(errand.run(other, [], None)))
    assert how == "failed"
    assert why.endswith("instead of 3.99, other code of this project")
    here = {"Python": "3.11", "keras": "3.15.1", "code": "a"}
    with pytest.raises(UserError, match=r"node b has Python 3\.12 instead of 3\.11, no keras: .*requirements\.txt"):
        nodes.refuse_others(here, {"a": here, "b": {"Python": "3.12", "keras": "", "code": "a"}})
    with pytest.raises(
        UserError, match=r"node b has other code of this project \(and 1 more nodes differ\).*PYTHONPATH"
    ):
        nodes.refuse_others(here, {"b": {**here, "code": "b"}, "c": {**here, "code": "b"}})
    nodes.refuse_others(here, {"a": here})


def test_what_travels_is_what_a_fold_reads(demo_root):
    job, (one, _) = errands.job_and_works(demo_root, folds=2)
    one.folder.mkdir(parents=True)
    for name in ("checkpoint.npz", "history.csv", "x.part-1-000000.npz"):
        (one.folder / name).touch()
    assert luggage.names_of(job, one) == [
        "folds/demo-3.csv.inputs.json",
        "folds/demo-3.csv",
        "runs/demo/apart/fold0/checkpoint.npz",
        "runs/demo/apart/fold0/history.csv",
        "runs/demo/apart/recipe.json",
    ]


def test_the_words_of_a_fold_that_goes_on_do_not_begin_it_again(demo_root):
    job, _ = errands.job_and_works(demo_root, folds=1)
    asked = replace(job, again=True, wait=True, on_bad_image="refuse")
    sent = luggage.errand_of(asked, errands.work.of(asked, 0, 3), luggage.data_of(job), Share(2), every=0)
    assert sent.arguments == ("-m", "pipeline", "demo", "train", "--fold", "0", "--run=apart")
    assert sent.environment["OMP_NUM_THREADS"] == sent.environment["TF_NUM_INTRAOP_THREADS"] == "2"
    assert sent.environment["CUDA_VISIBLE_DEVICES"] == "-1"


def test_folds_of_runs_that_learn_the_same_wait_for_the_first(demo_root):
    jobs = [
        made_runs.job_of(demo_root, f"run{i}", **fields) for i, fields in enumerate(({}, {"tta": False}, {"seed": 1}))
    ]
    for job in jobs:
        made_runs.save_recipe(job)
    works = [errands.work.of(job, fold, 3, of_several=True) for job in jobs for fold in (0, 1)]
    first, again = (luggage.first_of_those_alike(replace(jobs[0], again=again), works) for again in (False, True))
    assert first == {works[2].folder: works[0].folder, works[3].folder: works[1].folder}
    assert again == {}


def test_weights_of_a_run_that_learnt_the_same_travel(demo_root):
    job, other = (made_runs.job_of(demo_root, name, tta=name == "own") for name in ("own", "other"))
    made_runs.save_recipe(job)
    inputs = trained.inputs_of(other, 0)
    folder = other.store.fold(0)
    import h5py

    from pipeline.store import records

    with records.recorded(folder / "model.weights.h5", inputs) as part, h5py.File(part, "w") as file:
        file.create_dataset("x", data=[1.0])
    disk.write_rows(
        folder / "history.csv", ["epoch", "loss", "iou", "accuracy", "learning_rate", "score", "seconds"], []
    )
    disk.write_json(folder / "environment.json", {})
    found = learnt_before.files(job, 0, trained.inputs_of(job, 0))
    assert {path.name for path in found} == {
        "model.weights.h5",
        "model.weights.h5.inputs.json",
        "history.csv",
        "environment.json",
    }
    assert all(path.exists() for path in found)
    assert learnt_before.files(job, 1, trained.inputs_of(job, 1)) == []


@pytest.mark.parametrize(
    ("cpus", "gpus", "works", "asked", "share"),
    [
        # as many threads as let all run at once
        ([8], [0], 5, {}, Share(1)),
        ([8], [0], 2, {}, Share(4)),
        ([8, 8], [0, 0], 5, {}, Share(2)),
        ([1, 1], [0, 0], 5, {}, Share(1)),
        ([2, 16], [0, 0], 3, {}, Share(5)),
        ([8], [0], 2, {"threads": 3}, Share(3)),
        # a GPU with its part of the processors, of the node that has fewest
        ([32, 8], [4, 2], 5, {"gpus": 1}, Share(4, 1)),
        ([32, 8], [4, 1], 5, {"gpus": 2}, Share(16, 2)),
        ([4], [8], 5, {"gpus": 1}, Share(1, 1)),
    ],
)
def test_a_fold_gets_its_share(cpus, gpus, works, asked, share):
    found = [Node(str(i), *each) for i, each in enumerate(zip(cpus, gpus, strict=True))]
    assert nodes.share(found, works, **{"gpus": 0, **asked}) == share


def test_every_fold_has_room_at_once_where_there_are_as_many_processors():
    for cpus, works in itertools.product(itertools.product(range(1, 7), repeat=3), range(1, 8)):
        each = nodes.share([Node("", count) for count in cpus], works, 0).cpus
        fits = [n for n in range(1, 7) if sum(count // n for count in cpus) >= works]
        assert each == max(fits, default=1)


@pytest.mark.parametrize(
    ("found", "asked", "line"),
    [
        ([Node("a", 4, 1)], {"gpus": 2}, "no node of the cluster has 2 GPUs, the most is 1: give fewer --devices"),
        ([Node("a", 4)], {"gpus": 0, "threads": 8}, "OMP_NUM_THREADS asks for 8, the most is 4"),
        ([Node("a", 0)], {"gpus": 0}, "a fold wants one, the most is 0"),
    ],
)
def test_a_share_that_no_node_has_is_refused(found, asked, line):
    with pytest.raises(UserError, match=line):
        nodes.share(found, 2, **asked)


def test_without_ray_the_command_that_installs_it_is_named(demo_root, monkeypatch):
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: None)
    error = run("demo", "train", "--on", "ray", root=demo_root, status=2)
    assert error.startswith("error: --on needs 'ray', which this Python lacks: ") and "-m pip install ray" in error


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("cluster", "is no address of a Ray cluster: give HOST:PORT"),
        ("ray://head:10001", "is no address of a Ray cluster: give HOST:PORT"),
        ("127.0.0.1:1", "no Ray cluster answers there .*refused"),
        ("127.0.0.1:99999", "no Ray cluster answers there"),
    ],
)
def test_an_address_where_nobody_answers_is_refused(demo_root, monkeypatch, address, line):
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UserError, match=line):
        on_ray.check(replace(made_runs.job_of(demo_root, "any"), on=address))


@pytest.mark.parametrize("word", ["two", "0", "-1"])
def test_threads_that_are_no_number_are_refused(monkeypatch, word):
    monkeypatch.setenv("OMP_NUM_THREADS", word)
    with pytest.raises(UserError, match="is no number of threads"):
        nodes.threads_asked_for()


def test_a_file_that_the_recipe_names_must_be_on_every_node(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"1")
    here = {str(path): luggage.digest(str(path))}
    luggage.refuse_other_files("a", here, here)
    with pytest.raises(UserError, match=r"node a does not see .*weights\.pth"):
        luggage.refuse_other_files("a", here, {str(path): luggage.digest(str(tmp_path / "none"))})
    with pytest.raises(UserError, match="node a has another file as"):
        luggage.refuse_other_files("a", here, {str(path): "0"})


@pytest.mark.parametrize(
    ("status", "complaints", "end"),
    [
        (0, ["warning: x"], End("done")),
        (2, ["x", "error: no room"], End("failed", "no room")),
        (1, ["Traceback", "ValueError: x"], End("failed", "ValueError: x")),
        (-signal.SIGKILL, [], End("lost", KILLED)),
        (-signal.SIGTERM, [], End("lost", "it was ended by the signal SIGTERM")),
        (128 + signal.SIGTERM, ["interrupted; x"], End("lost", "interrupted; x")),
    ],
)
def test_how_a_process_ends_says_whether_it_is_done_again(status, complaints, end):
    assert errand._end(status, complaints) == end


def test_what_killed_errands_left_is_removed_and_what_runs_is_not(far):
    base = far / f"folds-{os.getuid()}"
    (base / "errand-left" / "runs").mkdir(parents=True)
    with errand._room() as first:
        assert not (base / "errand-left").exists()
        with errand._room() as second:
            assert first.exists() and second.exists()
    assert list(base.iterdir()) == []
