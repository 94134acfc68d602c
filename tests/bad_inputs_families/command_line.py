"""Words and options that there are not, or that hold what they cannot."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.roots import RUN

ODD = {
    "nothing": "",
    "a blank": " ",
    "a NUL": "a\0b",
    "not UTF-8": "a\udcffb",
    "very long": "x" * 5000,
    "an escape": "\x1b[31mred",
    "two lines": "a\nb",
    "the folder above": "..",
    "a slash": "a/b",
    "a root": "/",
    "a home that is nobody's": "~nobody-there/x",
    "a picture of a face": "\U0001f600",
    "written from the right": "\u202eabc",
    "a lone dash": "-",
    "two dashes": "--",
    "a star": "*",
    "a bracket": "[",
    "a percent sign": "%s%n",
    "braces": "{0}",
}
NUMBERS = ("many", "nan", "-inf", "1e999", "", "9" * 400, "-1e30", "1,5", "0x10", "1 2", "\0", "\udcff")


def cases() -> list[Case]:
    return [*_words(), *_fields(), *_texts(), *_options(), *_places(), *_tools(), *_numbers_beyond()]


def _words() -> Iterator[Case]:
    for what, word in ODD.items():
        yield Case(f"a competition called {what}", (word,), fine=word in ("", "--"), right=_is_help)
        yield Case(f"a stage called {what}", ("demo", word, *RUN), fine=word == "--")
        yield Case(f"help on {what}", ("--help", word), base="empty", with_root=False, fine=word.startswith("-"))
    for words in (
        ("fly",),
        ("train",),
        ("demo", "demo"),
        ("demo", "fly"),
        ("demo", "train", "fly"),
        ("demo", "new", "x"),
    ):
        yield Case(f"the words {' '.join(words)}", (*words, *RUN))
    yield Case("ten thousand words", ("demo", *["split"] * 10_000, *RUN), fine=True)
    yield Case("ten thousand unknown words", ("demo", *map(str, range(10_000))))
    for option in ("--", "-x", "--epoch", "--Epochs", "--epochs", "--no-epochs", "--tta=1", "---", "--fold", "--root="):
        yield Case(f"the option {option}", ("demo", "split", *RUN, option), fine=option == "--")


def _is_help(root: Path) -> str:
    return ""


def _fields() -> Iterator[Case]:
    from pipeline import recipe as recipes

    for field in fields(recipes.Recipe):
        if isinstance(field.default, (bool, str)):
            continue
        for value in NUMBERS:
            shown = ascii(value)[:20]
            spelt = f"{recipes.option(field.name)}={value}"
            yield Case(f"{recipes.option(field.name)} {shown}", ("demo", "split", spelt), base="prepared")


def _numbers_beyond() -> Iterator[Case]:
    from pipeline import recipe as recipes

    for name, (low, high) in recipes._RANGES.items():
        for value in (low - 1, high * 2 + 1):
            spelt = f"{recipes.option(name)}={value}"
            yield Case(f"{spelt}, out of range", ("demo", "split", spelt), base="prepared")


def _texts() -> Iterator[Case]:
    from pipeline import recipe as recipes

    for field in fields(recipes.Recipe):
        if not isinstance(field.default, str):
            continue
        for what, value in ODD.items():
            words = ("demo", "train", f"{recipes.option(field.name)}={value}", "--model", "classical", "--folds", "2")
            words = words[:3] if field.name == "model" else words
            fine = field.name not in ("pseudo", "weights", "encoder", "model", "loss", "augment", "budget")
            yield Case(f"{recipes.option(field.name)} {what}", words, base="prepared", fine=fine or not value.strip())
    for value in ("45", "m", "0m", "0.000s", "-1m", "1h30m", "1e3s", "9999999999h", "45 m", "4５m", "1.2345s", "∞h"):
        yield Case(f"--budget {value}", ("demo", "split", f"--budget={value}"), base="prepared")
    for value in (
        "1",
        "0",
        "0.9+0.9",
        "5",
        "+",
        "0.9+",
        "nan",
        "inf",
        "a+b",
        "0.9,1.1",
        "1.0",
        "-1",
        "+".join(["2"] * 500),
    ):
        yield Case(f"--tta-scales {value[:20]}", ("demo", "split", f"--tta-scales={value}"), base="prepared")
    for value in ("hinge", "bce+", "+", "bce+bce", "bce+hinge", "bce,dice", "BCE", "bce dice", "+".join(["bce"] * 500)):
        yield Case(f"--loss {value[:20]}", ("demo", "split", f"--loss={value}"), base="prepared", fine=value == "bce+")
    for value in (
        "blur",
        "blur=",
        "blur=x",
        "blur=nan",
        "blur=-1",
        "blur=1+blur=1",
        "=1",
        "cut=1",
        "blur=1e999",
        "noise=1",
    ):
        yield Case(f"--augment {value}", ("demo", "split", f"--augment={value}"), base="prepared")


def _options() -> Iterator[Case]:
    for what, value in ODD.items():
        yield Case(f"--recipe {what}", ("demo", "tune", f"--recipe={value}"), fine=value == "")
        yield Case(f"--run {what}", ("demo", "tune", f"--run={value}"))
        yield Case(f"--fold {what}", ("demo", "tune", f"--fold={value}", *RUN), fine=value == "--")
        yield Case(f"--message {what}", ("demo", "tune", f"--message={value}", *RUN), fine=True)
        yield Case(f"--fields {what}", ("demo", "ablate", *RUN, f"--fields={value}"))
    for value in ("2", "-1", "1.5", "99999999999999999999", "٣", "²", "0,1", "ALL", "0x1", "1e0", "9" * 5000):
        yield Case(f"--fold {value[:30]}", ("demo", "train", f"--fold={value}", *RUN))
    for value in (
        "width",
        "width=",
        "=3",
        "width=x",
        "nothing=1",
        "width=8,width=9",
        "folds=3",
        "width=4,",
        ",",
        "seed=-1",
    ):
        yield Case(f"--fields {value}", ("demo", "ablate", *RUN, "--fields", value))
    for value in (".hidden", "x" * 256, "é" * 150, "con/aux", "a\\b", "fold0/../x", ".", "..", "x\x7f", "\t"):
        yield Case(f"--run {ascii(value)[:30]}", ("demo", "tune", f"--run={value}"))
    yield Case("--fields without a tool", ("demo", "train", *RUN, "--fields", "width=3"))
    yield Case("--overwrite without a tool", ("demo", "train", *RUN, "--overwrite"))
    yield Case("--recipe twice, the second unknown", ("demo", "tune", "--recipe", "quick", "--recipe", "none"))
    yield Case("--budget and --epochs", ("demo", "train", "--budget", "1h", "--epochs", "3"), base="prepared")
    for option in ("--width", "--model", "--folds", "--seed"):
        value = {"--model": "unet"}.get(option, "7")
        yield Case(f"{option} other than the run's", ("demo", "tune", *RUN, option, value))


def _places() -> Iterator[Case]:
    bad = {
        "a file": "{root}/here.csv",
        "below a file": "{root}/here.csv/x",
        "too long a name": "/tmp/" + "x" * 300,
        "too long a path": "/tmp/" + "x/" * 3000,
        "a NUL": "/tmp/a\0b",
        "not writable": "/proc/here",
        "a device": "/dev/null",
        "below a device": "/dev/null/x",
        "a home that is nobody's": "~nobody-there/x",
        "a link to itself": "{root}/loop",
        "below a link to itself": "{root}/loop/x",
        "a pipe": "{root}/pipe",
    }
    for what, place in bad.items():
        yield Case(f"--root {what}", ("demo", "split", "--root", place), _strew, with_root=False)
        yield Case(f"--root {what}, one stage", ("demo", "tune", "--root", place, *RUN), _strew, with_root=False)
        yield Case(f"--data {what}", ("demo", "prepare", "--data", place), _strew)
        yield Case(f"check of {what}", ("demo", "check", place, *RUN), _strew)
    yield Case("--data not UTF-8", ("demo", "prepare", "--data", "{root}/a\udcffb"))
    yield Case("--data that is empty", ("demo", "prepare", "--data", "{root}/hollow"), _strew)
    yield Case("--data that is blank", ("demo", "prepare", "--data="), fine=True)
    yield Case("--root that is blank", ("demo", "tune", "--root=", *RUN), with_root=False)


def _strew(root: Path) -> None:
    """Files that are no folders, where a folder is wanted."""
    import os

    (root / "here.csv").write_text("id,rle_mask\n")
    (root / "loop").symlink_to("loop")
    (root / "hollow").mkdir()
    os.mkfifo(root / "pipe")


def _tools() -> Iterator[Case]:
    for words in (
        ("check",),
        ("check", "a", "b"),
        ("check", ""),
        ("check", "{root}"),
        ("explore", "x"),
        ("ablate", "x"),
        ("adopt",),
        ("adopt", "{root}", "a"),
        ("adopt", "{root}"),
        ("adopt", "no folder"),
    ):
        yield Case(f"the tool {' '.join(words)}", ("demo", *words, *RUN))
    for tool in ("check", "explore", "ablate", "adopt", "new", "test"):
        yield Case(f"{tool} without a competition", (tool,), with_root=False, base="empty")
    for what, name in ODD.items():
        yield Case(
            f"new called {what}", ("new", "--", name) if name.startswith("-") else ("new", name), with_root=False
        )
    for name in (
        "Mine",
        "1a",
        "class",
        "new",
        "test",
        "all",
        "split",
        "demo",
        "a" * 31,
        "a-b",
        "é",
        "tgs",
        "fields",
        "a.b",
    ):
        yield Case(f"new {name}", ("new", name), with_root=False)
    for option in ("--run=x", "--root=/tmp", "--epochs=3", "--data=.", "--again", "--fold=0", "--wait", "--message=x"):
        yield Case(f"new with {option}", ("new", "odd_one", option), with_root=False)
    yield Case("new with three words", ("new", "odd_one", "a", "b"), with_root=False)
    yield Case("upload to nobody", ("demo", "upload", *RUN))
