"""`kernel`: a run is packed, learnt on Kaggle (a small server, the real client) and comes back as if made here."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.kaggle import kernels
from pipeline.packing import code, session
from pipeline.packing import kernel as packed
from pipeline.runs import returned
from pipeline.stages import predict, report
from pipeline.store import disk, records
from pipeline.store.predictions import PredictionWriter
from pipeline.tools import kernel
from tests import made_runs
from tests.start import environment, run

pytest_plugins = ["tests.kaggle.fixtures"]

NAME = "far"
KERNEL = f"someone/demo-{NAME}"


def line_of(caught) -> str:
    line = str(caught.value)
    assert "\n" not in line
    return line


def sent(kaggle) -> dict:
    return json.loads(kaggle.asked("SaveKernel")[-1])


def cells(kaggle) -> list[str]:
    return [cell["source"] for cell in json.loads(sent(kaggle)["text"])["cells"]]


def told(kaggle, folder: Path) -> dict:
    """What the notebook's session is told; its first cell of code is run."""
    text = cells(kaggle)[1].replace(packed.CODE, str(folder))
    kept = list(sys.path)
    exec(text, {})
    sys.path[:] = kept
    return disk.read_json(folder / session.TOLD)


@pytest.fixture(scope="session")
def made_there(drawn, tmp_path_factory):
    """A root where the run was made: predictions by hand, the rest by the stages."""
    root = tmp_path_factory.mktemp("there") / "root"
    shutil.copytree(drawn, root)
    job = made_runs.job_of(root, NAME)
    made_runs.save_recipe(job)
    made_runs.hold_out(job)
    for fold in range(made_runs.FOLDS):
        rows = job.prepared.test
        with PredictionWriter(
            job.store.fold(fold), "test", 1, predict.inputs_of(job, fold), False, len(rows), ""
        ) as writer:
            for row in rows:
                answer = (job.prepared.images[row][..., :1] > 128) * 200
                writer.add(job.prepared.columns["id"][row], answer.astype("uint8"), answer.astype("uint8"))
    with contextlib.redirect_stdout(io.StringIO()):
        order.bring_up_to_date(job, "submit")
    with records.recorded(job.store.report, report.inputs_of(job)) as part:
        part.write_text("a page")
    return root


def output_of(root: Path, kaggle, **changes) -> dict[str, bytes]:
    """What a session leaves that made the run in `root`, as the pack told it that was sent last."""
    names = [path for folder in (f"runs/demo/{NAME}", "submissions") for path in sorted((root / folder).rglob("*"))]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in names if path.is_file()}
    files = {name: content for name, content in files.items() if "/." not in name}
    state = disk.read_json(root.parent / "here" / "runs" / "demo" / NAME / "kernel.json")
    job = made_runs.job_of(root, NAME)
    came = {
        "pack": state["pack"],
        "finished": True,
        "cut_off": False,
        "error": "",
        "data": {kind: job.prepared.fingerprint(kind) for kind in session.KINDS},
        "pretrained": "",
        "files": {name: disk.hashlib.sha256(content).hexdigest() for name, content in files.items()},
        **changes,
    }
    return {**files, session.TOLD: json.dumps(came).encode(), "__notebook__.ipynb": b"{}"}


@pytest.fixture
def here(drawn, made_there, tmp_path, monkeypatch):
    """A root with the data alone, and beside it what was made there. Little code is packed."""
    monkeypatch.setattr(code, "files", lambda: [Path("pipeline/__init__.py")])
    shutil.copytree(drawn, tmp_path / "here")
    shutil.copytree(made_there, tmp_path / "there")
    return tmp_path / "here"


@pytest.fixture
def job(here):
    return made_runs.job_of(here, NAME)


