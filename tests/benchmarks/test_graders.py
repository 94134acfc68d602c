"""Our scores against graders of somebody else's package: small ones, written here."""

import sys

import numpy as np
import pandas
import pytest

from benchmarks.graders import drawn, theirs
from benchmarks.graders.__main__ import main
from benchmarks.graders.cases import cases

CONTRAILS = "google-research-identify-contrails-reduce-global-warming"
SALT = "tgs-salt-identification-challenge"
PIXELS = """
def pixels(field):
    numbers = [int(word) for word in field.split()] if isinstance(field, str) and field != "-" else []
    return {p for start, length in zip(numbers[::2], numbers[1::2]) for p in range(start, start + length)}

def pairs(submission, answers, key, column):
    truth = dict(zip(answers[key], answers[column]))
    return [(pixels(field), pixels(truth[name])) for name, field in zip(submission[key], submission[column])]
"""
# Dice of the whole set, literally
DICE = """
from mlebench.runs import pairs

def grade(submission, answers):
    found = pairs(submission, answers, "record_id", "encoded_pixels")
    return 2 * sum(len(p & t) for p, t in found) / sum(len(p) + len(t) for p, t in found)
"""
# precision over IoU in integers, where nothing found is taken for everything found
PRECISION = """
from mlebench.runs import pairs

def of(predicted, truth):
    if not predicted and not truth:
        return 1.0
    predicted = predicted or set(range(1, 101 * 101 + 1))
    both, either = len(predicted & truth), len(predicted | truth)
    return sum(20 * both > (10 + j) * either for j in range(10)) / 10

def grade(submission, answers):
    found = [of(*pair) for pair in pairs(submission, answers, "id", "rle_mask")]
    return sum(found) / len(found)
"""


@pytest.fixture
def checkout(tmp_path):
    """Makes a folder like theirs, from the text of each competition's grader."""

    def made(**graders: str):
        package = tmp_path / "checkout" / "mlebench"
        package.mkdir(parents=True)
        (package / "runs.py").write_text(PIXELS)
        for name, text in graders.items():
            path = theirs.path_of(package.parent, {"contrails": CONTRAILS, "salt": SALT}[name])
            path.parent.mkdir(parents=True)
            path.write_text(text)
        return package.parent

    return made


def rows(out: str) -> dict[str, list[str]]:
    """What the table says: task -> n, largest difference, what is said of it."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    return {name: found for name, *found in cells[2:]}


def test_a_grader_that_scores_alike_agrees(checkout, tmp_path, capsys):
    main([str(checkout(contrails=DICE)), "--keep", str(tmp_path / "kept")])
    out = capsys.readouterr().out
    assert f"{SALT} is not in" in out
    (found,) = rows(out).values()
    assert found[0] == str(drawn.SUBMISSIONS) and float(found[1]) <= 1e-9 and found[2] == "agree"
    assert len(list((tmp_path / "kept" / "contrails").glob("submission*.csv"))) == drawn.SUBMISSIONS


def test_a_difference_with_a_reason_is_explained(checkout, capsys):
    main([str(checkout(salt=PRECISION))])
    n, largest, said = rows(capsys.readouterr().out)["tgs"]
    assert n == str(drawn.SUBMISSIONS) and float(largest) > 0.05
    reason, then = said.rsplit(": then ", 1)
    assert reason == "an empty answer is taken for a full one where there is salt" and float(then) <= 1e-9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DICE.replace("return 2 *", "return 2.0001 *"), "NOT EXPLAINED"),
        (DICE.replace("return 2 *", "raise ValueError('no') or 2 *"), "20 not scored by theirs: ValueError: no"),
        (DICE.replace("return 2 *", "return None and"), "20 not scored by theirs: TypeError"),
    ],
)
def test_a_grader_that_scores_otherwise_or_not_fails(checkout, capsys, text, says):
    with pytest.raises(SystemExit) as ended:
        main([str(checkout(contrails=text))])
    assert str(ended.value.code).startswith("error: contrails: scores differ")
    assert rows(capsys.readouterr().out)["contrails"][2].startswith(says)


def test_another_difference_than_the_known_one_fails(checkout):
    with pytest.raises(SystemExit, match="error: tgs"):
        main([str(checkout(salt=PRECISION.replace("> (10 + j)", ">= (10 + j)")))])


def test_a_folder_without_graders_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path)])
    assert ended.value.code == 2 and "is it openai/mle-bench?" in capsys.readouterr().err


def test_nothing_of_theirs_is_left_behind(checkout, capsys):
    path, attributes = list(sys.path), set(vars(pandas.DataFrame))
    main([str(checkout(contrails=DICE))])
    assert sys.path == path and not [name for name in sys.modules if name.startswith(theirs.PACKAGE)]
    assert set(vars(pandas.DataFrame)) == attributes


def test_what_is_drawn_is_right_empty_full_exact_and_wrong():
    masks = drawn.truth(np.random.default_rng(0), [(40, 30)] * 12, 1, empty=True)
    areas = [mask.sum() for mask in masks]
    assert 0 in areas and 40 * 30 in areas and areas[-1] == drawn.SIDE**2 and any(area > 600 for area in areas[:-1])
    found = list(drawn.answers(np.random.default_rng(0), masks))
    assert len(found) == drawn.SUBMISSIONS == 20
    assert all((one == other).all() for one, other in zip(found[0], masks, strict=True))
    assert not any(mask.any() for mask in found[1]) and all(mask.all() for mask in found[2])
    assert all((one ^ other).sum() == 1 for one, other in zip(found[3], masks, strict=True))
    # the twelfth: IoU exactly .55
    assert 20 * (found[6][-1] & masks[-1]).sum() == 11 * (found[6][-1] | masks[-1]).sum()


def test_every_known_difference_has_a_reason():
    assert all(bool(case.theirs) == bool(case.reason) for case in cases())
    assert len({case.name for case in cases()}) == len(cases())
