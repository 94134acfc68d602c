"""Finished files are the only state: atomic writes, and the record of what a file was made from."""

import csv
import errno
import hashlib
import io
import json
import os
import shutil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.store import disk, paths, records

INPUTS = {"prepared": "abc", "recipe": {"epochs": 3}}


def write(path, text="content", inputs=INPUTS):
    with records.recorded(path, inputs) as part:
        part.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def age(path, seconds=100):
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - seconds * 10**9))


def test_a_file_gets_its_name_when_the_block_ends_well(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    with disk.atomic(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("name", ["x.npy", "model.weights.h5", "tgs-quick-shift-0.5.csv", "ledger"])
def test_the_temporary_name_is_beside_it_of_ones_own_and_keeps_the_suffix(tmp_path, name):
    path = tmp_path / name
    with disk.atomic(path) as part, disk.atomic(path) as other:
        assert part.parent == tmp_path and part != other
        assert part.suffix == path.suffix or not path.suffix
        assert disk.is_part(part.name) and not disk.is_part(name) and not disk.is_part(f"mine.part.{name}")
        part.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("written", "what"), [(disk.atomic, "file"), (disk.whole_folder, "folder")])
def test_what_is_neither_a_file_nor_a_folder_is_not_replaced(tmp_path, written, what):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=f"pipe is no {what}; move it away"), written(tmp_path / "pipe"):
        pytest.fail("is written")
    assert (tmp_path / "pipe").is_fifo() and names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_file_that_the_disk_does_not_take_is_named(tmp_path, number):
    with pytest.raises(UserError, match=r"cannot write .*x\.csv: "), disk.atomic(tmp_path / "x.csv"):
        raise OSError(number, os.strerror(number))


def test_a_folder_is_exchanged_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "prepared"
    for at_once in (True, False):
        if not at_once:
            monkeypatch.setattr(disk, "_exchanged_at_once", lambda *_: False)
        for text in ("first", "second"):
            with disk.whole_folder(folder) as part:
                (part / "a").write_text(text)
            assert (folder / "a").read_text() == text and list(tmp_path.iterdir()) == [folder]
        with pytest.raises(RuntimeError), disk.whole_folder(folder) as part:
            (part / "a").write_text("third")
            raise RuntimeError
        assert (folder / "a").read_text() == "second" and list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_a_killed_process_took_away_comes_back(tmp_path):
    (tmp_path / "prepared.before").mkdir()
    disk.restore_folder(tmp_path / "prepared")
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    disk.restore_folder(tmp_path / "prepared")


def test_what_cannot_be_removed_does_not_hide_why(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(type(tmp_path), "unlink", refuse)
    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: Read-only"):
        disk.write_text(tmp_path / "a.txt", "")


def _folder(path):
    path.mkdir()


def _fifo(path):
    os.mkfifo(path)


def _denied(path):
    path.write_text("{}")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_folder, "is no file"),
        (_fifo, "is no file"),
        (lambda path: None, "No such file"),
        (_denied, "Permission denied"),
    ],
)
@pytest.mark.parametrize("read", [disk.read_bytes, disk.read_text, disk.read_json, disk.read_rows])
def test_what_stands_in_a_files_place_is_a_line(tmp_path, monkeypatch, make, says, read):
    path = tmp_path / "a.json"
    make(path)
    if make is _denied:
        # root may read everything
        monkeypatch.setattr(type(path), "read_bytes", lambda _: _raise(errno.EACCES))
    with pytest.raises(UserError, match=says) as found:
        read(path)
    assert len(str(found.value).splitlines()) == 1


def _raise(number):
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing in it"),
        ("b\n1\n", "no column 'a'"),
        ("a,b\n1\n", r"row 2: 1 field\(s\) under 2 names"),
        ("a,b\n1,2,3\n", r"row 2: 3 field\(s\) under 2 names"),
        ('a\n"1', "is not a csv"),
    ],
)
def test_rows_of_another_form_are_refused(tmp_path, text, says):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        disk.read_rows(path, "a")


def test_a_field_may_be_as_long_as_a_pictures_run_lengths(tmp_path):
    disk.write_rows(tmp_path / "a.csv", ["a"], [["1" * 1_000_000]])
    assert disk.read_columns(tmp_path / "a.csv", ["a"]) == {"a": ["1" * 1_000_000]}


