"""At which scale a picture is seen: what its plain answer asks for."""

import numpy as np
import pytest

from pipeline.recipe import Recipe
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.training import own_scale
from tests.imaging.test_thickness import discs


def answer(task, mask: np.ndarray) -> np.ndarray:
    """H x W x K uint8 probabilities, sure of this mask."""
    return task.target(mask[..., None].astype(np.uint16 if task.objects else np.uint8))


@pytest.mark.parametrize("task", [Binary(("salt",)), Instances()], ids=["mask", "objects"])
@pytest.mark.parametrize(("radius", "scale"), [(2, 2.0), (5, 2**0.5), (10, 1.0), (20, 2**-0.5), (40, 0.5), (60, 0.5)])
def test_each_halving_of_the_objects_is_seen_larger_by_the_root_of_two(task, radius, scale):
    seen = own_scale.of(Recipe(object_radius=10), task)
    assert seen(answer(task, discs((64, 64, radius)))) == pytest.approx(scale)


def test_where_there_is_nothing_it_is_seen_as_it_is():
    seen = own_scale.of(Recipe(object_radius=10), Binary(("salt",)))
    assert seen(np.zeros((30, 40, 1), np.uint8)) == 1


@pytest.mark.parametrize("fields", [{}, {"object_radius": 10, "tta": False}])
def test_it_is_off(fields):
    assert own_scale.of(Recipe(**fields), Binary(("salt",))) is None
