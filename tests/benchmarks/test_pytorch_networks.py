"""The networks that ours are timed against: the same layers, so that they have as many numbers to learn."""

import importlib.util
import math

import pytest

from pipeline.competitions.tgs import competition
from pipeline.recipe import Recipe

pytestmark = [pytest.mark.slow, pytest.mark.torch]
QUICK = competition.recipes["quick"]
LITE = {**QUICK, "stem": 1, "encoder": "efficientnetlite0"}


@pytest.mark.parametrize(
    "recipe",
    [
        QUICK,
        {**QUICK, "stem": 1, "width": 8},
        {**QUICK, "model": "unet2015", "stem": 1, "width": 4},
        {**LITE, "answer_stride": 2},
        {**LITE, "encoder": "resnet18"},
    ],
    ids=["stem", "whole", "paper", "lite", "resnet"],
)
def test_they_have_as_many_numbers_to_learn_and_answer_each_pixel(recipe):
    torch = pytest.importorskip("torch")
    pytest.importorskip("keras")
    from benchmarks.rows import pytorch_networks
    from pipeline.training import fit

    recipe = Recipe(**recipe)
    if recipe.encoder and not importlib.util.find_spec("timm"):
        pytest.skip("timm is not installed")
    theirs, margin = pytorch_networks.of(recipe), fit.frame_for(recipe).margin
    with torch.no_grad():
        # 64 pixels, and what an unpadded network takes around them
        side = fit.frame_for(recipe).side(64) + 2 * margin
        assert theirs(torch.zeros(2, 3, side, side)).shape[2:] == (side - 2 * margin,) * 2
    ours = fit.network_for(recipe, competition, {"channels": 3, "mean": [0] * 3, "std": [1] * 3})
    found = sum(parameter.numel() for parameter in theirs.parameters())
    assert found == sum(math.prod(variable.shape) for variable in ours.trainable_variables)


@pytest.mark.parametrize("change", [{"decoder": "upsampling"}, {"encoder": "vgg16", "stem": 1}, {"block": "plain"}])
def test_of_layers_that_nobody_wrote_there_is_no_peer(change):
    pytest.importorskip("torch")
    from benchmarks.rows import pytorch_networks

    assert pytorch_networks.of(Recipe(**{**QUICK, **change})) is None