@given(st.text(st.sampled_from('a,\n\r"0 \x0b\u2028'), max_size=12))
@example("")
@example("\n\n")
@example("a,b\r\n1,2\r\n")
def test_a_csv_without_quotes_is_read_as_the_csv_module_reads_it(text):
    def fields(rows):
        try:
            return list(rows())
        except csv.Error as error:
            return str(error)

    strictly = fields(lambda: csv.reader(io.StringIO(text, newline=""), strict=True))
    assert fields(lambda: disk._rows_of(text)) == strictly


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,b\r\n1,2\r\n", "\ufeffa,b\n\n1,2\n\n"])
def test_rows_have_the_names_of_their_columns(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert disk.read_rows(path, "b") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_the_old_file_stays_whole_when_the_block_raises(tmp_path, stop):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(stop), disk.atomic(path) as part:
        part.write_text("half of the n")
        raise stop
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_told_to_the_user_and_the_old_file_stays(tmp_path, fault):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UserError, match=rf"cannot write .*a\.txt: {os.strerror(fault)}"), disk.atomic(path) as part:
        part.write_text("half")
        raise OSError(fault, os.strerror(fault))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_name_that_is_not_utf8_is_told_to_the_user_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.txt"
    disk.write_text(path, "old")
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: 'images=a\\udcffb' is not UTF-8; rename"):
        disk.write_text(path, "images=a\udcffb")
    with pytest.raises(UserError, match="is not UTF-8"):
        disk.write_rows(path, ["id"], [["a\udcffb"]])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_kind_is_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), disk.atomic(tmp_path / "a.txt"):
        (tmp_path / "nowhere").read_text()


def test_a_file_where_a_folder_should_be_is_told_to_the_user(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="runs"):
        disk.write_text(tmp_path / "runs" / "demo" / "a.txt", "text")


def test_rows_are_written_with_blank_fields_for_none_and_quotes_where_needed(tmp_path):
    disk.write_rows(tmp_path / "a.csv", ["id", "value"], [["a", None], ["b,c", 0.1]])
    assert (tmp_path / "a.csv").read_bytes() == b'id,value\na,\n"b,c",0.1\n'


def test_json_comes_back_as_it_was_written(tmp_path):
    content = {"a": [1, 0.1, None, True], "b": {"c": "ü"}}
    disk.write_json(tmp_path / "a.json", content)
    assert disk.read_json(tmp_path / "a.json") == content