def follow(job, kaggle, *states, **changes):
    """Sends the run, and comes to the end of these states; what the session leaves is changed by `changes`."""
    kaggle.runs_notebooks(*(states or ("QUEUED", "RUNNING", "COMPLETE")))
    there = job.store.root.parent / "there"

    def state(answers=kaggle.answers["GetKernelSessionStatus"]):
        kaggle.leaves(output_of(there, kaggle, **changes))
        return answers.pop(0) if len(answers) > 1 else answers[0]

    kaggle.answers["GetKernelSessionStatus"] = state
    return kernel.run(job, [], every=0.01)


def test_a_run_is_sent_followed_and_comes_back_as_if_made_here(kaggle, job, capsys):
    assert follow(job, kaggle) == 0
    out = capsys.readouterr().out
    asked = sent(kaggle)
    assert asked["slug"] == KERNEL and asked["machineShape"] == "NvidiaTeslaT4"
    assert asked["enableGpu"] and asked["isPrivate"] and not asked.get("enableInternet")
    assert [f"{KERNEL}: {state}" in out for state in ("queued", "running", "complete")] == [True] * 3
    assert "20.0 of this week's 30 GPU hours are left" in out
    for stage in ("tune", "predict", "submit", "report"):
        assert f"{stage}: up to date" in out
    there = job.store.root.parent / "there"
    for path in [path for path in (there / "runs").rglob("*") if path.is_file() and not path.name.startswith(".")]:
        assert (job.store.root / path.relative_to(there)).read_bytes() == path.read_bytes()
    assert job.store.submission.read_bytes() == (there / "submissions" / job.store.submission.name).read_bytes()
    assert not (job.store.run_folder / kernel.ARRIVING).exists()
    # and nothing is sent or fetched a second time
    kaggle.calls.clear()
    kernel.run(job, [], every=0.01)
    assert kaggle.calls == [] and "came back from" in capsys.readouterr().out


def test_interrupted_the_same_command_goes_on_following(kaggle, job, monkeypatch):
    kaggle.runs_notebooks("RUNNING")

    def ctrl_c(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            kernel.run(job, [])
    assert disk.read_json(job.store.kernel)["state"] == "sent"
    kaggle.calls.clear()
    assert follow(job, kaggle, "RUNNING", "COMPLETE") == 0
    assert not kaggle.asked("SaveKernel")


def test_a_run_of_other_options_or_made_here_is_not_replaced(kaggle, job, here):
    follow(job, kaggle)
    other = replace(job, recipe=replace(job.recipe, width=24))
    with pytest.raises(UserError, match=r"sent to someone/demo-far with --width 32; .*--again"):
        kernel.run(other, [])
    job.store.kernel.unlink()
    with pytest.raises(UserError, match=r"run 'far' is here already .*fold0.*--again"):
        kernel.run(made_runs.job_of(here, NAME), [])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"error": "Maximum weekly GPU quota of 30.00 hours exceeded."}), "this week's GPU hours are used up"),
        ((200, {"error": "Maximum batch GPU session count of 2 reached."}), "stop one, or wait until one ends"),
        ((200, {"error": "Something new."}), r"it says: Something new\): put that right"),
        ((403, {"message": "Phone verification is\nneeded for GPUs"}), "verify it at https://www.kaggle.com/settings"),
        ((401, {"message": "no"}), "does not accept the credentials"),
        ((500, {"message": "down"}), "Kaggle has trouble"),
        ((200, {"invalidCompetitionSources": ["tgs"]}), "without the competition tgs: accept its rules"),
    ],
)
def test_what_kaggle_does_not_start_is_a_line_and_nothing_is_sent(kaggle, job, answer, says):
    kaggle.runs_notebooks("RUNNING")
    kaggle.answers["SaveKernel"] = answer
    with pytest.raises(UserError, match=says) as caught:
        kernel.run(job, [])
    line_of(caught)
    assert not job.store.kernel.exists()


