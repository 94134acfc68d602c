"""Texts of images on the disk, for whoever wants them in another order than they came in."""

import contextlib
import json
from pathlib import Path

from pipeline.store import disk


class Spool:
    """Keeps a list of texts for each id in a file. Use as a context manager. UserError: there is no room."""

    def __init__(self, path: Path):
        self.path = path
        self.places: dict[str, int] = {}

    def __enter__(self):
        with disk.as_user_error(self.path):
            self.file = self.path.open("w+b")
        return self

    def __exit__(self, *exception):
        # nobody reads it any more: that it cannot be written must not hide why it ends
        with contextlib.suppress(OSError):
            self.file.close()

    def add(self, name: str, texts: list[str]) -> None:
        line = json.dumps(texts).encode() + b"\n"
        with disk.as_user_error(self.path):
            self.places[name] = self.file.seek(0, 2)
            self.file.write(line)

    def get(self, name: str) -> list[str] | None:
        """None where there is none."""
        if name not in self.places:
            return None
        with disk.as_user_error(self.path):
            self.file.seek(self.places[name])
            line = self.file.readline()
        return json.loads(line)
