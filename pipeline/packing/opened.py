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
FORM = 2
# what mends a pack
_AGAIN = "pack the run again, or upload it again (kaggle datasets create --dir-mode zip)"


class Pack:
    """Attributes: content: pack.json; root: the folder, which holds runs as a project's root does; info: prepared.json.

    Raises UserError where there is none, it is of another competition, or something in it is not what was packed.
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
        if self.content.get("form") != FORM:
            raise UserError(f"{path} is of another version; pack the run again")
        if self.content.get("competition") != competition.name:
            raise UserError(f"{path} is of the competition {self.content.get('competition')}, not {competition.name}")
        self._check_files()
        if wrong := self._wrong():
            raise UserError(f"{path} was edited, or is damaged ('{wrong}' is not as it was); pack the run again")
        self.info = disk.read_json(self.root / PREPARED)

    def _check_files(self) -> None:
        """Raises UserError where a file is not what was packed: weights that are damaged answer, too, and wrongly."""
        files = self.content.get("files")
        for name, digest in files.items() if isinstance(files, dict) else ():
            there = self.root / name
            if not there.is_file():
                raise UserError(f"{there} is missing: the pack was not carried whole; {_AGAIN}")
            if disk.file_hash(there) != digest:
                raise UserError(f"{there} is not what was packed: it was cut off, damaged or edited; {_AGAIN}")

    def _wrong(self) -> str:
        """The first entry of pack.json that no pack has; blank where there is none."""
        kinds = {"files": dict, "run": str, "sample": str, "answers": list, "size": list}
        wrong = [name for name, kind in kinds.items() if not isinstance(self.content.get(name), kind)]
        if not wrong and not self.store.thresholds.is_file():
            wrong.append("run")
        if not wrong and not all(map(self._is_answer, self.content["answers"] or [None])):
            wrong.append("answers")
        if not wrong and not (len(self.content["size"]) == 2 and all(map(_is_count, self.content["size"]))):
            wrong.append("size")
        return next(iter(wrong), "")

    def _is_answer(self, answer) -> bool:
        """Whether it is a mixture of networks that are there."""
        if not isinstance(answer, list) or not answer or not all(isinstance(share, dict) for share in answer):
            return False
        return all(
            isinstance(share.get("run"), str)
            and _is_count(share.get("weight"))
            and self.store_of(share["run"]).model_file(share.get("fold"))
            for share in answer
        )

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


def _is_count(value) -> bool:
    return type(value) is int and value > 0


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