def test_hours_that_are_used_up_or_not_known(kaggle, job, capsys):
    kaggle.runs_notebooks("RUNNING")
    quota = {"timeUsed": "100000s", "timeReserved": "8000s", "totalTimeAllowed": "108000s"}
    kaggle.answers["GetAcceleratorQuotaStatistics"] = (200, {"gpuQuota": quota})
    with pytest.raises(UserError, match="none of this week's 30 GPU hours is left"):
        kernel.run(job, [])
    assert not kaggle.asked("SaveKernel")
    kaggle.answers["GetAcceleratorQuotaStatistics"] = (404, {})
    assert follow(job, kaggle) == 0
    assert "GPU hours are left this week is not known" in capsys.readouterr().out


def test_nobody_logged_in_or_no_network(logged_out, job, monkeypatch):
    with pytest.raises(UserError, match="no Kaggle credentials") as caught:
        kernel.run(job, [])
    line_of(caught)
    from kagglesdk import kaggle_env

    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "k")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="connection to Kaggle failed") as caught:
        kernel.run(job, [])
    line_of(caught)


def test_the_network_may_go_while_it_is_followed_and_a_notebook_may_be_gone(kaggle, job, monkeypatch):
    states = [(503, b""), (200, {"status": "RUNNING"}), (429, {"message": "slowly"}), (404, {"message": "none"})]
    kaggle.runs_notebooks("RUNNING")
    kaggle.answers["GetKernelSessionStatus"] = states
    with pytest.raises(UserError, match=f"knows no notebook {KERNEL} ") as caught:
        kernel.run(job, [], every=0.01)
    line_of(caught)
    kaggle.answers["GetKernelSessionStatus"] = (403, {"message": "Permission 'kernels.get' was denied"})
    with pytest.raises(UserError, match=r"403.*log in as its owner"):
        kernel.run(job, [], every=0.01)


def test_the_end_of_an_earlier_version_is_not_taken_for_this_one(kaggle, job):
    assert follow(job, kaggle, "COMPLETE", "COMPLETE", "QUEUED", "COMPLETE") == 0
    assert len(kaggle.asked("GetKernelSessionStatus")) == 4


def notebook_of(number: int) -> str:
    """The notebook that is the second, third … session of the run."""
    owner, _, slug = KERNEL.partition("/")
    return f"{owner}/{packed.slug_of(slug, f'session {number}')}"


@pytest.mark.parametrize(
    "log", [json.dumps([{"data": "a\nb"}, {"data": "c\nbad mask\n"}]), "of another form\nbad mask"]
)
def test_a_notebook_that_fails_shows_what_it_printed_last(kaggle, job, capsys, log):
    kaggle.runs_notebooks("RUNNING", "ERROR", log=log)
    with pytest.raises(UserError, match=rf"ended as error .*--continue-from {KERNEL}") as caught:
        kernel.run(job, [], every=0.01)
    line_of(caught)
    assert "  | bad mask\n" in capsys.readouterr().out
    # the same command sends it anew
    assert follow(job, kaggle) == 0


def test_a_session_that_was_cut_off_is_gone_on_with_by_another_notebook(kaggle, job, tmp_path):
    with pytest.raises(UserError, match=rf"kernel --run far --continue-from {KERNEL}$"):
        follow(job, kaggle, finished=False, cut_off=True)
    # begun anew it would take as long, and come as far
    kaggle.calls.clear()
    with pytest.raises(UserError, match=rf"--again begins anew\): go on with .*--continue-from {KERNEL}$"):
        kernel.run(job, [])
    assert kaggle.calls == []
    assert follow(replace(job, continue_from=KERNEL), kaggle) == 0
    assert sent(kaggle)["slug"] == notebook_of(2) and sent(kaggle)["kernelDataSources"] == [KERNEL]
    assert told(kaggle, tmp_path / "code")["earlier"] == KERNEL


def test_a_notebook_never_goes_on_from_itself(kaggle, job):
    """Also where nobody knows any more how many there were."""
    assert follow(replace(job, continue_from=notebook_of(2)), kaggle) == 0
    assert sent(kaggle)["slug"] == notebook_of(3) and sent(kaggle)["kernelDataSources"] == [notebook_of(2)]


