"""Submitting with Kaggle's real client to a small server: the quota, the score, and the ledger."""

import csv
import json
from dataclasses import replace

import pytest

from pipeline.command import order
from pipeline.competitions.demo import competition as demo
from pipeline.competitions.tgs import competition as tgs
from pipeline.errors import UserError
from pipeline.kaggle import site
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import upload
from pipeline.store import ledger
from pipeline.store.disk import file_hash, write_json
from pipeline.store.paths import Store
from pipeline.store.records import recorded

pytest_plugins = ["tests.kaggle.fixtures"]

SLUG = "tgs-salt-identification-challenge"
PAGE = "https://www.kaggle.com/c/tgs-salt-identification-challenge"
RULES = {"code": 403, "message": "You must accept this competition's rules\nbefore you download files."}
SPENT = {"code": 400, "message": "Submission not allowed: your team has used its daily allotment (5) today."}


def line_of(caught) -> str:
    line = str(caught.value)
    assert "\n" not in line
    return line


def pending(ref=7):
    return {"ref": ref, "status": "PENDING", "description": "mine"}


def scored(ref=7, **more):
    return {"ref": ref, "status": "COMPLETE", "publicScore": "0.781", "description": "mine", **more}


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,rle_mask\na,1 1\n")
    return path


def send(csv_file) -> int:
    return site.submit(SLUG, csv_file, "mine", PAGE)


def test_a_submission_carries_file_and_message(kaggle, csv_file, capfd):
    kaggle.takes()
    assert send(csv_file) == 7
    assert kaggle.asked("upload") == [csv_file.read_bytes()]
    asked = json.loads(kaggle.asked("CreateSubmission")[0])
    assert asked == {"competitionName": SLUG, "blobFileTokens": "t", "submissionDescription": "mine"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "answer", [(400, SPENT), (400, {"code": 400, "message": "No."}), (200, {"message": SPENT["message"]})]
)
def test_a_used_up_quota_is_recognised_by_words_or_by_count(kaggle, csv_file, answer):
    kaggle.takes()
    kaggle.answers["CreateSubmission"] = answer
    kaggle.answers["GetSubmissionLimits"] = (200, {"numToday": 5, "numTotal": 9, "numAllowedNow": 0})
    with pytest.raises(UserError, match=r"no more submissions.*midnight UTC") as caught:
        send(csv_file)
    line_of(caught)


@pytest.mark.parametrize("limits", [(200, {"numToday": 0, "numAllowedNow": 0}), (500, {})])
def test_another_refusal_is_no_quota(kaggle, csv_file, limits):
    kaggle.takes()
    kaggle.answers["CreateSubmission"] = (400, {"code": 400, "message": "Wrong columns"})
    kaggle.answers["GetSubmissionLimits"] = limits
    with pytest.raises(UserError, match=r"Wrong columns.*by hand"):
        send(csv_file)


def test_rules_and_broken_uploads_when_submitting(kaggle, csv_file):
    kaggle.takes()
    kaggle.answers["upload"] = (400, {})
    with pytest.raises(UserError, match="broke off"):
        send(csv_file)
    kaggle.answers["StartSubmissionUpload"] = (403, RULES)
    with pytest.raises(UserError, match=f"accept the rules at {PAGE}/rules"):
        send(csv_file)


def wait(reference=7, timeout=5.0):
    return site.wait_for_score(SLUG, reference, "mine", PAGE, timeout=timeout, every=0.01)


@pytest.mark.parametrize("reference", [7, 0])
def test_the_score_is_waited_for(kaggle, reference):
    kaggle.takes([], [pending()], [scored(ref=8, description="other"), scored(privateScore="0.8")])
    # a network that is away for a moment is only no news
    kaggle.answers["ListSubmissions"].insert(1, (503, b""))
    assert wait(reference) == ("0.781", "0.8")
    assert len(kaggle.asked("ListSubmissions")) == 4


