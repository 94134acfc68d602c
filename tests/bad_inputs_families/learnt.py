"""What a network's training leaves and reads again, spoilt in every way: weights (.h5) and checkpoints (.npz)."""

import io
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.bad_inputs_families import spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.roots import NETWORK
from tests.bad_inputs_families.spoiling import in_place, kept, written

HERE = "runs/demo/net"
WEIGHTS, CHECKPOINT = f"{HERE}/fold0/model.weights.h5", f"{HERE}/fold1/checkpoint.npz"
# of a network that is built, and where the checkpoint is fine after all learns on
PATIENCE = 90


def cases() -> list[Case]:
    return [*_bytes(WEIGHTS), *_weights(), *_bytes(CHECKPOINT), *_checkpoints()]


def _case(path: str, what: str, change: Callable[[Path], None], fine: bool, forbidden: str = "") -> Case:
    words = ("predict", "--fold", "0", "--again") if path == WEIGHTS else ("train", "--fold", "1")
    return Case(
        f"{Path(path).name}: {what}",
        ("demo", *words, *NETWORK),
        in_place(path, change),
        base="network",
        fine=fine,
        forbidden=forbidden,
        # what a fold that goes on writes
        allowed=("environment.json", "history.csv", Path(path).name),
        patience=PATIENCE,
    )