def test_a_session_that_goes_on_has_no_name_that_a_run_could_have():
    names = {notebook_of(number) for number in (2, 3)}
    assert len(names) == 2 and not names & {f"{KERNEL}-2", f"{KERNEL}-session-2", f"{KERNEL}-session-3"}
    assert all(re.fullmatch(rf"{KERNEL}-session-[23]-[0-9a-f]{{8}}", name) for name in names)


def test_a_run_that_is_to_be_replaced_is_so_by_the_session_that_goes_on(kaggle, job, capsys):
    follow(job, kaggle)
    with pytest.raises(UserError, match="--continue-from"):
        follow(replace(job, again=True), kaggle, finished=False, cut_off=True)
    assert "the same command without --again goes on with it" in capsys.readouterr().out
    (job.store.fold(0) / "valid.npy").unlink()
    assert follow(replace(job, continue_from=KERNEL), kaggle) == 0
    assert job.store.folds_holding("valid.npy") == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pack": "another"}, "is of other code, folds or another recipe"),
        ({"data": {"train": "x", "test": "y"}}, "the train and test data here is not what it was"),
        ({"finished": False, "error": "no room"}, r"did not finish \(no room\)"),
    ],
)
def test_what_is_not_what_was_sent_is_refused(kaggle, job, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        follow(job, kaggle, **changes)
    line_of(caught)
    assert not list(job.store.run_folder.glob("fold*"))


FILE = f"runs/demo/{NAME}/fold0/x"


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/tmp/x",
        "runs/demo/other/recipe.json",
        "submissions/ledger.csv",
        f"submissions/demo-{NAME}2.csv",
        f"runs/demo/{NAME}/../x",
        f"runs/demo/{NAME}/.fold0.lock",
        f"runs/demo/{NAME}//x",
        f"{FILE}\0",
    ],
)
def test_a_file_that_is_not_of_the_run_is_not_brought_anywhere(kaggle, job, name):
    with pytest.raises(UserError, match="which is no file of run 'far': nothing is brought back") as caught:
        follow(job, kaggle, files={FILE: "0" * 64, name: "0" * 64})
    line_of(caught)
    assert {path.name for path in job.store.run_folder.rglob("*")} == {"kernel.json", ".arriving", session.TOLD}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"files": [FILE]}, "no 'files' of type dict"),
        ({"files": {FILE: 3}}, "x of someone/demo-far did not arrive whole"),
        ({"cut_off": "no"}, "no 'cut_off' of type bool"),
        ({"data": {}}, "the train and test data here is not what it was"),
        ({"files": {}}, "cannot read .*recipe.json"),
    ],
)
def test_a_session_json_of_another_form_is_a_line(kaggle, job, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        follow(job, kaggle, **changes)
    line_of(caught)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"\xff", b"[" * 100000])
def test_a_session_json_that_is_none_is_a_line(kaggle, job, content):
    kaggle.runs_notebooks("RUNNING", "COMPLETE", output={session.TOLD: content})
    with pytest.raises(UserError, match=session.TOLD) as caught:
        kernel.run(job, [], every=0.01)
    line_of(caught)
    # what arrived is not kept for good
    assert follow(job, kaggle) == 0


@pytest.mark.parametrize("name", ["valid.npy.inputs.json", "valid.csv.inputs.json"])
@pytest.mark.parametrize("content", ['{"inputs": []}', "null", '{"inputs": {}, "modified_ns": 1e400}'])
def test_a_record_of_another_form_that_comes_back_is_a_line(kaggle, job, name, content):
    (job.store.root.parent / "there" / "runs" / "demo" / NAME / "fold0" / name).write_text(content)
    with pytest.raises(UserError, match=name) as caught:
        follow(job, kaggle)
    line_of(caught)
    assert job.store.folds_holding() == []