def test_no_score_in_time_and_a_file_kaggle_cannot_score(kaggle):
    kaggle.takes([pending()])
    assert wait(timeout=0.02) is None
    kaggle.takes([{"ref": 7, "status": "ERROR", "errorDescription": "row 3\nis wrong"}])
    with pytest.raises(UserError, match=r"could not score.*row 3 is wrong") as caught:
        wait()
    line_of(caught)


# the stage upload


@pytest.fixture
def ready(kaggle, job_of, monkeypatch):
    """A job with a submission, thresholds and a validation that finds it good."""
    monkeypatch.setattr("pipeline.store.answer_file.validate", lambda path, form, expected: None)
    # the validation that would read it is replaced
    monkeypatch.setattr("pipeline.runs.trained.expected", lambda job: None)
    job = job_of()
    job.store.submission.parent.mkdir()
    with recorded(job.store.submission, {}) as part:
        part.write_text("id,rle_mask\na,1 1\n")
    with recorded(job.store.thresholds, {}) as part:
        write_json(part, {"oof": 0.78125, "cross_fitted": None})
    kaggle.takes([scored()])
    return job


def rows_of(job) -> list[dict]:
    with job.store.ledger.open() as file:
        return list(csv.DictReader(file))


def test_an_upload_is_noted_with_its_scores(kaggle, ready):
    upload.run(ready, named=True, every=0.01)
    upload.run(replace(ready, message="wider\nnet"), named=True, every=0.01)
    rows = rows_of(ready)
    assert list(rows[0]) == ledger.COLUMNS
    assert len(rows) == 2
    assert rows[0]["when"].endswith("+00:00")
    assert {**rows[0], "when": ""} == {
        "when": "",
        "competition": "tgs",
        "run": "quick",
        "file_hash": file_hash(ready.store.submission),
        "out_of_fold": "0.78125",
        "cross_fitted": "",
        "public": "0.781",
        "private": "",
    }
    messages = [json.loads(asked)["submissionDescription"] for asked in kaggle.asked("CreateSubmission")]
    assert messages[0] == "run quick, out-of-fold 0.7812, cross-fitted unknown"
    assert messages[1] == f"wider net | {messages[0]}"


def test_without_a_score_the_upload_is_still_noted(kaggle, ready, capsys):
    kaggle.takes([pending()])
    upload.run(ready, named=True, timeout=0.01, every=0.01)
    assert rows_of(ready)[0]["public"] == ""
    assert PAGE in capsys.readouterr().out


@pytest.mark.parametrize("what", [KeyboardInterrupt, UserError])
def test_stopped_while_waiting_the_upload_is_still_noted(ready, monkeypatch, what):
    def stop(*arguments, **options):
        raise what

    monkeypatch.setattr(site, "wait_for_score", stop)
    with pytest.raises(what):
        upload.run(ready, named=True)
    assert rows_of(ready)[0]["file_hash"] == file_hash(ready.store.submission)


def test_a_row_written_by_another_upload_meanwhile_is_kept(ready, monkeypatch):
    other = dict.fromkeys(ledger.COLUMNS, "other")

    def meanwhile(*arguments, **options):
        ledger.write_row(ready.store.ledger, other)
        return "0.9", ""

    monkeypatch.setattr(site, "wait_for_score", meanwhile)
    upload.run(ready, named=True)
    assert sorted(row["public"] for row in rows_of(ready)) == ["0.9", "other"]


def test_nothing_leaves_before_everything_is_right(kaggle, ready, monkeypatch):
    for changes in ({"uploads": False}, {"slug": ""}, {"slug": "someone/brains"}):
        with pytest.raises(UserError, match="takes no submissions"):
            upload.refuse(replace(ready, competition=replace(tgs, **changes)))
    ready.store.ledger.write_text("when,what\n")
    with pytest.raises(UserError, match="mend or move it"):
        upload.run(ready, named=True)

    def invalid(path, form, expected):
        raise UserError("row 2 is wrong")

    monkeypatch.setattr("pipeline.store.answer_file.validate", invalid)
    with pytest.raises(UserError, match="row 2 is wrong"):
        upload.run(ready, named=True)
    assert kaggle.calls == []
    assert not upload.is_current(ready)


