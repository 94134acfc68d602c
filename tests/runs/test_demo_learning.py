"""What the demo's score means: labels that say nothing teach nothing."""

import json
import zipfile

import numpy as np
import pandas
import pytest

from tests.start import run

pytestmark = pytest.mark.slow

BUDGET = ["--width", "8", "--depth", "3", "--epochs", "3", "--steps", "25", "--batch-size", "8", "--score-every", "3"]


def shuffled(raw, target) -> None:
    """The same files with the masks dealt to other images."""
    target.mkdir()
    table = pandas.read_csv(raw / "train.csv", dtype=str, keep_default_na=False)
    other = dict(zip(table["id"], np.random.default_rng(4).permutation(table["id"]), strict=True))
    texts = dict(zip(table["id"], table["rle_mask"], strict=True))
    with zipfile.ZipFile(raw / "train.zip") as source, zipfile.ZipFile(target / "train.zip", "w") as result:
        for name in source.namelist():
            folder, file = name.split("/")
            taken = name if folder == "images" else f"masks/{other[file.removesuffix('.png')]}.png"
            result.writestr(name, source.read(taken))
    table["rle_mask"] = [texts[other[name]] for name in table["id"]]
    table.to_csv(target / "train.csv", index=False)
    for name in ("test.zip", "sample_submission.csv"):
        (target / name).write_bytes((raw / name).read_bytes())


def test_a_network_trained_on_shuffled_labels_is_at_chance(drawn, tmp_path):
    """Chance is the best constant answer: everything empty."""
    shuffled(drawn / "data" / "demo" / "raw", tmp_path / "given")
    root = tmp_path / "root"
    root.mkdir()
    run("demo", "train", "tune", "--fold", "0", *BUDGET, "--data", tmp_path / "given", root=root)
    content = json.loads(next(root.glob("runs/demo/*/thresholds.json")).read_text())
    assert content["cross_fitted"] <= content["empty_truth"] + 0.05
    assert content["oof"] <= content["empty_truth"] + 0.05
