"""`pack` and `infer`: a hidden test part answered by what was carried there, with nothing else."""

import json
import shutil
import subprocess

import cv2
import numpy as np
import pytest
import tifffile

from pipeline.packing import opened, packages
from pipeline.raw.files import RawFiles
from tests import packed_runs
from tests.start import TINY, run


@pytest.fixture
def infer(packed_root, tmp_path, monkeypatch):
    """Runs `infer` from the pack on a mounted folder: (what was printed, the submission)."""

    def start(mounted, *options, pack=None, status=0):
        pack = pack or packed_root / "runs" / "demo" / packed_runs.RUN / "pack"
        (tmp_path / "out").mkdir(exist_ok=True)
        monkeypatch.setattr(opened, "beside_the_code", lambda: pack)
        out = run("demo", "infer", "--data", mounted, *options, root=tmp_path / "out", status=status)
        return out, tmp_path / "out" / "submission.csv"

    return start


def submitted(root, name=packed_runs.RUN):
    return packed_runs.rows(root / "submissions" / f"demo-{name}.csv")


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_it_answers_as_submit_does_without_a_train_part(infer, packed_root, tmp_path, packed):
    packed_runs.mount(packed_root, tmp_path / "mounted", packed)
    pack = packed_root / "runs" / "demo" / packed_runs.RUN / "pack"
    before = packed_runs.everything_below(pack, tmp_path / "mounted")
    _, found = infer(tmp_path / "mounted")
    assert found.read_bytes() == (packed_root / "submissions" / "demo-plain.csv").read_bytes()
    assert sum(map(bool, submitted(packed_root).values())) > 50
    # nothing is written beside the code or the pictures
    assert packed_runs.everything_below(pack, tmp_path / "mounted") == before


def test_a_placeholder_of_three_rows_is_not_the_test_part(infer, packed_root, tmp_path):
    ids = sorted(packed_runs.mount(packed_root, tmp_path / "mounted"))
    packed_runs.sample(tmp_path / "mounted", ids[:3])
    out, found = infer(tmp_path / "mounted")
    assert "names 3 of 160 test pictures, so it is a placeholder" in out
    assert packed_runs.rows(found) == submitted(packed_root)
    packed_runs.sample(tmp_path / "mounted", [])
    assert packed_runs.rows(infer(tmp_path / "mounted")[1]) == submitted(packed_root)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rle_mask,id\n1 1,{0}\n", "has the columns rle_mask, id"),
        ("id,rle_mask\n{0},1 1\n{0},1 1\n", "{0} is in row 2, too"),
    ],
)
def test_a_sample_that_is_none_is_said_once(infer, packed_root, tmp_path, content, said):
    ids = sorted(packed_runs.mount(packed_root, tmp_path / "mounted"))
    (tmp_path / "mounted" / "sample_submission.csv").write_text(content.format(*ids))
    out, found = infer(tmp_path / "mounted")
    assert said.format(*ids) in out and "it is not used: all test pictures are answered" in out
    assert "placeholder" not in out and packed_runs.rows(found) == submitted(packed_root)


def test_ids_of_another_kind_in_the_sample_are_said(infer, packed_root, tmp_path):
    ids = sorted(packed_runs.mount(packed_root, tmp_path / "mounted"))
    packed_runs.sample(tmp_path / "mounted", [f"{name}.png" for name in ids])
    out, found = infer(tmp_path / "mounted")
    assert f"160 ids of sample_submission.csv have no picture and are left out: {ids[0]}.png" in out
    assert packed_runs.rows(found) == submitted(packed_root)


def test_options_of_a_run_mean_nothing_to_a_pack(infer, tmp_path):
    for options in (["--run", "other"], ["--fold", "1"], ["--width", "8"], ["--again"]):
        assert f"{options[0]} means nothing to infer" in infer(tmp_path, *options, status=2)[0]


def test_the_sample_says_the_order_and_what_is_asked(infer, packed_root, tmp_path):
    ids = list(packed_runs.mount(packed_root, tmp_path / "mounted"))
    asked = [*ids[100:], "nobody", *ids[1:100]]
    packed_runs.sample(tmp_path / "mounted", asked)
    out, found = infer(tmp_path / "mounted")
    assert f"left out: 1 test pictures that sample_submission.csv does not name: {ids[0]}" in out
    assert "1 ids of sample_submission.csv have no picture" in out
    rows = packed_runs.rows(found)
    assert list(rows) == asked and rows["nobody"] == ""
    assert {name: text for name, text in rows.items() if name != "nobody"} == {
        name: text for name, text in submitted(packed_root).items() if name != ids[0]
    }