def test_a_score_that_is_not_of_the_file_is_not_written_down(kaggle, ready):
    """Thresholds or csv changed by hand: what was measured before says nothing about them."""
    ready.store.submission.write_text("id,rle_mask\na,1 2\n")
    upload.run(ready, named=True, timeout=1, every=0.01)
    row = rows_of(ready)[0]
    assert (row["out_of_fold"], row["cross_fitted"]) == ("", "")


NOTEBOOK = "someone/tgs-infer/3"


def test_a_version_of_a_notebook_is_submitted_in_the_place_of_a_csv(kaggle, ready, capsys):
    """Its answer is made on Kaggle: no csv need be here."""
    ready.store.submission.unlink()
    kaggle.takes([scored()])
    kaggle.answers["CreateCodeSubmission"] = (200, {"message": "Successfully submitted", "ref": 7})
    order.run(replace(ready, kernel=NOTEBOOK, message="mine"), ["upload"])
    (asked,) = kaggle.asked("CreateCodeSubmission")
    message = "mine | run quick, out-of-fold 0.7812, cross-fitted unknown"
    assert json.loads(asked) == {
        "competitionName": SLUG,
        "kernelOwner": "someone",
        "kernelSlug": "tgs-infer",
        "kernelVersion": 3,
        "fileName": "submission.csv",
        "submissionDescription": message,
    }
    assert not kaggle.asked("upload")
    (row,) = rows_of(ready)
    assert (row["run"], row["file_hash"], row["public"]) == ("quick", NOTEBOOK, "0.781")
    assert f"{NOTEBOOK} is with Kaggle: {message}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "said", "says"),
    [
        (400, SPENT["message"], "no more submissions.*midnight UTC"),
        (
            400,
            "Submission not allowed: your notebook has no output",
            r"your notebook has no output.*by hand at .*tgs-infer",
        ),
        (404, "none", "knows no competition"),
    ],
)
def test_a_notebook_that_is_not_taken_is_a_line(kaggle, ready, status, said, says):
    kaggle.answers["CreateCodeSubmission"] = (status, {"code": status, "message": said})
    with pytest.raises(UserError, match=says) as caught:
        order.run(replace(ready, kernel=NOTEBOOK), ["upload"])
    line_of(caught)
    assert not ready.store.ledger.exists()


@pytest.mark.parametrize(
    "words", ["tgs-infer", "someone/tgs-infer", "someone/tgs-infer/latest", "a/b/c/1", "x/tgs-infer/0"]
)
def test_what_names_no_version_of_a_notebook_is_refused_before_the_work(kaggle, ready, words):
    with pytest.raises(UserError, match="names no version of a notebook; write USER/SLUG/VERSION") as caught:
        order.run(replace(ready, kernel=words), ["upload"])
    line_of(caught)
    assert kaggle.calls == []


def test_a_csv_for_a_competition_of_notebooks_says_how_they_are_submitted(kaggle, csv_file):
    kaggle.takes()
    only = "Submission not allowed: This competition only accepts Submissions from Notebooks."
    kaggle.answers["CreateSubmission"] = (400, {"code": 400, "message": only})
    with pytest.raises(UserError, match=r"takes notebooks, no files .*upload --kernel USER/SLUG/VERSION") as caught:
        send(csv_file)
    line_of(caught)


def test_a_csv_of_ones_own_is_uploaded_with_nothing_trained(kaggle, demo_root, capsys):
    chosen = replace(demo, slug=SLUG, page=PAGE, uploads=True)
    job = Job(chosen, Recipe(), "default", Store(demo_root, "demo", "brought"))
    job.store.submission.parent.mkdir()
    job.store.submission.write_bytes(job.prepared.sample.read_bytes())
    kaggle.takes([scored()])
    order.run(job, ["upload"])
    assert "public 0.781" in capsys.readouterr().out
    (row,) = rows_of(job)
    assert (row["run"], row["public"], row["out_of_fold"]) == ("brought", "0.781", "")
    assert kaggle.asked("upload") == [job.store.submission.read_bytes()]
    assert not (demo_root / "runs").exists()
