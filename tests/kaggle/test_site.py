"""Downloads with Kaggle's real client from a small server: failures are one line, nothing half-done looks done."""

import base64
import json
import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.kaggle import site
from pipeline.raw.files import RawFiles
from tests.kaggle.server import Cut, zip_of

pytest_plugins = ["tests.kaggle.fixtures"]

SLUG = "tgs-salt-identification-challenge"
PAGE = "https://www.kaggle.com/c/tgs-salt-identification-challenge"
RULES = {"code": 403, "message": "You must accept this competition's rules\nbefore you download files."}
ZIP = zip_of(train=bytes(range(256)) * 40, test=b"x" * 999)
# the client writes whole MiB: 2 of this one's first 2.5 are kept when the connection breaks there
BIG = zip_of(train=bytes(3 << 20))
BIG_CUT, KEPT = Cut(BIG[: 5 << 19], len(BIG)), f"bytes={2 << 20}-"


def line_of(caught) -> str:
    line = str(caught.value)
    assert "\n" not in line
    return line


def fetch(tmp_path, slug=SLUG, say=print) -> Path:
    return site.download(slug, tmp_path / "raw", PAGE, say)


@pytest.mark.parametrize(("slug", "name"), [(SLUG, f"{SLUG}.zip"), ("someone/brains", "brains.zip")])
def test_a_download_arrives_as_one_zip_and_prints_nothing(kaggle, tmp_path, capfd, slug, name):
    kaggle.offers(ZIP)
    path = fetch(tmp_path, slug)
    assert path == tmp_path / "raw" / name
    assert path.read_bytes() == ZIP
    assert not (tmp_path / "raw.part").exists()
    assert capfd.readouterr() == ("", "")
    asked = json.loads(kaggle.asked("DownloadDataset" if "/" in slug else "DownloadDataFiles")[0])
    assert asked.get("competitionName") == (None if "/" in slug else slug)
    assert kaggle.authorization == "Bearer a-token"


def test_a_zip_that_was_cut_off_is_downloaded_again(kaggle, tmp_path):
    said = []
    kaggle.offers(ZIP[:700], ZIP)
    assert fetch(tmp_path, say=said.append).read_bytes() == ZIP
    assert len(kaggle.asked("archive.zip")) == 2
    assert len(said) == 1
    assert "again" in said[0]


def test_a_zip_that_is_always_bad_is_given_up_and_leaves_nothing(kaggle, tmp_path):
    damaged = bytearray(ZIP)
    damaged[300] ^= 255
    kaggle.offers(ZIP[:-5], bytes(damaged))
    with pytest.raises(UserError, match=r"cut off twice.*--data DIR") as caught:
        fetch(tmp_path)
    line_of(caught)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_a_connection_that_breaks_goes_on_where_it_was(kaggle, tmp_path, no_sleep):
    kaggle.offers(BIG_CUT, BIG)
    assert fetch(tmp_path).read_bytes() == BIG
    assert kaggle.asked("archive.zip") == ["", KEPT]
    assert no_sleep


def test_a_download_that_was_given_up_goes_on_at_the_next_start(kaggle, tmp_path, no_sleep):
    kaggle.offers(BIG_CUT)
    with pytest.raises(UserError, match=r"connection to Kaggle failed.*--data DIR"):
        fetch(tmp_path)
    assert not (tmp_path / "raw").exists()
    kaggle.offers(BIG)
    kaggle.calls.clear()
    assert fetch(tmp_path).read_bytes() == BIG
    assert kaggle.asked("archive.zip") == ["", KEPT]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"code": 401, "message": "Unauthenticated"}, ["401", "kaggle.com/settings", "--data DIR"]),
        (403, RULES, ["403", "rules before you download", f"accept the rules at {PAGE}/rules", "--data DIR"]),
        (404, {"code": 404, "message": "Not found"}, [f"no competition {SLUG}", "slug", "--data DIR"]),
        (429, {"code": 429, "message": "Too many requests"}, ["429", "few minutes"]),
        (503, b"<html>", ["503", "later", "--data DIR"]),
        (400, {"code": 400, "message": "Too odd."}, ["400", "Too odd", "put that right"]),
        (200, b"<html>please log in to this network</html>", ["cut off twice"]),
    ],
)
def test_refusals_are_one_line_that_says_what_to_do(kaggle, tmp_path, status, body, words):
    kaggle.answers["DownloadDataFiles"] = (status, body)
    with pytest.raises(UserError) as caught:
        fetch(tmp_path)
    for word in words:
        assert word in line_of(caught)
    assert not (tmp_path / "raw").exists()


def test_a_refused_data_set_has_no_rules_page(kaggle, tmp_path):
    kaggle.answers["DownloadDataset"] = (403, RULES)
    with pytest.raises(UserError, match="agree to its terms") as caught:
        fetch(tmp_path, "someone/brains")
    assert "/rules" not in line_of(caught)


def test_no_credentials_says_how_to_get_them_and_how_to_do_without(logged_out, tmp_path, capfd):
    with pytest.raises(UserError) as caught:
        fetch(tmp_path)
    for word in ("no Kaggle credentials", "kaggle.com/settings", "KAGGLE_API_TOKEN", PAGE, "--data DIR"):
        assert word in line_of(caught)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", [(200, {"active": False}), (403, {"code": 403, "message": "Bad token"})])
def test_a_token_that_kaggle_does_not_know_is_named(kaggle, tmp_path, answer):
    kaggle.answers["IntrospectToken"] = answer
    with pytest.raises(UserError, match="does not accept the token in KAGGLE_API_TOKEN"):
        fetch(tmp_path)


def test_name_and_key_of_an_older_kaggle_json_are_used(kaggle, logged_out, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (logged_out / "kaggle.json").write_text('{"username": "someone", "key": "abc"}')
    kaggle.offers(ZIP)
    fetch(tmp_path)
    assert kaggle.authorization == "Basic " + base64.b64encode(b"someone:abc").decode()


@pytest.mark.parametrize("token", [True, False])
def test_no_network(kaggle, logged_out, tmp_path, monkeypatch, token):
    if not token:
        monkeypatch.delenv("KAGGLE_API_TOKEN")
        (logged_out / "kaggle.json").write_text('{"username": "someone", "key": "abc"}')
    kaggle.__exit__()
    with pytest.raises(UserError, match=r"connection to Kaggle failed.*network.*--data DIR") as caught:
        fetch(tmp_path)
    line_of(caught)


def test_a_network_that_says_nothing_is_not_waited_for(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "PATIENCE", (5, 0.05))
    kaggle.answers["DownloadDataFiles"] = lambda: time.sleep(0.3) or (503, b"")
    with pytest.raises(UserError, match="ReadTimeout"):
        fetch(tmp_path)


def test_a_full_disk_says_so(kaggle, tmp_path):
    place = site.Place(SLUG, PAGE, "")
    with (
        pytest.raises(UserError, match=r"cannot write.*No space left.*--root DIR"),
        site.client(place),
    ):
        raise OSError(28, "No space left on device", "x.zip")


# zips from strangers


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "/etc/a.png", "..\\a.png", "C:\\a.png"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "outer.zip").write_bytes(zip_of(**{"inner.zip": zip_of(**{name: b"x"})}))
    with pytest.raises(UserError, match="leaves its folder"), RawFiles(tmp_path / "raw"):
        pass


def test_dots_inside_names_are_harmless(tmp_path):
    (tmp_path / "raw.zip").write_bytes(zip_of(**{"a..b/c.png": b"x"}))
    with RawFiles(tmp_path) as raw:
        assert raw.names == ["raw.zip/a..b/c.png"]