def test_a_picture_that_nobody_expected_costs_its_own_row(infer, packed_root, tmp_path):
    files = packed_runs.mount(packed_root, tmp_path / "mounted")
    first, odd, grey, flat, wide, damaged = sorted(files)[:6]
    picture = cv2.imread(str(files[first]))
    cv2.imwrite(str(files[odd]), cv2.resize(picture, (37, 211)))
    cv2.imwrite(str(files[grey]), picture[..., 0])
    cv2.imwrite(str(files[flat]), np.full_like(picture, 77))
    cv2.imwrite(str(files[wide]), picture.astype(np.uint16) * 257)
    files[damaged].write_bytes(files[first].read_bytes()[:300])
    out, found = infer(tmp_path / "mounted")
    rows, before = packed_runs.rows(found), submitted(packed_root)
    assert list(rows) == list(before)
    assert rows[grey] == rows[wide] == before[first]
    assert rows[damaged] == ""
    others = [name for name in before if name not in (odd, grey, flat, wide, damaged)]
    assert all(rows[name] == before[name] for name in others)
    assert f"1 of 160 test pictures cannot be read and get an empty answer: {damaged}" in out
    assert "other channels or another depth than those that were learnt (1 of uint8)" in out and wide in out
    assert damaged in infer(tmp_path / "mounted", "--on-bad-image", "refuse", status=2)[0]


@pytest.mark.parametrize("target", ["nowhere", "itself"])
def test_a_link_that_leads_nowhere_costs_its_own_row(infer, packed_root, tmp_path, target):
    files = packed_runs.mount(packed_root, tmp_path / "mounted")
    name = sorted(files)[0]
    files[name].unlink()
    files[name].symlink_to("nowhere.png" if target == "nowhere" else files[name].name)
    out, found = infer(tmp_path / "mounted")
    assert f"1 of 160 test pictures cannot be read and get an empty answer: {name}" in out
    assert packed_runs.rows(found) == {**submitted(packed_root), name: ""}


def test_where_no_picture_can_be_read_there_is_no_submission(infer, packed_root, tmp_path):
    for path in packed_runs.mount(packed_root, tmp_path / "mounted").values():
        path.write_bytes(b"nothing")
    error, found = infer(tmp_path / "mounted", status=2)
    assert "none of the 160 test pictures can be read" in error and not found.exists()


def test_time_that_is_out_is_an_empty_row(infer, packed_root, tmp_path):
    packed_runs.mount(packed_root, tmp_path / "mounted")
    out, found = infer(tmp_path / "mounted", "--time-limit", "0.1s")
    assert "time limit: left out are networks but for 1 of 2" in out
    assert "time was out before 160 images" in out
    rows = packed_runs.rows(found)
    assert len(rows) == 160 and not any(rows.values())
    assert "--time-limit" in infer(tmp_path / "mounted", "--time-limit", "soon", status=2)[0]


def test_what_is_in_a_pack(packed_root):
    pack = packed_root / "runs" / "demo" / packed_runs.RUN / "pack"
    metadata = json.loads((pack / "dataset-metadata.json").read_text())
    assert metadata["id"].endswith("/demo-plain-pack") and 6 <= len(metadata["title"]) <= 50
    cells = json.loads((pack / "notebook.ipynb").read_text())["cells"]
    assert len(cells) == 3
    for cell in cells:
        compile("".join(cell["source"]), "cell", "exec")
    content = json.loads((pack / "pack.json").read_text())
    assert [part["fold"] for answer in content["answers"] for part in answer] == [0, 1]
    assert content["seconds_per_image"] > 0
    # no picture that was learnt, and no label
    assert sum(path.stat().st_size for path in pack.rglob("*") if path.suffix in (".png", ".npy", ".zip")) == 0


def test_what_it_wants_is_refused_in_a_line(infer, packed_root, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(packed_root / "runs" / "demo" / packed_runs.RUN / "pack", pack)
    packed_runs.mount(packed_root, tmp_path / "mounted")
    (pack / "prepared.json").unlink()
    assert (
        "prepared.json is missing: the pack was not carried whole"
        in infer(tmp_path / "mounted", pack=pack, status=2)[0]
    )
    assert "no pack.json lies beside this code" in infer(tmp_path / "mounted", pack=tmp_path, status=2)[0]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "readme.txt").write_text("nothing")
    assert "none" in infer(tmp_path / "none", status=2)[0]


@pytest.mark.parametrize("name", ["runs/demo/plain/fold1/model.json", "prepared.json", "pipeline/recipe.py"])
def test_a_file_that_is_damaged_is_not_answered_by_though_it_is_as_long_as_it_was(infer, packed_root, tmp_path, name):
    pack = tmp_path / "pack"
    shutil.copytree(packed_root / "runs" / "demo" / packed_runs.RUN / "pack", pack)
    packed_runs.mount(packed_root, tmp_path / "mounted")
    content = (pack / name).read_text()
    (pack / name).write_text(content.translate(str.maketrans("1357", "2468")))
    error, found = infer(tmp_path / "mounted", pack=pack, status=2)
    assert f"{name} is not what was packed: it was cut off, damaged or edited" in error and not found.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answers", []),
        ("answers", [[]]),
        ("answers", ["x"]),
        ("answers", [[{"run": packed_runs.RUN}]]),
        ("answers", [[{"run": packed_runs.RUN, "fold": 7, "weight": 1}]]),
        ("answers", [[{"run": packed_runs.RUN, "fold": 0, "weight": "1"}]]),
        ("size", [101]),
        ("size", [101, -1]),
        ("run", "another"),
        ("sample", None),
        ("files", []),
    ],
)
def test_a_pack_json_that_no_pack_has_is_refused_in_a_line(infer, packed_root, tmp_path, name, value):
    pack = tmp_path / "pack"
    shutil.copytree(packed_root / "runs" / "demo" / packed_runs.RUN / "pack", pack)
    packed_runs.mount(packed_root, tmp_path / "mounted")
    content = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").write_text(json.dumps({**content, name: value}))
    assert f"pack.json was edited, or is damaged ('{name}'" in infer(tmp_path / "mounted", pack=pack, status=2)[0]


