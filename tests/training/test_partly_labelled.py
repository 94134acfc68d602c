"""Where pixels are not labelled nothing is learnt: by no loss, of whole images and of windows in three dimensions."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

keras = pytest.importorskip("keras")

from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.store.prepared import Patches, View
from pipeline.tasks.partly_labelled import PartlyLabelled
from pipeline.training import losses
from pipeline.training.batches import Batches

TASK, COUNT, SIZE = PartlyLabelled(("surface",)), 12, (20, 26)


def volume():
    """Images and labels of one volume: a pixel of an image tells its slice and its place."""
    random = np.random.default_rng(3)
    labels = [random.integers(0, 3, (*SIZE, 1)).astype(np.uint8) for _ in range(COUNT)]
    images = [(10 * i + np.arange(SIZE[0] * SIZE[1]) % 10).reshape(*SIZE, 1).astype(np.uint8) for i in range(COUNT)]
    return images, labels


def batch_of(step=0, **fields):
    images, labels = volume()
    reader = SimpleNamespace(heights=np.full(COUNT, SIZE[0]), widths=np.full(COUNT, SIZE[1]))
    reader = type("Reader", (list,), vars(reader))(images)
    table = pandas.DataFrame({"part": ["train"] * COUNT, "volume": ["a"] * COUNT, "coverage": [0.3] * COUNT})
    prepared = SimpleNamespace(images=reader, labels=labels, table=table)
    recipe = Recipe(**{"size": 0, "slices": 4, "batch_size": 6, **fields})
    view = View(Patches(prepared, recipe.slices), {}, recipe.slices)
    shape = (fields["crop"],) * 2 if "crop" in fields else SIZE
    return (
        Batches(prepared, view, np.arange(COUNT), TASK, shape, Frame(multiple=1), recipe, (1, 1))(step),
        images,
        labels,
    )


@pytest.mark.parametrize("fields", [{}, {"crop": 8}, {"crop": 8, "non_empty": 1.0}, {"crop": 32}], ids=str)
def test_target_and_what_is_known_lie_on_their_pixels(fields):
    batch, images, labels = batch_of(**fields)
    stack, truth = (np.stack([picture[..., 0] for picture in some]) for some in (images, labels))
    for image, target, known in zip(batch["image"], batch["target"], batch["known"], strict=True):
        first = int(image[..., 0].min()) // 10
        window = stack[first : first + 4].transpose(1, 2, 0)
        assert image.shape[2] == 4 and [int(image[..., k].min()) // 10 for k in range(4)] == list(
            range(first, first + 4)
        )
        if "crop" not in fields:
            assert np.array_equal(image, window)
            wanted = truth[first : first + 4].transpose(1, 2, 0)
            assert np.array_equal(known, wanted != 2) and np.array_equal(target, 255 * (wanted == 1))
        # what stands where nothing is known is nothing
        assert not target[known == 0].any() and 0.5 < known.mean() < 0.8 and target.any()


def test_windows_differ_in_all_three_dimensions():
    batch, *_ = batch_of(crop=8)
    firsts = {int(image[..., 0].min()) // 10 for image in batch["image"]}
    assert len(firsts) > 2 and len({image[0, 0, 0] % 10 for image in batch["image"]}) > 2


@pytest.mark.parametrize("loss", ["bce", "dice", "lovasz", "bce+dice+lovasz"])
def test_what_is_answered_where_nothing_is_labelled_changes_no_loss(loss):
    batch, *_ = batch_of(crop=8)
    random = np.random.default_rng(0)
    known = batch["known"].reshape(-1, 8, 8, 1)
    target = (batch["target"] / 255).astype(np.float32).reshape(-1, 8, 8, 1)
    logits = random.normal(0, 2, target.shape).astype(np.float32)
    other = np.where(known > 0, logits, random.normal(0, 9, target.shape)).astype(np.float32)
    total = losses.composed(loss)
    found, again = (float(total(values, target, None, known)) for values in (logits, other))
    assert found == again > 0
    assert float(total(other, target)) != pytest.approx(float(total(logits, target)))
