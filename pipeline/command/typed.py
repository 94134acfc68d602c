"""What is typed behind an option, as a value: paths, numbers, folds.

Each function raises argparse.ArgumentTypeError for another word, which is then said with the name of the option.
"""

import argparse
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import numbers


def folder(word: str) -> Path:
    return _path(word, "a folder")


def file(word: str) -> Path:
    return _path(word, "a file")


def _path(word: str, what: str) -> Path:
    """What stands behind `=` no shell has expanded. Raises UserError where there is no such home."""
    if not word.strip():
        raise argparse.ArgumentTypeError(f"is blank; name {what}")
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise UserError(f"{word} cannot be a path: {error}") from error


def jobs(word: str) -> int | str:
    return word if word == "auto" else devices(word)


def devices(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) <= 1000:
        raise argparse.ArgumentTypeError(f"'{word}' is no number of them")
    return int(word)


def place(word: str) -> str:
    if not word.strip():
        raise argparse.ArgumentTypeError("is blank; give ray, or the address of a Ray cluster")
    return word


def count(word: str) -> int:
    return _number(word, "is no number of images")


def times(word: str) -> int:
    return _number(word, "is not how many times larger it can be: a whole number from 1")


def whole(word: str) -> int:
    try:
        return numbers.whole_number(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{word}' is no whole number") from error


def real(word: str) -> float:
    try:
        return numbers.number(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{word}' is no number") from error


KINDS = {int: whole, float: real, str: str}


def _number(word: str, otherwise: str) -> int:
    if not word.isdecimal() or not 0 < int(word) <= 10**7:
        raise argparse.ArgumentTypeError(f"'{word}' {otherwise}")
    return int(word)


SEVERAL = "--fold 0 --fold 1"


def fold(word: str):
    if word == "all":
        return word
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"'{word}' is neither a fold number nor 'all'; several: {SEVERAL}")
    return int(word)