def test_a_run_without_networks_names_what_is_missing(packed_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(packed_root, root)
    (root / "runs" / "demo" / packed_runs.RUN / "fold1" / "model.json").unlink()
    assert "lacks model.json in fold1" in run("demo", "pack", "--run", packed_runs.RUN, root=root, status=2)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("years")
    error = run("demo", "pack", "--run", packed_runs.RUN, "--to", tmp_path / "taken", root=root, status=2)
    assert "is there and no pack (thesis.tex); move it away" in error
    adopted = root / "runs" / "demo" / packed_runs.RUN / "adopted.json"
    adopted.write_text(json.dumps({"from": "~/theirs"}))
    assert "was adopted from ~/theirs" in run("demo", "pack", "--run", packed_runs.RUN, root=root, status=2)


def test_a_blend_is_packed_with_the_networks_of_its_runs(infer, packed_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(packed_root, root)
    runs = root / "runs" / "demo"
    for name in ("other", "both"):
        shutil.copytree(runs / packed_runs.RUN, runs / name)
    mix = {packed_runs.RUN: 2, "other": 1}
    origin = {"from": "runs plain, other", "weights": {packed_runs.RUN: 0.67, "other": 0.33}, "command": "blend …"}
    adopted = runs / "both" / "adopted.json"
    adopted.write_text(json.dumps(origin))
    assert "blend them again: blend …" in run("demo", "pack", "--run", "both", root=root, status=2)
    adopted.write_text(json.dumps({**origin, "tests": {"0": mix, "1": mix}}))
    assert "4 network(s)" in run("demo", "pack", "--run", "both", "--to", tmp_path / "pack", root=root)
    packed_runs.mount(root, tmp_path / "mounted")
    # the mean of what is equal
    assert packed_runs.rows(infer(tmp_path / "mounted", pack=tmp_path / "pack")[1]) == submitted(root)
    (runs / "other" / "fold0" / "model.json").unlink()
    assert "run 'other' lacks model.json in fold0" in run("demo", "pack", "--run", "both", root=root, status=2)
    (runs / "other" / "adopted.json").write_text(json.dumps({"from": "~/theirs"}))
    assert "'other', which is adopted from ~/theirs" in run("demo", "pack", "--run", "both", root=root, status=2)


def test_packages_are_brought_where_pictures_need_them(tmp_path, monkeypatch):
    asked = []

    def pip(words):
        asked.append(words)
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(packages, "_pip", pip)
    (found,) = packages.put_into(tmp_path, ["imagecodecs"])
    assert found.startswith("imagecodecs==") and found in asked[0] and "--only-binary=:all:" in asked[0]
    assert packages.put_into(tmp_path, []) == [] and len(asked) == 1
    broken = subprocess.CompletedProcess([], 1, "", "WARNING: …\nERROR: No matching distribution found")
    monkeypatch.setattr(packages, "_pip", lambda words: broken)
    with pytest.raises(packages.UserError, match="pip cannot get them"):
        packages.put_into(tmp_path, ["imagecodecs"])


@pytest.mark.slow
def test_a_network_answers_as_it_did_at_home(infer, demo_root, tmp_path):
    run("demo", "train", "--run", "tiny", "--fold", "0", *TINY, root=demo_root)
    (demo_root / "runs" / "demo" / "tiny" / "thresholds.json").write_text(json.dumps(packed_runs.THRESHOLDS))
    run("demo", "submit", "--run", "tiny", root=demo_root)
    run("demo", "pack", "--run", "tiny", root=demo_root)
    packed_runs.mount(demo_root, tmp_path / "mounted")
    _, found = infer(tmp_path / "mounted", pack=demo_root / "runs" / "demo" / "tiny" / "pack")
    assert packed_runs.rows(found) == submitted(demo_root, "tiny")


def test_of_tiffs_only_packed_ones_need_more_than_kaggle_has(tmp_path):
    picture = np.zeros((8, 8), np.uint8)
    for name, packing in (("plain", None), ("deflate", "zlib"), ("lzw", "lzw")):
        tifffile.imwrite(tmp_path / f"{name}.tif", picture, compression=packing)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    np.save(tmp_path / "b.npy", picture)
    (tmp_path / "c.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(50))
    with RawFiles(tmp_path) as raw:
        assert packages.needed(raw, ["plain.tif", "deflate.tif", "a.png", "b.npy"]) == []
        assert packages.needed(raw, ["a.png", "lzw.tif"]) == packages.needed(raw, ["c.jp2"]) == ["imagecodecs"]
