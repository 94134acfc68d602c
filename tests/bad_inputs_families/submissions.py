"""Submissions for `check` that break one rule each."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bad_inputs_families import spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.roots import RUN, SIDE, names
from tests.bad_inputs_families.spoiling import in_place, written

FILE = "given.csv"
PIXELS = SIDE * SIDE
# what stands in the field of run lengths
RUNS = {
    "1": "an odd count",
    "1 2 3": "an odd count of three",
    "0 1": "pixel 0",
    "-1 1": "a pixel before the first",
    "1 0": "no length",
    "1 -1": "a negative length",
    f"{PIXELS} 2": "behind the last pixel",
    f"{PIXELS + 1} 1": "a start behind the last pixel",
    f"1 {PIXELS + 1}": "longer than the picture",
    "5 1 3 1": "not sorted",
    "1 3 2 1": "overlapping",
    "1 1 1 1": "twice the same",
    "1.0 1": "fractions",
    "1 1e0": "an exponent",
    "1  1": "two blanks",
    " 1 1": "a blank in front",
    "1 1 ": "a blank behind",
    "1\t1": "a tab",
    "1,1": "a comma",
    "a b": "letters",
    "+1 1": "a sign",
    "0x1 1": "hexadecimal",
    "١ ١": "Arabic digits",
    "1 ²": "a superscript",
    "nan": "nan",
    "None": "None",
    "NaN 1": "NaN",
    "[]": "brackets",
    "9223372036854775807 1": "the largest number",
    "9223372036854775808 1": "more than the largest number",
    "1 9223372036854775807": "the largest length",
    "9" * 400 + " 1": "400 digits",
    "- 1": "a dash",
    "1;1": "a semicolon",
    "1 1 '": "a quote",
    " ": "a blank",
    "   ": "blanks",
    "1\u00a01": "a blank that does not break",
    "1 1\u200b": "a blank that is not seen",
}


def cases() -> list[Case]:
    return [*_runs(), *_files(), *_orders(), *_any()]


def _rows(change: Callable[[list[list[str]]], list[list[str]]] = lambda rows: rows) -> bytes:
    rows = change([[name, "1 1"] for name in names()[1]])
    return "".join(",".join(row) + "\n" for row in [["id", "rle_mask"], *rows]).encode()


def _case(what: str, content: bytes, fine: bool = False) -> Case:
    return Case(what, ("demo", "check", f"{{root}}/{FILE}", *RUN), in_place(FILE, written(content)), "prepared", fine)


def _runs() -> Iterator[Case]:
    for text, what in RUNS.items():
        for row in (0, -1):

            def change(rows, row=row, text=text):
                rows[row][1] = f'"{text}"' if "," in text else text
                return rows

            yield _case(f"run lengths: {what}, row {row}", _rows(change))


def _files() -> Iterator[Case]:
    for what, fine, change in spoiling.csv_changes():
        yield _case(what, change(_rows()), (fine and "blank lines" not in what) or "nothing in the" in what)
    for what, content in spoiling.any_bytes():
        yield _case(what, content)
    for what, change in spoiling.PLACES.items():
        yield Case(what, ("demo", "check", f"{{root}}/{FILE}"), in_place(FILE, _made(change)), "prepared")
    spoil = in_place(FILE, written(_rows()))
    yield Case("may not be read", ("demo", "check", f"{{root}}/{FILE}"), spoil, "prepared", forbidden=FILE)


def _made(change):
    def both(path: Path) -> None:
        written(b"x")(path)
        change(path)

    return both


def _orders() -> Iterator[Case]:
    yield _case("all rows in another order", _rows(lambda rows: rows[::-1]))
    yield _case("two rows exchanged", _rows(lambda rows: [rows[1], rows[0], *rows[2:]]))
    yield _case("every row twice", _rows(lambda rows: rows * 2))
    yield _case("train ids", _rows(lambda rows: [[name, ""] for name in names()[0]]))
    yield _case("ids with their ending", _rows(lambda rows: [[f"{name}.png", runs] for name, runs in rows]))
    yield _case("ids in capitals", _rows(lambda rows: [[name.upper() + "X", runs] for name, runs in rows]))
    yield _case("ids with a blank", _rows(lambda rows: [[f" {name}", runs] for name, runs in rows]))
    yield _case("one id missing", _rows(lambda rows: rows[1:]))
    yield _case("a hundred ids more", _rows(lambda rows: [*rows, *([f"x{i}", ""] for i in range(100))]))
    yield _case("no row", _rows(lambda rows: []))
    yield _case("a row number in front", _rows(lambda rows: [[str(i), *row] for i, row in enumerate(rows)]))


def _any() -> Iterator[Case]:
    """Noise that is nearly a submission."""
    for seed in range(30):
        source = random.Random(seed)
        content = bytearray(_rows())
        for _ in range(source.randint(1, 4)):
            content[source.randrange(len(content))] = source.choice(b'\0\n\r",;\t \xff\xc3019-')
        yield _case(f"bytes exchanged, seed {seed}", bytes(content), fine=True)
