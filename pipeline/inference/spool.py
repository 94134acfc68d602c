"""Texts of images on the disk, for whoever wants them in another order than they came in."""

import json
from pathlib import Path


class Spool:
    """Keeps a list of texts for each id in a file. Use as a context manager."""

    def __init__(self, path: Path):
        self.path = path
        self.places: dict[str, int] = {}

    def __enter__(self):
        self.file = self.path.open("w+b")
        return self

    def __exit__(self, *exception):
        self.file.close()

    def add(self, name: str, texts: list[str]) -> None:
        self.places[name] = self.file.seek(0, 2)
        self.file.write(json.dumps(texts).encode() + b"\n")

    def get(self, name: str) -> list[str] | None:
        """None where there is none."""
        if name not in self.places:
            return None
        self.file.seek(self.places[name])
        return json.loads(self.file.readline())