@pytest.mark.parametrize("rubbish", [b"", b"{", b"{'a': 1}", b"a: 1", b"\xff\xfe\x00", b'{"a": 1}}', b"\x00" * 64])
def test_rubbish_is_no_json(tmp_path, rubbish):
    (tmp_path / "a.json").write_bytes(rubbish)
    with pytest.raises(UserError, match=r"a\.json is not (valid json|text in UTF-8)") as found:
        disk.read_json(tmp_path / "a.json")
    assert len(str(found.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_missing_with_and_without_a_record(tmp_path):
    path = tmp_path / "a.txt"
    assert records.state(path, INPUTS) == "missing"
    write(path)
    path.unlink()
    assert records.record_path(path).exists()
    assert records.state(path, INPUTS) == "missing"
    assert records.read_record(path) is None


def test_a_file_made_from_the_inputs_of_today_is_current_and_of_others_stale(tmp_path):
    path = tmp_path / "a.txt"
    write(path)
    assert records.state(path, INPUTS) == "current"
    assert records.state(path, {**INPUTS, "prepared": "abd"}) == "stale"
    assert records.state(path, {**INPUTS, "recipe": {"epochs": 4}}) == "stale"
    assert records.state(path, {"prepared": "abc"}) == "stale"
    assert records.state(path, {**INPUTS, "more": 1}) == "stale"
    assert records.state(path, {}) == "stale"


def test_the_record_stands_beside_the_file_with_its_hash_and_its_inputs(tmp_path):
    path = tmp_path / "thresholds.json"
    write(path, "content")
    record = json.loads((tmp_path / "thresholds.json.inputs.json").read_text())
    assert record["inputs"] == INPUTS
    assert record["output"] == hashlib.sha256(b"content").hexdigest()
    assert names(tmp_path) == ["thresholds.json", "thresholds.json.inputs.json"]


def test_a_file_without_a_record_is_yours(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("by hand")
    assert records.state(path, INPUTS) == "yours"
    write(path)
    records.record_path(path).unlink()
    assert records.state(path, INPUTS) == "yours"


@pytest.mark.parametrize("text", ["changed", "content and more", "", "cont_nt"])
def test_a_file_changed_since_it_was_written_is_yours(tmp_path, text):
    path = tmp_path / "a.txt"
    write(path)
    age(path)  # a change in the same tick of the clock and of the same length cannot be told
    path.write_text(text)
    assert records.state(path, INPUTS) == "yours"
    assert records.state(path, {}) == "yours"


def test_a_file_that_was_touched_or_copied_but_holds_the_same_is_still_current(tmp_path):
    path = tmp_path / "a.txt"
    write(path)
    os.utime(path)
    assert records.state(path, INPUTS) == "current"
    age(path)
    assert records.state(path, INPUTS) == "current"
    assert records.state(path, {}) == "stale"
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert records.state(tmp_path / "copy" / "a.txt", INPUTS) == "current"


def test_an_edit_taken_back_is_current_again(tmp_path):
    path = tmp_path / "a.txt"
    write(path)
    age(path)
    path.write_text("changed")
    assert records.state(path, INPUTS) == "yours"
    path.write_text("content")
    assert records.state(path, INPUTS) == "current"


def test_writing_again_replaces_what_was_yours(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("by hand")
    write(path, "ours")
    assert records.state(path, INPUTS) == "current"
    assert path.read_text() == "ours"


def test_a_block_that_raises_leaves_file_and_record_as_they_were(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "old")
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with pytest.raises(KeyboardInterrupt), records.recorded(path, {"other": 1}) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert records.state(path, INPUTS) == "current"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("moment", ["hashing", "before the record", "after the record", "before the name"])
def test_killed_at_any_moment_a_file_never_looks_like_the_users(tmp_path, monkeypatch, existed, moment):
    path = tmp_path / "a.txt"
    if existed:
        write(path, "old", {"old": 1})

    def kill(*arguments, **options):
        raise Killed

    def write_and_kill(*arguments, real=disk.write_json):
        real(*arguments)
        raise Killed

    real_replace = type(path).replace

    def replace(part, target):
        if target == path:
            raise Killed
        return real_replace(part, target)

    with monkeypatch.context() as patch:
        if moment == "hashing":
            patch.setattr(records, "file_hash", kill)
        elif moment == "before the name":
            patch.setattr(type(path), "replace", replace)
        else:
            patch.setattr(records, "write_json", kill if moment == "before the record" else write_and_kill)
        with pytest.raises(Killed):
            write(path, "new")
    found = records.state(path, INPUTS)
    assert found == ("stale" if existed and moment == "hashing" else "missing")
    assert not path.exists() or path.read_text() == "old"
    assert not list(tmp_path.glob("*.part*"))
    write(path, "new")
    assert records.state(path, INPUTS) == "current"


def test_the_record_is_in_place_before_the_file_is(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    seen = []
    real = os.fsync

    def look(number):
        seen.append((path.exists(), records.record_path(path).exists()))
        real(number)

    monkeypatch.setattr(os, "fsync", look)
    write(path)
    # both are on the disk before they get their names, the record first
    assert seen == [(False, False), (False, True)]


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "1", "{}", '"a"', '{"output": 3}'])
def test_a_record_of_rubbish_is_refused_or_makes_the_file_yours(tmp_path, rubbish):
    path = tmp_path / "a.txt"
    write(path)
    records.record_path(path).write_text(rubbish)
    try:
        assert records.state(path, INPUTS) == "yours"
    except UserError as error:
        assert "a.txt.inputs.json" in str(error)


def test_a_fingerprint_is_that_of_the_content(tmp_path):
    ours, theirs = tmp_path / "a.txt", tmp_path / "b.txt"
    write(ours, "same")
    theirs.write_text("same")
    digest = hashlib.sha256(b"same").hexdigest()
    assert records.fingerprint(ours) == records.fingerprint(theirs) == disk.file_hash(theirs) == digest
    for path in (ours, theirs):
        age(path)
        path.write_text("other")
        assert records.fingerprint(path) == hashlib.sha256(b"other").hexdigest()


def test_a_text_hash_tells_sequences_apart():
    hashes = [disk.text_hash(*words) for words in ([], ["a"], ["b"], ["a", "b"], ["ab"], ["a", "", "b"], [1, 2], [12])]
    assert len(set(hashes)) == len(hashes)
    assert disk.text_hash("a", 1) == disk.text_hash("a", "1")


def test_the_files_of_a_run_are_where_the_contract_says(tmp_path):
    files = paths.Store(tmp_path, "tgs", "mine")
    shown = {
        "data/tgs/raw": files.raw,
        "data/tgs/prepared": files.prepared,
        "folds/tgs.csv": files.folds(5),
        "folds/tgs-10.csv": files.folds(10),
        "runs/tgs/mine/recipe.json": files.recipe,
        "runs/tgs/mine/fold2": files.fold(2),
        "runs/tgs/mine/foldall": files.fold("all"),
        "runs/tgs/mine/thresholds.json": files.thresholds,
        "runs/tgs/mine/report.html": files.report,
        "submissions/tgs-mine.csv": files.submission,
        "submissions/ledger.csv": files.ledger,
    }
    for name, path in shown.items():
        assert path == tmp_path / name
        assert files.shown(path) == name
    assert files.shown(tmp_path.parent / "x") == str(tmp_path.parent / "x")


def test_folds_holding_counts_only_folders_with_every_file(tmp_path):
    files = paths.Store(tmp_path, "tgs", "mine")
    for fold, held in {"0": "ab", "10": "ab", "2": "ab", "3": "a", "all": "ab", "x": "ab", "": "ab"}.items():
        for name in held:
            disk.write_text(files.fold(fold) / name, "")
    assert files.folds_holding("a", "b") == [0, 2, 10, "all"]
    assert files.folds_holding("a") == [0, 2, 3, 10, "all"]
    assert files.folds_holding("c") == []
    assert paths.Store(tmp_path, "tgs", "other").folds_holding("a") == []


def test_the_first_of_several_processes_decides(tmp_path):
    path = tmp_path / "runs" / "recipe.json"
    disk.write_json_once(path, {"epochs": 3})
    disk.write_json_once(path, {"epochs": 4})
    assert disk.read_json(path) == {"epochs": 3} and [file.name for file in path.parent.iterdir()] == ["recipe.json"]


def test_the_first_decides_also_where_there_are_no_links(tmp_path, monkeypatch):
    def none(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", none)
    test_the_first_of_several_processes_decides(tmp_path)
