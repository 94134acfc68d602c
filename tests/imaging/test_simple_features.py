"""Simple features of pictures: known answers, and that each number has a name."""

import numpy as np
import pytest

from pipeline.imaging import simple_features


def numbers(picture: np.ndarray) -> dict:
    part = simple_features.part_of(picture)
    names = simple_features.names(picture.shape[2])
    return dict(zip(names, simple_features.measured(part, picture.shape[:2]), strict=True))


def test_a_picture_of_two_values():
    picture = np.zeros((4, 8, 1), np.uint8)
    picture[:, 4:] = 200
    found = numbers(picture)
    assert found["mean"] == 100 and found["spread"] == 100 and found["entropy"] == 1
    assert found["percentile 5"] == 0 and found["percentile 95"] == 200
    assert found["share of the least value"] == found["share of the largest value"] == 0.5
    # one of seven steps to the right, and none down
    assert found["steps between neighbours"] == pytest.approx(200 / 7 / 2)
    assert (found["height, logarithm"], found["width, logarithm"]) == (2, 3)


def test_percentiles_are_those_of_numpy():
    picture = np.random.default_rng(0).integers(0, 256, (31, 17, 1)).astype(np.uint8)
    found = numbers(picture)
    for share in simple_features.PERCENTILES:
        assert found[f"percentile {share}"] == np.percentile(picture, share, method="inverted_cdf")


def test_colours():
    picture = np.zeros((5, 5, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 150, 50
    found = numbers(picture)
    assert [found[f"share of channel {k}"] for k in (1, 2, 3)] == [0.75, 0, 0.25]
    assert found["difference of channels"] == 150


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 2), (7, 1, 3), (3, 3, 65)])
def test_pictures_of_any_shape_have_as_many_numbers_as_names(shape):
    found = numbers(np.full(shape, 7, np.uint8))
    assert all(np.isfinite(value) for value in found.values())
    assert len(simple_features.looked_at(shape[2])) == min(shape[2], 4)


def test_of_a_large_picture_patches_are_looked_at():
    picture = np.zeros((2000, 3000, 1), np.uint8)
    picture[:, 1500:] = 255
    part = simple_features.part_of(picture)
    assert part.shape == (1024, 1024, 1) and part.mean() == pytest.approx(127.5)
    assert simple_features.part_of(np.zeros((3, 800_000, 2), np.uint8)).shape == (4, 1024, 2)
