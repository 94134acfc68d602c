"""Leaderboards: both kinds of csv, both directions, ties, and medals by the number of teams."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.kaggle import leaderboard
from tests.start import ROOT

KAGGLE = "Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames"


def board(tmp_path, scores, lines=None):
    path = tmp_path / "board.csv"
    rows = lines or [f"{rank},{score}" for rank, score in enumerate(scores, 1)]
    path.write_text("\n".join(["rank,score", *rows]) + "\n")
    return leaderboard.read(path)


@pytest.mark.parametrize(
    ("teams", "last"),
    [
        # https://www.kaggle.com/progression: the last rank with gold, silver, bronze
        (3, (1, 1, 1)),
        (50, (5, 10, 20)),
        (99, (9, 19, 39)),
        (100, (10, 20, 40)),
        (249, (10, 49, 99)),
        (250, (10, 50, 100)),
        (500, (11, 50, 100)),
        (999, (11, 50, 100)),
        (1000, (12, 50, 100)),
        (3219, (16, 160, 321)),
        (5000, (20, 250, 500)),
    ],
)
def test_medals_by_the_number_of_teams(teams, last):
    given = [leaderboard.medal(rank, teams) for rank in range(1, teams + 1)]
    found = [
        max(rank for rank, name in enumerate(given, 1) if name in leaderboard.NAMES[: k + 1] and name) for k in range(3)
    ]
    assert tuple(found) == last
    assert given == sorted(given, key=["gold", "silver", "bronze", ""].index)


def test_a_score_stands_behind_those_that_have_the_same(tmp_path):
    found = board(tmp_path, [0.9, 0.8, 0.8, 0.7])
    places = [found.place(score) for score in (0.95, 0.9, 0.8, 0.75, 0.1)]
    assert [(place.rank, place.ties) for place in places] == [(1, 0), (2, 1), (4, 2), (4, 0), (5, 0)]


def test_where_lower_is_better_the_order_says_so(tmp_path):
    found = board(tmp_path, [0.1, 0.2, 0.2, 0.4])
    assert not found.higher
    assert [found.place(score).rank for score in (0.05, 0.2, 0.5)] == [1, 4, 5]


def test_kaggles_own_csv_is_read_whatever_the_order_of_its_rows(tmp_path):
    path = tmp_path / "tgs-salt-publicleaderboard.csv"
    rows = ['2,11,"b, c",2018-10-19 23:58:00,0.8,5,b', "1,10,a,2018-10-19 23:58:00,0.9,5,a", "3,12,d,,,1,d"]
    path.write_text("\ufeff" + "\n".join([KAGGLE, *rows]) + "\n", encoding="utf-8")
    found = leaderboard.read(path)
    assert (found.scores.tolist(), found.higher) == ([0.9, 0.8], True)
    assert found.notes == ("1 team(s) without a score are left out",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a csv"),
        ("rank,points\n1,3\n", "has no column 'score'"),
        ("rank,score\n", "holds no score"),
        ("rank,score\n1,best\n", "holds no score"),
        ("rank,score\n1,.5\n2,.7\n3,.6\n", "neither fall nor rise"),
        ("rank,score\n1,.5,7\n", "row 2: 3 field"),
    ],
)
def test_what_is_no_leaderboard_is_refused_in_a_line(tmp_path, text, says):
    path = tmp_path / "board.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        leaderboard.read(path)
    assert "\n" not in str(caught.value)


def test_a_zip_or_nothing_is_refused(tmp_path):
    for name, says in (("board.zip", "unpack it"), ("none.csv", "is no file")):
        with pytest.raises(UserError, match=says):
            leaderboard.read(tmp_path / name)


def test_of_equal_scores_the_direction_is_assumed_and_said(tmp_path):
    found = board(tmp_path, [0.5, 0.5])
    assert found.higher and found.notes == ("all scores are the same: higher is taken for better",)


def test_on_real_leaderboards_every_score_has_its_place():
    folder = ROOT.parent / "shared" / "boards"
    if not folder.is_dir():
        pytest.skip("no real leaderboards beside the checkout (../shared/boards)")
    files = sorted(folder.glob("*.csv"))
    assert files
    for path in files:
        found = leaderboard.read(path)
        assert found.higher and not found.notes
        for place in range(0, len(found.scores), 97):
            score = found.scores[place]
            rank = found.place(score).rank
            # behind the last that has it
            assert rank == np.flatnonzero(found.scores == score)[-1] + 2
            assert found.place(np.nextafter(score, 1)).rank <= place + 1


def test_the_edges_of_medals_in_tgs_are_those_that_are_known():
    path = ROOT.parent / "shared" / "boards" / "tgs-salt-identification-challenge-private.csv"
    if not path.exists():
        pytest.skip("no real leaderboards beside the checkout (../shared/boards)")
    found = leaderboard.read(path)
    assert [round(float(found.scores[last - 1]), 3) for last in (16, 160, 321)] == [0.891, 0.872, 0.859]
    assert [found.place(score).medal for score in (0.8915, 0.885, 0.865, 0.85)] == ["gold", "silver", "bronze", ""]
