"""The command ledger: uploads, the line, what to expect, ranks; with few uploads it says what cannot be said."""

import json

import pytest

from pipeline import __main__ as command_line
from tests import made_runs
from tests.start import run

HEADER = "when,competition,run,file_hash,out_of_fold,cross_fitted,public,private\n"


def board(tmp_path, scores):
    path = tmp_path / "board.csv"
    path.write_text("rank,score\n" + "".join(f"{rank},{score}\n" for rank, score in enumerate(scores, 1)))
    return path


def test_no_upload_says_nothing_of_the_leaderboard(desk_root):
    out = run("demo", "ledger", root=desk_root)
    assert "No upload has both a cross-fitted and a public score" in out and "not uploaded" not in out


def test_one_upload_gives_a_distance_and_no_spread(desk_root, tmp_path):
    made_runs.upload(made_runs.job_of(desk_root, "good"), public=0.7)
    kept = [
        json.loads((desk_root / "runs" / "demo" / name / "thresholds.json").read_text())["cross_fitted"]
        for name in ("good", "better")
    ]
    out = run("demo", "ledger", "--leaderboard", board(tmp_path, [0.9, 0.8, 0.7, 0.6, 0.5]), root=desk_root)
    assert f"public = cross-fitted {0.7 - kept[0]:+.4f} (slope taken for 1), 1 upload(s)." in out
    assert "how far others stray is not known" in out
    expected = kept[1] + 0.7 - kept[0]
    (line,) = [line for line in out.splitlines() if line.startswith("better")]
    assert f"{expected:.4f}" in line and "±" not in line
    (line,) = [line for line in out.splitlines() if " good " in line]
    # of 0.9, 0.8, 0.7: behind the third, which has the same score
    assert line.split()[-2:] == ["4", "-"]


def test_three_uploads_give_a_line_a_band_and_ranks(desk_root, tmp_path):
    for name, public, private in (("good", 0.79, 0.80), ("poor", 0.55, 0.57), ("better", 0.86, 0.87)):
        made_runs.upload(made_runs.job_of(desk_root, name), public, private)
    out = run("demo", "ledger", "--leaderboard", board(tmp_path, [0.05 * k for k in range(20)]), root=desk_root)
    assert "x cross-fitted, 3 uploads, spread 0." in out and "3 uploads are few" in out
    assert "lower is better" in out and "Ranks among 20 teams" in out
    (line,) = [line for line in out.splitlines() if line.startswith("part")]
    assert "±" in line and " to " in line
    page = (desk_root / "runs" / "demo" / "ledger.html").read_text()
    assert "<svg" in page and ">part<" in page and "public's rank" in page


def test_another_competitions_uploads_and_blank_scores_are_not_of_it(desk_root):
    path = desk_root / "submissions" / "ledger.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "2026,tgs,other,h,,.8,.8,\n2026,demo,brought,h,,,.6,\n")
    out = run("demo", "ledger", root=desk_root)
    assert "other" not in out and "1 upload(s) lack a public or a cross-fitted score" in out


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        ("when,what\n", [], "mend or move it"),
        (HEADER + "2026,demo,good,h,,.8,high,\n", [], "row 2: public is 'high', not a number"),
        (HEADER + "2026,demo,good,h,,.8,0_8,\n", [], "row 2: public is '0_8', not a number"),
        (HEADER, ["--leaderboard", "none.csv"], "none.csv is no file"),
        (HEADER, ["--leaderboard", "ledger.csv"], "has no column 'score'"),
        (HEADER, ["good"], "ledger wants a competition and nothing more"),
        (HEADER, ["--epochs", "3"], "--epochs means nothing to ledger"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(desk_root, monkeypatch, capsys, content, words, says):
    folder = desk_root / "submissions"
    folder.mkdir(exist_ok=True)
    (folder / "ledger.csv").write_text(content)
    monkeypatch.chdir(folder)
    assert command_line.main(["demo", "ledger", *words, "--root", str(desk_root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (desk_root / "runs" / "demo" / "ledger.html").exists()


def test_where_nothing_is_there_it_says_so(drawn, capsys):
    assert command_line.main(["demo", "ledger", "--root", str(drawn)]) == 2
    assert "nothing of demo was uploaded, and no run is tuned" in capsys.readouterr().err
