"""history.csv: read as it was written, refused in a line where it is something else; a loss that does not move."""

import pytest

from pipeline.errors import UserError
from pipeline.training import history

HEADER = ",".join(history.COLUMNS)


def rows_of(*losses: float) -> list[dict]:
    fixed = {"iou": 0.5, "accuracy": 0.9, "learning_rate": 1e-3, "score": None, "seconds": 30.0}
    return [{"epoch": i + 1, "loss": loss, **fixed} for i, loss in enumerate(losses)]


def test_it_is_read_as_it_was_written(tmp_path):
    rows = rows_of(0.75, 0.5)
    rows[1]["score"] = 0.25
    history.write(tmp_path, rows)
    assert history.read(tmp_path) == rows and history.minutes(rows) == 1
    assert history.read(tmp_path / "nowhere") == []
    history.write(tmp_path, [])
    assert history.read(tmp_path) == []


WRONG = {
    "text": (f"{HEADER}\n1,low,.5,.9,1e-3,,2\n", "'low' in the column loss is not a number"),
    "a blank loss": (f"{HEADER}\n1,,.5,.9,1e-3,,2\n", "'' in the column loss is not a number"),
    "a score in words": (f"{HEADER}\n1,.7,.5,.9,1e-3,good,2\n", "'good' in the column score is not a number"),
    "not finite": (f"{HEADER}\n1,nan,.5,.9,1e-3,,2\n", "'nan' in the column loss is not a number"),
    "half an epoch": (f"{HEADER}\n1.5,.7,.5,.9,1e-3,,2\n", "'1.5' in the column epoch is not a whole number"),
    "epoch 0": (f"{HEADER}\n0,.7,.5,.9,1e-3,,2\n", "'0' in the column epoch is not a whole number from 1 on"),
    "fewer fields": (f"{HEADER}\n1,.7\n", "row 2: 2 field(s) under 7 names"),
    "more fields": (f"{HEADER}\n1,.7,.5,.9,1e-3,,2,3\n", "row 2: 8 field(s) under 7 names"),
    "fewer columns": ("epoch,loss\n1,.7\n", "has no column 'iou'"),
    "more columns": (f"{HEADER},mood\n1,.7,.5,.9,1e-3,,2,3\n", "has a column 'mood' that no training writes"),
    "empty": ("", "there is nothing in it"),
    "no text": (b"\x93NUMPY\xff\xfe", "is not a csv: 'utf-8' codec"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_history_is_one_line_that_names_the_file(tmp_path, case):
    content, words = WRONG[case]
    (tmp_path / "history.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as found:
        history.read(tmp_path)
    line = str(found.value)
    assert words in line and "history.csv" in line and line.endswith("mend or delete it") and "\n" not in line


def test_a_folder_in_its_place_is_one_line(tmp_path):
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(UserError, match=r"history\.csv is no file"):
        history.read(tmp_path)


@pytest.mark.parametrize(
    ("losses", "steps", "late_from", "is_said"),
    [
        ((1.5, 1.5, 1.499), 12, 3, True),
        ((1.5, 1.4, 1.6), 12, 3, True),
        ((1.5, 1.5, 1.48), 12, 3, False),
        # too little to say anything
        ((1.5, 1.5, 1.5), 11, 3, False),
        ((1.5, 1.5), 100, 2, False),
        ((), 100, 0, False),
        # of another loss the numbers are others
        ((1.5, 1.4, 1.3, 2.5, 2.4), 12, 3, False),
        ((1.5, 1.5, 1.5, 0.5, 0.4), 12, 3, True),
        ((0.0, 0.0, 0.0), 12, 3, True),
    ],
)
def test_a_loss_that_does_not_fall_is_named(losses, steps, late_from, is_said):
    found = history.not_falling(rows_of(*losses), steps, late_from)
    assert bool(found) == is_said
    if losses[:3] == (1.5, 1.4, 1.6):
        assert "the loss has not fallen: 1.5000 in epoch 1, 1.6000 in epoch 3" in found and "--learning-rate" in found