@pytest.mark.parametrize(
    ("field", "value"), [("recipe", None), ("pushed", "now"), ("version", "1"), ("round", []), ("kernel", "x")]
)
def test_a_kernel_json_that_was_edited_is_a_line(kaggle, job, field, value):
    kaggle.runs_notebooks("RUNNING")
    kaggle.answers["GetKernelSessionStatus"] = (404, {})
    with pytest.raises(UserError, match="no notebook"):
        kernel.run(job, [])
    disk.write_json(job.store.kernel, {**disk.read_json(job.store.kernel), field: value})
    with pytest.raises(UserError, match="'x' names no notebook" if field == "kernel" else f"kernel.json.*{field}"):
        kernel.run(job, [])


def test_a_file_that_arrives_cut_off_is_fetched_again_and_then_given_up(kaggle, job):
    damaged = {f"runs/demo/{NAME}/recipe.json": "0" * 64}
    with pytest.raises(UserError, match=r"recipe.json of .* did not arrive whole: the same command") as caught:
        follow(job, kaggle, files=damaged)
    line_of(caught)
    assert follow(job, kaggle) == 0


def test_killed_while_files_are_moved_the_same_command_moves_the_rest(kaggle, job, monkeypatch):
    moved = []

    def killed(*arguments, move=returned._move):
        moved.append(arguments)
        if len(moved) == 4:
            raise KeyboardInterrupt
        move(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(returned, "_move", killed)
        follow(job, kaggle)
    assert job.store.folds_holding() == [0, 1]
    assert follow(job, kaggle) == 0
    assert len(kaggle.asked("SaveKernel")) == 1 and job.store.folds_holding("valid.npy") == [0, 1, 2]


def test_folds_that_changed_meanwhile_are_refused_and_nothing_is_moved(kaggle, job, here):
    table = job.folds_file.read_text().splitlines()
    swapped = [f"{line.rpartition(',')[0]},{(int(line.rpartition(',')[2]) + 1) % 3}" for line in table[1:]]
    kaggle.runs_notebooks("RUNNING")
    with pytest.raises(UserError, match="no notebook"):
        # sent, and then lost sight of
        kaggle.answers["GetKernelSessionStatus"] = (404, {})
        kernel.run(job, [])
    job.folds_file.write_text("\n".join([table[0], *swapped]) + "\n")
    with pytest.raises(UserError, match=r"valid.npy that came back was made from other folds") as caught:
        follow(made_runs.job_of(here, NAME), kaggle)
    line_of(caught)
    assert not list(job.store.run_folder.glob("fold*"))


def test_pretrained_weights_travel_once_and_lie_where_they_lay(kaggle, job, tmp_path, monkeypatch):
    made_here = []
    monkeypatch.setattr(report, "run", lambda job, named: made_here.append(job.recipe.weights))
    # named from where one stands
    monkeypatch.chdir(tmp_path)
    file = Path("resnet_notop.h5")
    file.write_bytes(b"weights")
    there, far = tmp_path / "there", f"/tmp/segmentation/{session.PRETRAINED}/{file.name}"
    for record in [*there.rglob("*.inputs.json"), there / f"runs/demo/{NAME}/recipe.json"]:
        text = record.read_text().replace('"weights": "none"', f'"weights": "{far}"')
        record.write_text(text.replace('"encoder": ""', '"encoder": "resnet50"'))
    job = replace(job, recipe=replace(job.recipe, weights=str(file), encoder="resnet50"))
    kaggle.answers["StartBlobUpload"] = (200, {"token": "t", "createUrl": f"{kaggle.url}/put/upload"})
    kaggle.answers["upload"] = (200, {})
    kaggle.answers["CreateDataset"] = (200, {"url": "u", "status": "ok"})
    kaggle.answers["GetDatasetStatus"] = [(404, {}), (404, {}), (200, {"status": "READY"})]
    assert follow(job, kaggle, pretrained=far) == 0
    assert kaggle.asked("upload") == [b"weights"]
    assert json.loads(kaggle.asked("CreateDataset")[0])["isPrivate"]
    digest = disk.file_hash(file)
    assert sent(kaggle)["datasetDataSources"] == [f"someone/weights-{digest[:16]}"]
    pack = told(kaggle, tmp_path / "code")
    assert pack["pretrained"] == {
        "file": file.name,
        "hash": digest,
        "dataset": f"someone/weights-{digest[:16]}",
    }
    assert "--weights" not in pack["words"]
    assert disk.read_json(job.store.recipe)["weights"] == str(file)
    # the page would show where they lay there
    assert made_here == [str(file)]
    # what is there already is not sent again
    kaggle.calls.clear()
    kernels.give_weights(file, digest, "someone", tmp_path, kernels.place_of(KERNEL))
    assert [name for name, _ in kaggle.calls if name != "IntrospectToken"] == ["GetDatasetStatus"] * 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pseudo": "good"}, "predictions of another run do not travel"),
        ({"weights": "imagenet"}, "the notebook has no internet"),
        ({"weights": "/nowhere/x.h5"}, "is no file"),
    ],
)
def test_what_a_notebook_cannot_learn_is_refused_before_anything_is_asked(kaggle, job, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        kernel.run(replace(job, recipe=replace(job.recipe, **changes)), [])
    line_of(caught)
    assert kaggle.calls == []


def test_a_competition_that_is_not_on_kaggle_is_refused(kaggle, job):
    own = replace(job.competition, draw=None)
    with pytest.raises(UserError, match=r"demo is not on Kaggle: .*slug='USER/NAME'"):
        kernel.run(replace(job, competition=own), [])
    with pytest.raises(UserError, match="wants a competition and no further words"):
        kernel.run(None, [])


def test_of_a_competition_its_files_or_data_set_are_mounted(kaggle, job, tmp_path):
    kaggle.runs_notebooks("RUNNING")
    for slug, key in (("salt", "competitionDataSources"), ("owner/brains", "datasetDataSources")):
        asked = replace(job, competition=replace(job.competition, slug=slug), again=True)
        kaggle.answers["GetKernelSessionStatus"] = (404, {})
        with pytest.raises(UserError, match="no notebook"):
            kernel.run(asked, [])
        assert sent(kaggle)[key] == [slug]


# what the notebook does, without learning


def session_of(root: Path, output: Path, **changes) -> session.Session:
    job = made_runs.job_of(root, NAME)
    content = {
        "competition": "demo",
        "run": NAME,
        "words": ["demo"],
        "folds": job.folds_file.name,
        "data": {kind: job.prepared.fingerprint(kind) for kind in session.KINDS},
        "fold_table": job.fold_table.fingerprint(),
        "earlier": "",
        "pretrained": None,
        "pack": "p",
        **changes,
    }
    return session.Session(content, output / "input", output, root, 0.0)


def test_a_session_refuses_data_and_folds_that_are_not_those_of_the_pack(drawn, tmp_path):
    session._check_data(session_of(drawn, tmp_path))
    with pytest.raises(UserError, match="the test data on Kaggle is not what the machine has"):
        session._check_data(session_of(drawn, tmp_path, data={**session_of(drawn, tmp_path).told["data"], "test": "x"}))
    with pytest.raises(UserError, match="folds on Kaggle"):
        session._check_data(session_of(drawn, tmp_path, fold_table="x"))


@pytest.mark.parametrize("place", ["notebooks/someone/demo-far", "demo-far"])
def test_a_session_finds_the_output_that_it_goes_on_from(drawn, tmp_path, place):
    found = session_of(drawn, tmp_path, earlier=KERNEL)
    with pytest.raises(UserError, match="Kaggle has not mounted"):
        session._earlier(found)
    (tmp_path / "input" / place / "runs" / "demo" / NAME).mkdir(parents=True)
    assert session._earlier(found) == tmp_path / "input" / place


def test_a_session_at_its_end_ends_the_pipeline_and_leaves_what_there_is(drawn, tmp_path):
    found = session_of(drawn, tmp_path)
    status, _ = session._run(found, ["demo", "--help"])
    fold = tmp_path / "runs" / "demo" / NAME / "fold0"
    fold.mkdir(parents=True)
    (fold / "checkpoint.npz").write_bytes(b"c")
    (fold / "x.part-1-0a0b0c.npy").write_bytes(b"half")
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "demo-other.csv").write_text("of another run")
    session._leave(found, status, "")
    came = disk.read_json(tmp_path / session.TOLD)
    assert status and came["cut_off"] and not came["finished"]
    assert list(came["files"]) == [f"runs/demo/{NAME}/fold0/checkpoint.npz"]


