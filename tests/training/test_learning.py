"""The parts of learning, one by one: losses, augmentation, batches, the network."""

from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

from pipeline import recipe as recipes
from pipeline.models import unet
from pipeline.models.frame import Frame
from pipeline.store.prepared import Prepared
from pipeline.tasks.binary import Binary
from pipeline.training import catalogue, losses
from pipeline.training.augment import Augment
from pipeline.training.batches import Batches

STILL = {
    "flip": False, "shift": 0.0, "scale": 0.0, "rotation": 0.0, "shear": 0.0,
    "brightness": 0.0, "contrast": 0.0, "gamma": 0.0, "noise": 0.0,
}  # fmt: skip


def array(value):
    return keras.ops.convert_to_numpy(value)


def some(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype("float32")


def slow_lovasz(logits, truth):
    """The paper's definition, set by set: the Jaccard loss of the first k wrong pixels, differences as weights."""
    errors = 1 - logits * (2 * truth - 1)
    order = np.argsort(-errors, kind="stable")
    total, before = 0.0, 0.0
    for k in range(1, len(order) + 1):
        wrong = set(order[:k].tolist())
        positives = set(np.flatnonzero(truth).tolist())
        found = (positives - wrong) | (wrong - positives)
        union = positives | found
        loss = 1 - len(positives & found) / len(union) if union else 0.0
        total += max(errors[order[k - 1]], 0) * (loss - before)
        before = loss
    return total


def test_lovasz_equals_a_literal_reading():
    logits = some(3, 4, 5, 2) * 4 - 2
    truth = (some(3, 4, 5, 2, seed=1) > 0.6).astype("float32")
    truth[0, ..., 0] = 0
    wanted = np.mean(
        [slow_lovasz(logits[b, ..., c].ravel(), truth[b, ..., c].ravel()) for b in range(3) for c in range(2)]
    )
    assert float(array(losses.lovasz(logits, truth))) == pytest.approx(wanted, abs=1e-5)


def test_losses_have_their_known_values():
    target = np.zeros((1, 2, 2, 1), "float32")
    target[0, 0] = 1
    right = (target * 2 - 1) * 50
    for name, loss in catalogue.losses().items():
        if loss.like != "ce":
            assert float(array(losses.composed(name)(right, target))) < 1e-3, name
    assert float(array(losses.bce(np.zeros_like(target), target))) == pytest.approx(np.log(2))
    # probability .5 everywhere, two of four pixels true: Dice is (2 * 1 + 1) / (2 + 2 + 1)
    assert float(array(losses.composed("dice")(np.zeros_like(target), target))) == pytest.approx(1 - 3 / 5)
    assert float(array(losses.composed("bce+dice")(np.zeros_like(target), target))) == pytest.approx(np.log(2) + 0.4)


def test_cross_entropy_of_exclusive_classes_leaves_out_what_is_void():
    target = np.zeros((1, 1, 4, 3), "float32")
    target[0, 0, 0, 0] = target[0, 0, 1, 1] = target[0, 0, 2, 2] = 1  # the fourth pixel is void
    logits = some(1, 1, 4, 3) * 5
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    each = -np.log([shares[0, 0, i, i] for i in range(3)])
    assert float(array(losses.ce(logits, target))) == pytest.approx(each.mean(), rel=1e-5)
    weights = [1.0, 2.0, 5.0]
    assert float(array(losses.ce(logits, target, weights))) == pytest.approx(
        np.average(each, weights=weights), rel=1e-5
    )
    elsewhere = logits.copy()
    elsewhere[0, 0, 3] = (9, -9, 3)
    for name in ("ce", "dice", "ce+dice"):
        loss = losses.composed(name, "softmax")
        assert float(array(loss(logits, target))) == pytest.approx(float(array(loss(elsewhere, target))))
        assert float(array(loss((target * 2 - 1) * 50, target))) < 1e-3


def test_classes_are_balanced_by_their_median_frequency():
    assert losses.balance([100, 400, 1600], 1.0) == pytest.approx([4.0, 1.0, 0.25])
    assert losses.balance([100, 400, 1600], 0.5) == pytest.approx([2.0, 1.0, 0.5])
    assert losses.balance([100, 400], 0.0) is None


def augment(window=(8, 8), seed=1, symmetry="left-right", blends=True, **fields):
    recipe = recipes.Recipe(**{**STILL, "depth": 2, **fields})
    return Augment(recipe, symmetry, blends, window, keras.random.SeedGenerator(seed))


def test_nothing_asked_is_nothing_changed():
    image, target = some(2, 8, 12, 3), some(2, 8, 12, 1, seed=1)
    moved, moved_target = augment((8, 12))(image, target)
    assert np.allclose(array(moved), image, atol=1e-6) and np.allclose(array(moved_target), target, atol=1e-6)


@pytest.mark.parametrize(("symmetry", "count"), [("left-right", 2), ("flips", 4), ("turns", 8)])
def test_flips_are_exact_and_all_of_them_occur(symmetry, count):
    from pipeline.imaging.flips import SYMMETRIES

    image = some(1, 6, 6, 1)
    batch = np.repeat(image, 64, axis=0)
    moved = array(augment((6, 6), symmetry=symmetry, flip=True)(batch, batch)[0])
    wanted = [flip.forward(image)[0] for flip in SYMMETRIES[symmetry]]
    seen = {next(i for i, other in enumerate(wanted) if np.allclose(one, other, atol=1e-5)) for one in moved}
    assert len(seen) == count


def test_image_and_target_move_together():
    picture = some(4, 16, 16, 1)
    moved, target = augment((16, 16), flip=True, shift=0.2, scale=0.3, rotation=30.0, shear=10.0, elastic=1.5)(
        picture, picture
    )
    assert np.allclose(array(moved), array(target), atol=1e-5)
    assert not np.allclose(array(moved), picture, atol=0.05)


def test_class_numbers_are_never_mixed():
    labels = (some(4, 16, 16, 1) * 3).astype(int).astype("float32") * 7
    moved = array(augment((16, 16), blends=False, rotation=30.0, scale=0.3, elastic=2.0)(labels, labels)[1])
    assert set(np.unique(moved)) <= {0.0, 7.0, 14.0}


def test_grey_values_change_the_image_alone():
    picture = some(2, 8, 8, 1)
    moved, target = augment(brightness=0.2, contrast=0.3, gamma=0.3, noise=0.05)(picture, picture)
    assert np.allclose(array(target), picture, atol=1e-6) and not np.allclose(array(moved), picture, atol=0.01)


def test_colours_turn_around_grey_and_go_grey_or_negative_for_a_share_of_the_images():
    picture = np.repeat(some(1, 4, 4, 3), 64, axis=0)
    turned = array(augment((4, 4), hue=60.0)(picture, picture)[0])
    assert np.allclose(turned.mean(axis=3), picture.mean(axis=3), atol=1e-5)
    assert not np.allclose(turned, picture, atol=0.05)
    grey = np.repeat(some(2, 4, 4, 1), 3, axis=3)
    assert np.allclose(array(augment((4, 4), hue=60.0)(grey, grey)[0]), grey, atol=1e-5)
    greyed = array(augment((4, 4), to_grey=0.5)(picture, picture)[0])
    is_grey = np.ptp(greyed, axis=3).max(axis=(1, 2)) < 1e-5
    assert 10 < is_grey.sum() < 54 and np.allclose(greyed[~is_grey], picture[~is_grey], atol=1e-6)
    negative = array(augment((4, 4), invert=0.5)(picture, picture)[0])
    inverted = np.isclose(negative, 1 - picture, atol=1e-5).all(axis=(1, 2, 3))
    assert 10 < inverted.sum() < 54 and np.allclose(negative[~inverted], picture[~inverted], atol=1e-6)


def test_crops_are_windows_of_the_image():
    picture = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    moved = array(augment((4, 4))(np.repeat(picture, 3, axis=0), np.repeat(picture, 3, axis=0))[0])
    assert moved.shape == (3, 4, 4, 1)
    steps = np.diff(moved[..., 0], axis=2)
    assert np.allclose(steps, 1, atol=1e-4)


def test_the_same_seed_draws_the_same():
    picture = some(2, 8, 8, 1)
    first, second, other = (array(augment(seed=s, rotation=20.0)(picture, picture)[0]) for s in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_windows_of_class_numbers_hold_something_that_is_neither_the_first_class_nor_void():
    from types import SimpleNamespace

    import pandas

    from pipeline.store.prepared import View
    from pipeline.tasks.multiclass import MultiClass

    labels = np.zeros((200, 200, 1), np.uint8)
    labels[:90], labels[150:153, 150:153] = 9, 1
    prepared = SimpleNamespace(labels=[labels], table=pandas.DataFrame({"coverage": [0.1]}))
    task = MultiClass(("road", "pole"), void=9)
    for fields in ({}, {"size": 200, "fit": "resize"}):
        recipe = recipes.Recipe(**{"size": 0, **fields}, crop=24, batch_size=4, non_empty=1.0)
        frame, view = Frame(multiple=1), View([labels], {})
        batch = Batches(prepared, view, np.array([0]), task, (24, 24), frame, recipe, (1, 1))(0)
        assert batch["target"][..., 1].any(axis=(1, 2)).all()


@pytest.mark.parametrize("shape", [(2, 3, 5, 2), (1, 1, 4, 3)])
def test_doubling_is_the_linear_interpolation_of_keras(shape):
    values = some(*shape)
    wanted = keras.layers.UpSampling2D(interpolation="bilinear")(values)
    assert np.allclose(array(unet.Bilinear()(values)), array(wanted), atol=1e-6)


@pytest.mark.parametrize("width", [3, 12])
def test_groups_of_channels_divide_any_width(width):
    recipe = recipes.Recipe(depth=1, width=width, normalization="group")
    network = unet.build(recipe, channels=1, outputs=1, mean=[0.5], std=[0.2])
    assert array(network(some(1, 4, 4, 1))).shape == (1, 4, 4, 1)


@pytest.mark.parametrize("block", ["residual", "plain"])
@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
@pytest.mark.parametrize("decoder", ["transposed2", "transposed3", "upsampling"])
def test_the_network_keeps_height_and_width(block, normalization, decoder):
    recipe = recipes.Recipe(depth=2, width=4, block=block, normalization=normalization, decoder=decoder, dropout=0.1)
    network = unet.build(recipe, channels=3, outputs=2, mean=[0.5] * 3, std=[0.2] * 3)
    logits = network(some(2, 12, 20, 3))
    assert array(logits).shape == (2, 12, 20, 2) and array(logits).dtype == np.float32


@pytest.mark.parametrize(("stem", "policy"), [(2, "float32"), (3, "float32"), (4, "mixed_bfloat16")])
def test_a_network_with_a_stem_keeps_height_and_width_and_works_on_less(stem, policy):
    recipe = recipes.Recipe(depth=1, width=4, stem=stem, block="plain", normalization="none")
    keras.config.set_dtype_policy(policy)
    try:
        network = unet.build(recipe, channels=3, outputs=2, mean=[0.5] * 3, std=[0.2] * 3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert unet.frame(recipe).multiple == 2 * stem
    logits = network(some(2, 4 * stem, 6 * stem, 3))
    assert array(logits).shape == (2, 4 * stem, 6 * stem, 2) and array(logits).dtype == np.float32
    # behind the stem it is the network that it would be of `width` channels without one
    plain = unet.build(replace(recipe, stem=1), channels=4, outputs=2, mean=[0.5] * 4, std=[0.2] * 4)
    first, last = 3 * 4 * (2 * stem) ** 2 + 4, 4 * 2 * (2 * stem) ** 2 + 2
    assert network.count_params() == plain.count_params() + first + last - (4 * 2 + 2)


def test_an_encoder_has_a_stem_of_its_own():
    recipe = recipes.Recipe(encoder="resnet50", stem=2)
    assert unet.frame(recipe) == unet.frame(recipes.Recipe(encoder="resnet50"))


def test_the_plain_network_has_the_parameters_counted_by_hand():
    recipe = recipes.Recipe(depth=1, width=4, block="plain", normalization="none", decoder="transposed3")
    network = unet.build(recipe, channels=1, outputs=1, mean=[0.0], std=[1.0])
    down = (9 * 1 * 4 + 4) + (9 * 4 * 4 + 4)
    bottom = (9 * 4 * 8 + 8) + (9 * 8 * 8 + 8)
    up = (9 * 8 * 4 + 4) + (9 * 8 * 4 + 4) + (9 * 4 * 4 + 4)
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == down + bottom + up + 4 + 1


def batches_of(prepared, rows, shape, recipe, margin=0, task=None):
    frame = Frame(multiple=1, margin=margin)
    return Batches(prepared, prepared.view(), rows, task or Binary(("salt",)), shape, frame, recipe, (7, 1))


def test_batches_are_a_function_of_their_number_and_show_every_image_once(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    shape, recipe = (32, 32), recipes.Recipe(size=32, fit="resize", batch_size=8)
    batches = batches_of(prepared, np.arange(40), shape, recipe)
    assert batches.steps == 5
    stream = batches.stream(3)
    for step in range(3, 8):
        (batch,) = next(stream)
        again = batches(step)
        assert np.array_equal(batch["image"], again["image"]) and np.array_equal(batch["target"], again["target"])
    stream.close()
    for epoch in range(2):
        assert sorted(batches._order(epoch).tolist()) == list(range(40))
    assert batches._order(0).tolist() != batches._order(1).tolist()
    few = batches_of(prepared, np.arange(3), shape, recipe)
    assert few.steps == 1 and few(0)["image"].shape == (8, 32, 32, 1)


def test_windows_are_cut_from_the_stored_image_and_its_labels_alike(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    recipe = recipes.Recipe(size=0, crop=48, batch_size=8)
    filled = np.flatnonzero(prepared.table["coverage"].to_numpy(float)[prepared.train] > 0)[:6]
    batch = batches_of(prepared, filled, (53, 53), recipe)(2)
    assert batch["image"].shape == batch["target"].shape == (8, 53, 53, 1)
    wholes = {row: (prepared.images[row][..., 0], prepared.labels[row][..., 0]) for row in filled}
    for image, target in zip(batch["image"][..., 0], batch["target"][..., 0], strict=True):
        places = [
            (row, y, x)
            for row, (whole, _) in wholes.items()
            for y, x in zip(*np.nonzero(whole[:49, :49] == image[0, 0]), strict=True)
            if np.array_equal(whole[y : y + 53, x : x + 53], image)
        ]
        assert places
        row, y, x = places[0]
        assert np.array_equal(wholes[row][1][y : y + 53, x : x + 53] * 255, target)


def test_a_picture_smaller_than_the_window_is_mirrored_to_it(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    recipe = recipes.Recipe(size=0, crop=128, batch_size=2)
    batch = batches_of(prepared, [0], (141, 141), recipe)(0)
    wanted = np.pad(prepared.images[0], ((20, 20), (20, 20), (0, 0)), mode="reflect")
    assert np.array_equal(batch["image"][0], wanted)


def test_a_margin_is_mirrored_around_the_whole_picture(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    batch = batches_of(prepared, [0], (132, 132), recipes.Recipe(size=0, batch_size=1), margin=8)(0)
    # 101 to 116, which the network answers for, and 8 more on each side
    wanted = np.pad(prepared.images[0], ((15, 16), (15, 16), (0, 0)), mode="reflect")
    assert np.array_equal(batch["image"][0], wanted)


def test_windows_with_a_margin_reach_beyond_every_edge_but_no_farther_than_it(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    recipe = recipes.Recipe(size=0, crop=32, batch_size=64)
    whole = np.pad(prepared.images[0][..., 0], 20, mode="reflect")
    batch = batches_of(prepared, [0], (72, 72), recipe, margin=20)(0)
    places = set()
    for image in batch["image"][..., 0]:
        found = [
            (y, x)
            for y, x in zip(*np.nonzero(whole[:70, :70] == image[0, 0]), strict=True)
            if np.array_equal(whole[y : y + 72, x : x + 72], image)
        ]
        assert found
        places.add(found[0])
    assert len(places) > 30 and min(y for y, _ in places) < 10 and max(y for y, _ in places) > 55


def test_the_share_of_windows_that_hold_something_is_kept(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    coverage = prepared.table["coverage"].to_numpy(float)[prepared.train]
    rows = np.concatenate([np.flatnonzero(coverage == 0)[:30], np.flatnonzero(coverage > 0)[:3]])
    shares = {}
    for share in (0.0, 0.5, 1.0):
        batches = batches_of(prepared, rows, (24, 24), recipes.Recipe(size=0, crop=24, batch_size=33, non_empty=share))
        shares[share] = np.mean([batches(step)["target"].any(axis=(1, 2, 3)).mean() for step in range(6)])
    assert shares[0.0] < 0.12 and 0.4 < shares[0.5] < 0.65 and shares[1.0] > 0.95


def test_pixels_between_objects_count_more_and_classes_are_balanced(drawn):
    from pipeline.imaging.border_weights import border_weights
    from pipeline.training.pixel_weights import PixelWeights, class_weights
    from pipeline.training.pseudo_labels import LearntLabels

    prepared, task = Prepared(drawn / "data" / "demo" / "prepared"), Binary(("salt",))
    recipe = recipes.Recipe(border_weight=10.0, border_sigma=5.0)
    row = int(np.argmax(prepared.table["coverage"].to_numpy(float)[prepared.train]))
    labels = LearntLabels(prepared)
    weights = PixelWeights(labels, np.arange(20), task, recipe)
    wanted = 1 + border_weights(task.apart(prepared.labels[row]), 10.0, 5.0)
    assert np.allclose(weights[row][..., 0], wanted, rtol=1e-3) and weights[row] is weights[row]
    empty, filled = class_weights(labels, np.arange(20), 1.0)
    share = np.mean([prepared.labels[i].mean() for i in range(20)])
    assert empty == pytest.approx(0.5 / (1 - share)) and filled == pytest.approx(0.5 / share)
    assert class_weights(labels, np.arange(20), 0.0) == (1.0, 1.0)


def test_the_learner_hands_slices_over_as_pictures_of_their_own_with_their_weights():
    from pipeline.training.learner import Learner

    class Same(keras.Model):
        def call(self, image):
            return image[:, 2:-2, 2:-2, 0::2]

    recipe = recipes.Recipe(**STILL, slices=3)
    shape = (2, 12, 12, 6)
    learner = Learner(Same(), recipe, shape, (12, 12), 2, 255, Binary(("salt",)), "none")
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    target, weight = image[..., 1::2], image[..., 0::2].astype(np.float16)
    for training in (True, False):
        found = learner({"image": image, "target": target, "weight": weight}, training=training)
        assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
            ("logits", "target", "weight"), (6, 8, 8, 1)
        )
        inner = image[:, 2:-2, 2:-2]
        for i, (picture, piece) in enumerate((b, s) for b in range(2) for s in range(3)):
            assert np.allclose(array(found["logits"])[i, ..., 0], inner[picture, ..., 2 * piece] / 255, atol=1e-5)
            assert np.allclose(array(found["target"])[i, ..., 0], inner[picture, ..., 2 * piece + 1] / 255, atol=1e-5)
            assert np.allclose(array(found["weight"])[i, ..., 0], inner[picture, ..., 2 * piece], atol=0.2)


def test_cross_entropy_counts_each_pixel_by_its_weight():
    logits, target = some(2, 4, 4, 1) * 4 - 2, (some(2, 4, 4, 1, seed=1) > 0.5).astype("float32")
    weight = some(2, 4, 4, 1, seed=2) * 10
    probability = 1 / (1 + np.exp(-logits))
    each = -(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    found = losses.composed("bce+dice")(logits, target, weight) - losses.composed("dice")(logits, target)
    assert float(array(found)) == pytest.approx(float(np.mean(each * weight)), rel=1e-4)
