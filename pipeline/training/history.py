"""history.csv: what each epoch of a fold came to. Read and written here; no Keras."""

import math
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import disk

NAME = "history.csv"
COLUMNS = ["epoch", "loss", "iou", "accuracy", "learning_rate", "score", "seconds"]
BLANK = ("score",)  # not scored in every epoch
# a loss that falls by less than this share in so many epochs and steps has not moved
SHARE, EPOCHS, STEPS = 0.005, 3, 36


def read(folder: Path) -> list[dict]:
    """One dict of numbers for each epoch, None for a blank score; empty without the file.

    Raises UserError when it is not what a training wrote.
    """
    path = folder / NAME
    if not path.exists():
        return []
    rows = disk.read_rows(path, *COLUMNS)
    others = sorted({name for row in rows for name in row} - set(COLUMNS))
    if others:
        raise UserError(f"{path} has a column '{others[0]}' that no training writes; mend or delete it")
    return [_numbers(row, path) for row in rows]


def write(folder: Path, rows: list[dict]) -> None:
    disk.write_rows(folder / NAME, COLUMNS, [[row[name] for name in COLUMNS] for row in rows])


def in_words(row: dict) -> str:
    """What an epoch came to, for a person."""
    text = f"loss {row['loss']:.4f}, IoU {row['iou']:.3f}"
    return text if row["score"] is None else f"{text}, held-out score {row['score']:.4f}"


def minutes(rows: list[dict]) -> float:
    """That the epochs took, scores while learning included."""
    return sum(row["seconds"] for row in rows) / 60


def not_falling(rows: list[dict], steps: int, late_from: int) -> str | None:
    """A warning where the loss has not moved in enough epochs of so many steps.

    Args: late_from: the finished epochs after which another loss is learnt, which cannot be compared.
    """
    alike = [row for row in rows if row["epoch"] <= late_from]
    if len(alike) < EPOCHS or len(alike) * steps < STEPS:
        return None
    first, last = alike[0], alike[-1]
    if last["loss"] < first["loss"] - SHARE * abs(first["loss"]):
        return None
    return (
        f"the loss has not fallen: {first['loss']:.4f} in epoch {first['epoch']}, {last['loss']:.4f} in epoch "
        f"{last['epoch']}; look whether the masks belong to their images (explore), or try another --learning-rate or "
        "--loss"
    )


def _numbers(row: dict[str, str], path: Path) -> dict:
    found = {name: _number(value) if value or name not in BLANK else None for name, value in row.items()}
    wrong = [name for name, value in found.items() if value is not None and name not in BLANK and not _is_sound(value)]
    wrong += [name for name in BLANK if found[name] is not None and not isinstance(found[name], float)]
    epoch = found["epoch"]
    if wrong or epoch != int(epoch) or epoch < 1:
        name = wrong[0] if wrong else "epoch"
        kind = "a number" if wrong else "a whole number from 1 on"
        raise UserError(f"{path}: '{row[name]}' in the column {name} is not {kind}; mend or delete it")
    return {**found, "epoch": int(epoch)}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_sound(value) -> bool:
    return isinstance(value, float) and math.isfinite(value)