def test_a_session_tells_the_error_that_the_pipeline_ended_with(drawn, tmp_path, capsys):
    found = replace(session_of(drawn, tmp_path), until=float("inf"))
    status, error = session._run(replace(found, until=session.time.monotonic() + 60), ["nothing"])
    assert status == 2 and error.startswith("'nothing' is no competition")
    assert "error: 'nothing'" in capsys.readouterr().out


# the pack


def test_names_of_notebooks_are_what_kaggle_makes_of_their_titles():
    assert packed.slug_of("tgs", "default-epochs-3") == "tgs-default-epochs-3"
    # which is the same of several runs, that must not be versions of one notebook
    alike = [packed.slug_of("tgs", name) for name in ("Mine_2.5d", "mine-2-5d", "mine_2_5d", "MINE-2-5D", "é", "ü")]
    assert alike[1] == "tgs-mine-2-5d" and alike[0].startswith("tgs-mine-2-5d-") and len(set(alike)) == 6
    long = [packed.slug_of("tgs", f"default-{'x' * 60}-{end}") for end in "ab"]
    assert len(set(long)) == 2 and all(len(name) <= 50 and not name.endswith("-") for name in long)


def test_a_pack_is_the_same_for_the_same_and_one_that_is_too_large_is_refused(job, tmp_path, monkeypatch):
    first, second = (packed.write(tmp_path, KERNEL, job, None) for _ in range(2))
    other = packed.write(tmp_path, KERNEL, replace(job, folds=(1,)), None)
    assert first == second != other
    monkeypatch.setattr(packed, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"the notebook would have 0\.\d\d MB, and Kaggle takes 0.001"):
        packed.write(tmp_path, KERNEL, job, None)


