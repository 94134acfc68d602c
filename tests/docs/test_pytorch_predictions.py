"""The recipes of docs/how-to/pytorch-predictions.md, run with stand-ins for their packages: what they write is read."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from pipeline.imaging.sizes import to_network
from pipeline.imaging.tiles import stored
from tests.adoption.written import adopted, drawn, expect, held_out, parts
from tests.docs.markdown import Page
from tests.reporting.example_runs import SIDE, competition, job_of, square
from tests.start import ROOT

PYTORCH, SMP, NNUNET = Page(ROOT / "docs" / "how-to" / "pytorch-predictions.md").blocks("python")


class Tensor(np.ndarray):
    """What the recipes ask of one."""

    def to(self, place):
        return self

    def sigmoid(self):
        return 1 / (1 + np.exp(-self))

    def half(self):
        return self.astype(np.float16)

    def cpu(self):
        return self

    def numpy(self):
        return np.asarray(self)


class NoGrad:
    """`@no_grad()` and `with no_grad():`."""

    def __call__(self, function):
        return function

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class Padded:
    """Pads as albumentations does: what is odd goes below and to the right."""

    def __init__(self, height, width):
        self.shape = height, width

    def __call__(self, image):
        return {"image": to_network(image, self.shape, "pad")}


@pytest.fixture
def packages(monkeypatch):
    def module(name, **content):
        found = ModuleType(name)
        vars(found).update(content)
        monkeypatch.setitem(sys.modules, name, found)

    module("torch", no_grad=NoGrad, from_numpy=lambda array: array.view(Tensor))
    module("albumentations", PadIfNeeded=Padded)
    module("segmentation_models_pytorch")


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "preds").mkdir()
    monkeypatch.chdir(tmp_path)
    return job_of(tmp_path, competition(tests=[square(4), square(0)]))


def logit(array) -> np.ndarray:
    share = array.astype(np.float64) / 255
    return np.log(share / (1 - share))


def functions(code: str) -> SimpleNamespace:
    content = {}
    exec(code, content)
    return SimpleNamespace(**content)


def test_what_the_pytorch_recipe_writes_becomes_a_run(packages, job, tmp_path):
    values = drawn(job, low=1, high=254)
    recipe = functions(PYTORCH)

    class Model:
        def __call__(self, images):
            return images

        def eval(self):
            return self

    def loader(names):
        for start in range(0, len(names), 4):
            some = names[start : start + 4]
            yield some, np.stack([logit(values[name]).transpose(2, 0, 1) for name in some]).view(Tensor)

    for fold in range(3):
        recipe.write_fold(fold, Model(), loader(held_out(job, fold)), loader(parts(job)["test"]))
    expect(adopted(job, tmp_path / "preds", "torch"), values, tests=(0, 1, 2))


def test_what_the_smp_recipe_writes_becomes_a_run(packages, job, tmp_path):
    (tmp_path / "folds" / "tgs.csv").write_text((tmp_path / "folds" / "tiny-3.csv").read_text())
    seen = []

    def model(fold):
        def logits(batch):
            seen.append(fold)
            return 4 * batch[:, :1] - 2

        return logits

    images = {name: np.repeat(array, 3, axis=2) for name, array in drawn(job).items()}
    functions(SMP).write_oof([model(fold) for fold in range(3)], images.__getitem__)
    run = adopted(job, tmp_path / "preds", "smp", logits=True, fit="pad")
    share = {name: array[..., :1] / np.float32(255) for name, array in images.items()}
    expect(run, {name: stored(1 / (1 + np.exp(2 - 4 * array))) for name, array in share.items()}, tests=())
    assert seen == [i % 3 for i in range(18)]
    assert np.load(tmp_path / "preds" / "oof.npz")["predictions"].shape == (18, 1, 128, 128) and SIDE < 128


def test_the_nnunet_recipe_writes_our_folds(job, tmp_path):
    (tmp_path / "folds" / "tgs.csv").write_text((tmp_path / "folds" / "tiny-3.csv").read_text())
    place = tmp_path / "nnUNet_preprocessed" / "Dataset001_TGS"
    place.mkdir(parents=True)
    functions(NNUNET)
    splits = json.loads((place / "splits_final.json").read_text())
    assert [split["val"] for split in splits] == [held_out(job, fold) for fold in range(3)]
    assert all(sorted(split["train"] + split["val"]) == sorted(parts(job)["oof"]) for split in splits)
