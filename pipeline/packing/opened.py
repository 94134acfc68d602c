"""A pack that lies beside the code: what is in it, for the machine that it was carried to."""

import base64
import json
import zlib
from pathlib import Path

from pipeline import source
from pipeline.errors import UserError
from pipeline.raw.remembered import Memory
from pipeline.runs.identity import saved_in
from pipeline.store import disk
from pipeline.store.paths import Store

NAME = "pack.json"  # written last: what stands beside it is whole
PREPARED = "prepared.json"  # what holds for all images that were learnt from
TRAIN_FILES = "train_files.bin"
FORM = 1


class Pack:
    """Attributes: content: pack.json; root: the folder, which holds runs as a project's root does; info: prepared.json.

    Raises UserError where there is none, it is of another competition, or something in it is missing.
    """

    def __init__(self, root: Path, competition):
        self.root, self.competition = Path(root), competition
        path = self.root / NAME
        if not path.exists():
            raise UserError(
                f"infer runs from a pack, and no {NAME} lies beside this code; ./run.sh {competition.name} pack --run "
                "R makes one"
            )
        self.content = disk.read_json(path)
        wanted = {"competition": str, "run": str, "answers": list, "size": list, "sample": str, "files": dict}
        wrong = [name for name, kind in wanted.items() if not isinstance(self.content.get(name), kind)]
        if wrong or self.content.get("form") != FORM:
            raise UserError(f"{path} is of another version, or was edited ({shown_of(wrong)}); pack the run again")
        if self.content["competition"] != competition.name:
            raise UserError(f"{path} is of the competition {self.content['competition']}, not {competition.name}")
        for name, size in self.content["files"].items():
            there = self.root / name
            if not there.is_file() or there.stat().st_size != size:
                raise UserError(
                    f"{there} is {'cut off' if there.exists() else 'missing'}: the pack was not carried whole; upload "
                    "it again (kaggle datasets create --dir-mode zip)"
                )
        self.info = disk.read_json(self.root / PREPARED)

    @property
    def store(self) -> Store:
        """Of the run that is packed."""
        return self.store_of(self.content["run"])

    def store_of(self, run: str) -> Store:
        return Store(self.root, self.competition.name, run, self.competition.format.suffix)

    def recipe_of(self, run: str):
        return saved_in(self.store_of(run).recipe)[1]

    def train_files(self) -> tuple[list[str], Memory]:
        """The names of the raw train files, and what `read` took of them."""
        return unpacked(disk.read_bytes(self.root / TRAIN_FILES), str(self.root / TRAIN_FILES))


def shown_of(wrong: list[str]) -> str:
    return wrong[0] if wrong else "form"


def beside_the_code() -> Path:
    """Where a pack would be."""
    return source.PACKAGE.parent


def packed(names: list[str], memory: Memory) -> bytes:
    """The inverse of `unpacked`."""
    pieces = {
        name: {str(start): base64.b85encode(found).decode() for start, found in own.items()}
        for name, own in memory.pieces.items()
    }
    content = {"names": names, "sizes": memory.sizes, "pages": memory.pages, "pieces": pieces}
    return zlib.compress(json.dumps(content).encode("utf-8", "surrogatepass"), 9)


def unpacked(content: bytes, where: str) -> tuple[list[str], Memory]:
    """Raises UserError for what `packed` has not made."""
    try:
        found = json.loads(zlib.decompress(content).decode("utf-8", "surrogatepass"))
        pieces = {
            name: {int(start): base64.b85decode(text) for start, text in own.items()}
            for name, own in found["pieces"].items()
        }
        return found["names"], Memory(found["sizes"], pieces, found["pages"])
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise UserError(f"{where} is damaged ({error}); upload the pack again") from error
