"""The pages there are, and what is in them: blocks of code, inline code, links, commands."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.start import ROOT

FOLDERS = ("docs", "benchmarks", "folds", "submissions")


@dataclass(frozen=True)
class Page:
    """A Markdown file. `name`: its path below the root."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, *kinds: str) -> list[str]:
        """The texts of the fenced blocks of these kinds, or of all."""
        found = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, flags=re.MULTILINE | re.DOTALL)
        return [text for kind, text in found if not kinds or kind in kinds]

    def spans(self) -> list[str]:
        """What stands between backticks in its prose."""
        prose = re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        return re.findall(r"`([^`\n]+)`", prose)

    def links(self) -> list[str]:
        """Where its links and pictures lead, but those to other sites."""
        return [link for link in re.findall(r"\]\(([^)\s]+)\)", self.text) if not link.startswith("http")]

    def commands(self) -> list[list[str]]:
        """The arguments of every `./run.sh` that it shows, in blocks, indented lines and inline."""
        lines = [line for block in self.blocks() for line in block.splitlines()]
        lines += [line for line in self.text.splitlines() if line.startswith("    ./run.sh")] + self.spans()
        found = [re.match(r"\s*(?:[A-Z_]+=\S+ )*\./run\.sh(?!\S)(.*)", line) for line in lines]
        return [[word for word in shlex.split(match[1], comments=True) if word != "…"] for match in found if match]

    def adds(self) -> dict[str, str]:
        """Files that it tells the reader to write: path -> what is in them."""
        return dict(
            re.findall(r"`(pipeline/[\w/]+\.py)`:\n\n```python\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        )


PAGES = [
    Page(ROOT / "README.md"),
    *(Page(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))),
]