def _bytes(path: str) -> Iterator[Case]:
    """What any file may suffer."""
    for share in (0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999):
        yield _case(path, f"cut off at {share:.1%}", kept(lambda c, share=share: c[: int(len(c) * share)]), False)
    for length in (1, 4, 8, 16, 96):
        yield _case(path, f"{length} bytes less", kept(lambda c, length=length: c[:-length]), True)
        yield _case(path, f"its first {length} bytes alone", kept(lambda c, length=length: c[:length]), False)
    yield _case(path, "noise behind", kept(lambda c: c + random.Random(5).randbytes(500)), True)
    yield _case(path, "noise before", kept(lambda c: random.Random(6).randbytes(500) + c), True)
    yield _case(path, "its halves exchanged", kept(lambda c: c[len(c) // 2 :] + c[: len(c) // 2]), False)
    for what, content in spoiling.any_bytes():
        yield _case(path, what, written(content), False)
    for what, change in spoiling.PLACES.items():
        # what leads to nothing is no file: the fold begins anew
        yield _case(path, what, change, "link" in what)
    if path == CHECKPOINT:
        # weights are opened by a library, past what forbids it here
        yield _case(path, "may not be read", lambda path: None, False, forbidden=path)
    for seed in range(40):
        yield _case(path, f"a bit turned, seed {seed}", kept(_turned(seed, 1)), True)
    for seed in range(10):
        yield _case(path, f"64 bytes of noise, seed {seed}", kept(_turned(seed, 64)), True)


def _turned(seed: int, length: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        source = random.Random(seed)
        at = source.randrange(len(content) - length)
        noise = bytes([content[at] ^ (1 << source.randrange(8))]) if length == 1 else source.randbytes(length)
        return content[:at] + noise + content[at + length :]

    return change


def _weights() -> Iterator[Case]:
    """Files of the format, and of something else."""

    def edited(change: Callable) -> Callable[[Path], None]:
        def edit(path: Path) -> None:
            import h5py

            with h5py.File(path, "r+") as file:
                found: list[str] = []
                file.visit(lambda name: found.append(name) if hasattr(file[name], "dtype") else None)
                change(file, found)

        return edit

    def instead(values: Callable[[np.ndarray], object], which=0) -> Callable[[Path], None]:
        """Another array in the place of one."""

        def change(file, names: list[str]) -> None:
            before = file[names[which]][()]
            del file[names[which]]
            file[names[which]] = values(before)

        return edited(change)

    def all_gone(file, names: list[str]) -> None:
        for name in list(file):
            del file[name]

    def moved(file, names: list[str]) -> None:
        file.move(names[0], f"{names[0]}_elsewhere")

    def linked(file, names: list[str]) -> None:
        import h5py

        del file[names[0]]
        file[names[0]] = h5py.ExternalLink("nowhere.h5", "/x")

    def pointed(file, names: list[str]) -> None:
        import h5py

        del file[names[0]]
        file[names[0]] = h5py.SoftLink("/nowhere")

    def circle(file, names: list[str]) -> None:
        file["round"] = file["/"]

    for what, change in {
        "NaN": lambda v: np.full_like(v, np.nan),
        "infinite": lambda v: np.full_like(v, np.inf),
        "of another shape": lambda v: np.zeros((*v.shape, 2), v.dtype),
        "of one value": lambda v: np.zeros((), v.dtype),
        "of no values": lambda v: np.zeros((0, *v.shape[1:]), v.dtype),
        "of texts": lambda v: np.array([b"x"] * 3),
        "of complex numbers": lambda v: v.astype(np.complex64),
        "of records": lambda v: np.zeros(v.shape, [("a", "f4")]),
    }.items():
        for which in (0, -1):
            yield _case(WEIGHTS, f"array {which} {what}", instead(change, which), "records" in what)
    for what, change in {"of float64": np.float64, "of float16": np.float16, "of whole numbers": np.int32}.items():
        yield _case(WEIGHTS, f"array 0 {what}", instead(lambda v, change=change: v.astype(change)), True)
    yield _case(WEIGHTS, "nothing in it", edited(all_gone), False)
    yield _case(WEIGHTS, "an array gone", edited(lambda file, names: file.__delitem__(names[0])), False)
    yield _case(WEIGHTS, "an array moved", edited(moved), False)
    yield _case(WEIGHTS, "an array linked to another file", edited(linked), False)
    yield _case(WEIGHTS, "an array linked to nothing", edited(pointed), False)
    yield _case(WEIGHTS, "a circle", edited(circle), True)
    yield _case(WEIGHTS, "an array more", edited(lambda file, names: file.__setitem__("more", np.zeros(3))), True)
    yield _case(WEIGHTS, "a checkpoint", lambda path: _copied(path, CHECKPOINT), False)
    yield _case(WEIGHTS, "gone", spoiling.removed, True)


def _copied(path: Path, other: str) -> None:
    shutil.copy(path.parents[len(Path(WEIGHTS).parts) - 1] / other, path)


def _checkpoints() -> Iterator[Case]:
    def edited(change: Callable[[dict], dict]) -> Callable[[Path], None]:
        def edit(path: Path) -> None:
            with np.load(path) as file:
                arrays = dict(file)
            content = io.BytesIO()
            np.savez(content, **change(arrays))
            written(content.getvalue())(path)

        return edit

    def without(*names: str) -> Callable[[Path], None]:
        return edited(lambda arrays: {name: array for name, array in arrays.items() if name not in names})

    def withal(**more) -> Callable[[Path], None]:
        return edited(lambda arrays: {**arrays, **more})

    for value in (0, -1, 3, 10**15, 1.0, 1.5, np.nan, "1", True, [1], [[1]], [], 1 + 0j):
        yield _case(CHECKPOINT, f"epoch {value!r}", withal(epoch=np.array(value)), False)
    for value in (
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"recipe": 3}',
        '{"recipe": []}',
        '{"recipe": null}',
        7,
        [1],
        "[" * 9999,
    ):
        yield _case(CHECKPOINT, f"inputs {str(value)[:20]!r}", withal(inputs=np.array(value)), False)
    # of other data or of another network: the fold begins anew
    for value in ("{}", '{"recipe": {}}', '{"recipe": {"nothing": 1}}'):
        yield _case(CHECKPOINT, f"inputs {value}", withal(inputs=np.array(value)), True)
    for name in ("epoch", "inputs", "v0", "v3"):
        yield _case(CHECKPOINT, f"{name} missing", without(name), name == "v0")
    for what, change in {
        "NaN": lambda v: np.full_like(v, np.nan),
        "infinite": lambda v: np.full_like(v, np.inf),
        "of texts": lambda v: np.full(v.shape, "x"),
        "of complex numbers": lambda v: v.astype(np.complex64),
        "of records": lambda v: np.zeros(v.shape, [("a", "f4")]),
    }.items():
        spoilt = edited(lambda arrays, change=change: {**arrays, "v0": change(arrays["v0"])})
        yield _case(CHECKPOINT, f"v0 {what}", spoilt, False)
    for what, change in {
        "of another shape": lambda v: np.zeros((*v.shape, 2), v.dtype),
        "of one value": lambda v: np.zeros((), v.dtype),
        "of no values": lambda v: np.zeros((0, *v.shape[1:]), v.dtype),
        "of whole numbers": lambda v: v.astype(np.int64),
    }.items():
        spoilt = edited(lambda arrays, change=change: {**arrays, "v0": change(arrays["v0"])})
        yield _case(CHECKPOINT, f"v0 {what}", spoilt, True)
    yield _case(CHECKPOINT, "an array more", withal(v999=np.zeros(3)), False)
    yield _case(CHECKPOINT, "objects", lambda path: _objects(path), False)
    yield _case(CHECKPOINT, "an array alone", spoiling._archive, False)
    yield _case(CHECKPOINT, "weights", lambda path: _copied(path, WEIGHTS), False)
    yield _case(CHECKPOINT, "gone", spoiling.removed, True)


def _objects(path: Path) -> None:
    content = io.BytesIO()
    np.savez(content, epoch=1, inputs="{}", v0=np.array([{"a": 1}, None], object))
    written(content.getvalue())(path)
