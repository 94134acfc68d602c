"""The NumPy files that the pipeline writes and reads, spoilt in every way."""

from collections.abc import Iterator
from pathlib import Path

from tests.bad_inputs_families import spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.our_json import HERE, keeping, made_again, same_submission
from tests.bad_inputs_families.roots import RUN
from tests.bad_inputs_families.spoiling import in_place, kept, written

PREPARED = "data/demo/prepared"
# the file -> the words that have it read
FILES = {
    f"{PREPARED}/images.npy": ("predict", "--again"),
    f"{PREPARED}/labels.npy": ("tune", "--again"),
    f"{PREPARED}/truth.npy": ("report", "--again"),
    f"{HERE}/fold0/valid.npy": ("tune", "--again"),
    f"{HERE}/fold1/valid_no_tta.npy": ("tune", "--again"),
    f"{HERE}/fold1/test.npy": ("submit", "--again"),
}
# of probabilities any values are right
ANY_VALUES = ("noise behind", "one byte more")


def cases() -> list[Case]:
    return [*_arrays(), *_archive()]


def _case(path: str, what: str, spoil, words, fine: bool, forbidden: str = "") -> Case:
    is_prepared = path.startswith(PREPARED) and not forbidden
    right = same_submission if "noise" not in what else lambda root: ""
    return Case(
        f"{path}: {what}",
        ("demo", *words, *RUN),
        keeping(in_place(path, spoil), path),
        fine=fine or is_prepared,
        right=made_again(path) if is_prepared and not fine else right,
        forbidden=forbidden,
        allowed=(Path(path).name, "thresholds.json", "tuning.npz", "cross_fitted.npz", "report.html", "test.csv"),
    )


def _arrays() -> Iterator[Case]:
    for path, words in FILES.items():
        for what, change in spoiling.array_changes():
            yield _case(path, what, change, words, any(part in what for part in ANY_VALUES))
        for what, content in spoiling.any_bytes():
            yield _case(path, what, written(content), words, False)
        for what, change in spoiling.PLACES.items():
            yield _case(path, what, change, words, "link" in what)
        yield _case(path, "may not be read", lambda path: None, words, False, forbidden=path)


def _archive() -> Iterator[Case]:
    """`tuning.npz`: what the report draws; without it a page has fewer charts."""
    path, words = f"{HERE}/tuning.npz", ("report", "--again")
    for share in (0.01, 0.1, 0.5, 0.9, 0.99, 0.999):
        change = kept(lambda content, share=share: content[: int(len(content) * share)])
        yield _case(path, f"cut off at {share:.1%}", change, words, True)
    for place in range(0, 1200, 60):
        yield _case(path, f"another byte at {place}", kept(_flipped(place)), words, True)
    for what, content in [*spoiling.any_bytes(), ("an empty zip", b"PK\x05\x06" + b"\0" * 18)]:
        yield _case(path, what, written(content), words, True)
    yield _case(path, "an array", _one_array, words, True)
    yield _case(path, "other arrays", spoiling._archive, words, True)
    yield _case(path, "a pickle", spoiling._pickled, words, True)
    for what, change in spoiling.PLACES.items():
        yield _case(path, what, change, words, True)
    yield _case(path, "may not be read", lambda path: None, words, True, forbidden=path)


def _one_array(path: Path) -> None:
    import io

    import numpy as np

    file = io.BytesIO()
    np.save(file, np.arange(9))
    written(file.getvalue())(path)


def _flipped(place: int):
    def change(content: bytes) -> bytes:
        at = place % len(content)
        return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]

    return change
