"""The csv files that the pipeline writes and reads, spoilt in every way."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from tests.bad_inputs_families import spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.our_json import HERE, keeping, made_again, same_submission
from tests.bad_inputs_families.roots import RUN
from tests.bad_inputs_families.spoiling import in_place, kept, written

LEDGER = "when,competition,run,file_hash,out_of_fold,cross_fitted,public,private\n"
# the file -> the stages that read it, and what of the changes is fine there
FILES = {
    "folds/demo-2.csv": ("tune",),
    "data/demo/prepared/images.csv": ("submit", "--again"),
    "data/demo/prepared/extra.csv": ("explore",),
    "data/demo/prepared/sample_submission.csv": ("submit", "--again"),
    f"{HERE}/fold0/valid.csv": ("tune", "--again"),
    f"{HERE}/fold0/test.csv": ("submit", "--again"),
    "submissions/demo-base.csv": ("submit",),
}
# where these changes leave the meaning as it is
HARMLESS = {
    "folds/demo-2.csv": ("rows in another order", "header twice"),
    "data/demo/prepared/images.csv": ("columns turned", "last column", "column twice", "thousand"),
    "data/demo/prepared/extra.csv": ("",),
    "submissions/demo-base.csv": ("nothing in the",),
    "data/demo/prepared/sample_submission.csv": ("column", "in another order", "last row", "quote", "twice", "NUL"),
}


def cases() -> list[Case]:
    return [*_whole(), *_ledger()]


def _case(path: str, what: str, spoil, words, fine: bool, forbidden: str = "") -> Case:
    is_prepared = path.startswith("data/") and not forbidden
    right = same_submission
    if fine and any(part in path for part in ("sample", "submissions", "extra")):
        right = no_matter
    elif is_prepared and not fine:
        right = made_again(path)
    return Case(
        f"{path}: {what}",
        ("demo", *words, *RUN),
        keeping(in_place(path, spoil), path),
        fine=fine or is_prepared,
        right=right,
        forbidden=forbidden,
        allowed=(Path(path).name, "thresholds.json", "tuning.npz", "cross_fitted.npz"),
    )


def no_matter(root: Path) -> str:
    return ""


def _whole() -> Iterator[Case]:
    for path, words in FILES.items():
        harmless = HARMLESS.get(path, ())
        for what, is_fine, change in spoiling.csv_changes():
            fine = is_fine or any(part in what for part in harmless)
            yield _case(path, what, kept(change), words, fine)
        for what, content in spoiling.any_bytes():
            yield _case(path, what, written(content), words, "extra" in path)
        for what, change in spoiling.PLACES.items():
            # what is not there is made again
            yield _case(path, what, change, words, "extra" in path or "link" in what)
        # a submission that was not changed is made again unread
        fine = "extra" in path or "submissions" in path
        yield _case(path, "may not be read", lambda path: None, words, fine, forbidden=path)


def _ledger() -> Iterator[Case]:
    path = "submissions/ledger.csv"
    row = "2026-01-01T00:00:00.000+00:00,tgs,base,0,0.5,0.5,,\n"
    texts = [(what, change((LEDGER + row + row).encode())) for what, _, change in spoiling.csv_changes()]
    for what, content in [*spoiling.any_bytes(), *texts]:
        yield Case(f"{path}: {what}", ("demo", "upload", *RUN), _uploading(in_place(path, written(content))))
    for what, change in spoiling.PLACES.items():
        yield Case(f"{path}: {what}", ("demo", "upload", *RUN), _uploading(in_place(path, change)))
    yield Case(f"{path}: may not be read", ("demo", "upload", *RUN), _uploading(_nothing), forbidden=path)


def _nothing(root: Path) -> None:
    in_place("submissions/ledger.csv", written(LEDGER.encode()))(root)


def _uploading(spoil):
    """Lets the demo be uploaded, to a Kaggle that takes nothing."""

    def spoilt(root: Path) -> None:
        from pipeline.errors import UserError
        from pipeline.kaggle import site
        from pipeline.stages import upload

        spoil(root)
        mock.patch.object(upload, "refuse", lambda job: None).start()
        mock.patch.object(site, "submit", side_effect=UserError("nothing is uploaded here")).start()

    return spoilt