@pytest.mark.slow
def test_the_notebook_itself_learns_and_what_it_leaves_is_up_to_date_here(kaggle, drawn, tmp_path, monkeypatch):
    """The cells as Kaggle gets them, in a Python of their own, with its folders below the test's."""
    root, words = tmp_path / "here", ["--run", NAME, "--folds", "3", "--trained-folds", "1", "--model", "classical"]
    shutil.copytree(drawn, root)
    (tmp_path / "kaggle" / "working").mkdir(parents=True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle.runs_notebooks("RUNNING", "ERROR", log=json.dumps([{"data": "no\n"}]))
    # the server is this process's: what asks it runs here
    from pipeline.__main__ import main

    assert main(["demo", "kernel", *words, "--root", str(root)]) == 2
    text = "\n".join(cells(kaggle)[1:])
    for name in ("/kaggle/", "/tmp/segmentation"):
        text = text.replace(f'"{name}', f'"{tmp_path}{name}')
    (tmp_path / "cells.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "cells.py"], cwd=tmp_path, env=environment(PYTHONPATH=""), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    working = tmp_path / "kaggle" / "working"
    kaggle.runs_notebooks(
        "RUNNING",
        "COMPLETE",
        output={
            path.relative_to(working).as_posix(): path.read_bytes() for path in working.rglob("*") if path.is_file()
        },
    )
    assert main(["demo", "kernel", *words, "--root", str(root)]) == 0
    out = run("demo", *words, root=root)
    assert out.count("up to date") == 8, out
