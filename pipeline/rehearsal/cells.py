"""Runs the cells of a notebook one after the other, as Jupyter would: `python cells.py FILE.json`.

Stands alone: it runs where nothing of ours is on the path.
"""

import json
import os
import sys

# magic that changes nothing about what a cell does
HARMLESS = ("%%time", "%%capture")


def unknown_magic(cell: str) -> str:
    """The magic by which a cell is something else than Python; blank where it is none."""
    words = cell.split(maxsplit=1)
    return words[0] if words and words[0].startswith("%%") and words[0] not in HARMLESS else ""


def translated(cell: str) -> str:
    """A cell as Python: a line that begins with ! is a command whose failure nobody sees; magic (%) does nothing."""
    lines = []
    for line in cell.splitlines():
        bare = line.lstrip()
        if bare.startswith("!"):
            lines.append(f"{line[: len(line) - len(bare)]}__import__('os').system({bare[1:]!r})")
        elif not bare.startswith("%"):
            lines.append(line)
    return "\n".join(lines)


def run(cells: list[str]) -> None:
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        exec(compile(translated(cell), f"cell {number}", "exec"), names)
        sys.stdout.flush()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 (nothing of ours is there)
        CELLS = json.load(file)
    os.environ.setdefault("MPLBACKEND", "agg")
    run(CELLS)
