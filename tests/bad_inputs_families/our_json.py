"""The json files that the pipeline writes and reads, spoilt in every way."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.bad_inputs_families import spoiling
from tests.bad_inputs_families.case import Case
from tests.bad_inputs_families.roots import RUN
from tests.bad_inputs_families.spoiling import in_place, kept, written

HERE = "runs/demo/base"
# the file -> the stages that read it
FILES = {
    f"{HERE}/recipe.json": ("tune",),
    f"{HERE}/thresholds.json": ("submit",),
    f"{HERE}/fold0/environment.json": ("report",),
    f"{HERE}/fold0/model.json": ("predict",),
    "data/demo/prepared/prepared.json": ("tune",),
}
RECORDS = {
    f"{HERE}/thresholds.json.inputs.json": ("submit",),
    f"{HERE}/report.html.inputs.json": ("report",),
    f"{HERE}/fold0/model.json.inputs.json": ("predict",),
    f"{HERE}/fold0/valid.npy.inputs.json": ("tune",),
    f"{HERE}/fold0/test.npy.inputs.json": ("submit",),
    "data/demo/prepared/prepared.json.inputs.json": ("split",),
    "folds/demo-2.csv.inputs.json": ("tune",),
    "submissions/demo-base.csv.inputs.json": ("submit",),
}
# of each: what may be missing, be of another type, or hold nonsense
PLACES = {
    f"{HERE}/thresholds.json": [("thresholds",), ("classes",), ("thresholds", 0)]
    + [("thresholds", 0, name) for name in ("top", "min_area", "bottom", "min_component", "min_score", "else")],
    f"{HERE}/fold0/model.json": [],
    "data/demo/prepared/prepared.json": [],
    f"{HERE}/fold0/test.npy.inputs.json": [
        ("inputs",),
        ("output",),
        ("size",),
        ("modified_ns",),
        ("inputs", "weights"),
    ],
    f"{HERE}/fold0/model.json.inputs.json": [("inputs",), ("output",), ("size",), ("inputs", "recipe")],
    "data/demo/prepared/prepared.json.inputs.json": [("inputs",), ("output",), ("inputs", "code"), ("inputs", "raw")],
    "folds/demo-2.csv.inputs.json": [("inputs",), ("output",)],
}
INFO = ("channels", "dtype", "layers", "range", "mean", "std", "fingerprints", "class_pixels", "notes", "train", "test")
CHOICE = ("name", "kind", "size", "levels", "level", "channel", "sigma", "sign")


def cases() -> list[Case]:
    return [*_whole(), *_fields_of_recipes(), *_values(), *_locks()]


def same_submission(root: Path) -> str:
    """The submission of the base, byte for byte."""
    before, after = root / "kept.csv", root / "submissions" / "demo-base.csv"
    return "" if before.read_bytes() == after.read_bytes() else "status 0, but another submission"


def keeping(spoil, path: str = ""):
    """Spoils, and keeps the submission, and the file, as it was."""

    def both(root: Path) -> None:
        (root / "kept.csv").write_bytes((root / "submissions" / "demo-base.csv").read_bytes())
        if path:
            (root / "kept").write_bytes((root / path).read_bytes())
        spoil(root)

    return both


def made_again(path: str):
    """What is prepared may be made again where it is damaged: as it was, byte for byte, or with the same answers."""

    def right(root: Path) -> str:
        kept, now = root / "kept", root / path
        if now.is_file() and now.read_bytes() == kept.read_bytes():
            return same_submission(root)
        return "status 0, but what is prepared stays damaged"

    return right


def _case(name: str, path: str, what: str, spoil, stages, fine: bool, forbidden: str = "") -> Case:
    return Case(
        f"{path}: {what}",
        ("demo", *stages, *RUN),
        keeping(in_place(path, spoil)),
        fine=fine,
        # thresholds by hand are right where they are thresholds
        right=same_submission if not path.endswith("thresholds.json") else lambda root: "",
        forbidden=forbidden,
        allowed=(Path(path).name.removesuffix(".inputs.json"), "thresholds.json", "tuning.npz", "cross_fitted.npz"),
    )


def _whole() -> Iterator[Case]:
    texts = [*spoiling.any_bytes(), *spoiling.json_texts()]
    for path, stages in {**FILES, **RECORDS}.items():
        # what a record or a fold says of itself may be thrown away; what a person wrote may not
        fine = path.endswith((".inputs.json", "environment.json"))
        for what, content in texts:
            yield _case("", path, what, written(content), stages, fine)
        for what, change in spoiling.PLACES.items():
            yield _case("", path, what, change, stages, fine or "nothing" in what or "itself" in what)
        yield _case("", path, "cut off", kept(lambda content: content[: len(content) // 2]), stages, fine)
        yield _case("", path, "a mark of UTF-8", kept(lambda content: b"\xef\xbb\xbf" + content), stages, True)
        yield _case("", path, "may not be read", lambda path: None, stages, fine, forbidden=path)


def _fields_of_recipes() -> Iterator[Case]:
    from pipeline.recipe import Recipe

    path = f"{HERE}/recipe.json"
    for number, name in enumerate(vars(Recipe())):
        for what, value in list(spoiling.VALUES.items())[number % 3 :: 3]:
            change = kept(spoiling.with_value((name,), value))
            fine = isinstance(getattr(Recipe(), name), str) and isinstance(value, str)
            fine = fine or (name in ("seed", "flip", "tta") and value is True) or (name == "weights" and value == "x")
            yield _case("", path, f"{name} is {what}", change, ("tune",), fine)
    for name in ("recipe", "odd"):
        for what, value in spoiling.VALUES.items():
            change = kept(spoiling.with_value((name,), value))
            yield _case("", path, f"{name} is {what}", change, ("tune",), name == "recipe")
            yield _case("", path, f"{name} is {what}, the report", change, ("report",), name == "recipe")


def _values() -> Iterator[Case]:
    for path, places in PLACES.items():
        stages = {**FILES, **RECORDS}[path]
        if path.endswith("prepared.json"):
            places, stages = [(name,) for name in INFO] + [("fingerprints", "train")], ("tune", "submit")
        elif path.endswith("model.json"):
            places = [(name,) for name in CHOICE]
        for keys in places:
            for what, value in spoiling.VALUES.items():
                change = kept(spoiling.with_value(keys, value))
                yield _case("", path, f"{'.'.join(map(str, keys))} is {what}", change, stages, True)
            yield _case("", path, f"without {'.'.join(map(str, keys))}", kept(_quietly_without(keys)), stages, True)


def _quietly_without(keys: tuple):
    def change(content: bytes) -> bytes:
        try:
            return spoiling.without(keys)(content)
        except (KeyError, IndexError):
            return json.dumps({}).encode()

    return change


def _locks() -> Iterator[Case]:
    """What stands in a lock means nothing while nobody holds it."""
    path = f"{HERE}/.thresholds.json.lock"
    for what, content in [*spoiling.any_bytes(), *spoiling.json_texts()]:
        yield _case("", path, what, written(content), ("tune",), True)
    for name in ("process", "since", "host"):
        for what, value in spoiling.VALUES.items():
            content = json.dumps({"process": 1, "host": "x", "since": 1.0, name: value}).encode()
            yield _case("", path, f"{name} is {what}", written(content), ("tune",), True)
    for what, change in spoiling.PLACES.items():
        yield _case("", path, what, change, ("tune",), "device" in what or "nothing" in what)
