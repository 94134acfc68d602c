"""The U-Net of volumes: shapes, number of weights, the order of slices, and its likeness to the flat one."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.models import unet, unet3d
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from tests.models.outlines import without_values


def network(slices, channels=1, outputs=1, **fields):
    """A small one; `channels` and `outputs` are those of a slice."""
    recipe = Recipe(**{"model": "unet3d", "depth": 2, "width": 4, "slices": slices, **fields})
    keras.utils.set_random_seed(1)
    count = slices * channels
    return unet3d.build(recipe, count, slices * outputs, [0.5] * count, [0.25] * count)


def shaken(model, seed=0):
    """With random weights: blocks that start at zero hide what is before them."""
    random = np.random.default_rng(seed)
    model.set_weights([w + random.normal(0, 0.1, w.shape) ** 2 for w in model.get_weights()])
    return model


def answer(model, patches):
    return keras.ops.convert_to_numpy(model(patches))


def some(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype("float32")


def test_slices_go_apart_and_together():
    patch = np.arange(2 * 3 * 4 * 10).reshape(2, 3, 4, 10)
    apart = unet3d.slices_apart(keras.ops.convert_to_tensor(patch), 5)
    assert apart.shape == (2, 5, 3, 4, 2)
    for number in range(5):
        assert np.array_equal(keras.ops.convert_to_numpy(apart)[:, number], patch[..., 2 * number : 2 * number + 2])
    assert np.array_equal(keras.ops.convert_to_numpy(unet3d.slices_together(apart)), patch)


@pytest.mark.parametrize(
    ("slices", "depth", "wanted"),
    [(1, 2, [1, 1]), (8, 4, [2, 2, 2, 1]), (5, 2, [1, 1]), (12, 3, [2, 2, 1]), (4, 1, [2])],
)
def test_the_number_of_slices_is_halved_where_it_is_even(slices, depth, wanted):
    assert unet3d.halvings(slices, depth) == [(deep, 2, 2) for deep in wanted]


CHOICES = [
    {},
    {"block": "plain", "normalization": "group", "decoder": "transposed3", "dropout": 0.5},
    {"normalization": "none", "decoder": "upsampling", "downsampling": "strided"},
]


@pytest.fixture(scope="module", params=CHOICES)
def chosen(request):
    """A network of four slices, which are halved twice."""
    return network(4, channels=2, outputs=3, **request.param)


def assert_answers_have_the_size_of_patches(model, slices):
    logits = answer(model, some(2, 8, 12, 2 * slices))
    assert logits.shape == (2, 8, 12, 3 * slices) and logits.dtype == np.float32
    assert np.isfinite(logits).all() and logits.std() > 0


def test_the_answer_has_the_size_of_the_patch(chosen):
    assert_answers_have_the_size_of_patches(chosen, 4)


def test_every_weight_learns(chosen):
    model = shaken(chosen)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    # compiling takes longer than this step does; with JAX it takes less
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=keras.backend.backend() != "jax")
    model.fit(some(2, 8, 8, 8), some(2, 8, 8, 12, seed=1), epochs=1, verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(weight) - old).max() > 0, weight.path


@pytest.mark.parametrize(("slices", "fields"), [(8, CHOICES[0]), (5, CHOICES[1]), (5, CHOICES[2])])
def test_the_answer_has_the_size_of_the_patch_however_many_slices_are_halved(slices, fields):
    assert_answers_have_the_size_of_patches(network(slices, channels=2, outputs=3, **fields), slices)


def test_any_multiple_of_the_frame_fits():
    assert unet3d.frame(Recipe(model="unet3d", depth=3, slices=4)) == Frame(multiple=8, reach=44)
    model = network(4, depth=3, width=2)
    for sides in ((8, 8), (16, 24)):
        assert answer(model, some(1, *sides, 4)).shape == (1, *sides, 4)


def weights_of(depth, width, block, down=None):
    """Counted by hand: kernels and biases of a network of one channel and one output, `slices` halved every time."""
    sizes = [width << step for step in range(depth + 1)]
    ways = [(1, sizes[0]), *((sizes[s + 1] if down else sizes[s], sizes[s + 1]) for s in range(depth))]
    ways += [(2 * size, size) for size in sizes[:-1]]
    total = sum(block(before, after) for before, after in ways)
    total += sum(down(sizes[s], sizes[s + 1]) for s in range(depth)) if down else 0
    # up-convolutions of 2 x 2 x 2 that halve the filters, and the head
    return total + sum(8 * 2 * size * size + size for size in sizes[:-1]) + width + 1


def plain_block(before, after):
    # a batch normalisation has four numbers a filter
    return 27 * before * after + 27 * after * after + 2 * 4 * after


def residual_block(before, after):
    shortcut = before * after + after if before != after else 0
    return shortcut + 27 * before * after + 4 * after + 27 * after * after + after


def strided(before, after):
    return 8 * before * after + 4 * after


def test_the_number_of_weights_of_a_3d_unet():
    with without_values():
        count = network(16, depth=4, width=16, block="plain").count_params()
    assert count == weights_of(4, 16, plain_block) == 5_649_329


def test_the_number_of_weights_of_a_v_net():
    with without_values():
        count = network(16, depth=4, width=16, block="residual", downsampling="strided").count_params()
    assert count == weights_of(4, 16, residual_block, strided) == 7_216_033


def test_a_slice_reaches_its_neighbours_and_its_answer_lies_where_it_lay():
    # an odd number is never halved: six convolutions of 3 see six slices in each direction
    model = shaken(network(17, channels=2, outputs=3, depth=1))
    patch = some(1, 4, 4, 34)
    before = answer(model, patch)
    for number in (0, 5, 16):
        other = patch.copy()
        other[..., 2 * number : 2 * number + 2] += 1
        changed = np.abs(answer(model, other) - before).max(axis=(0, 1, 2)).reshape(17, 3).max(axis=1) > 0
        assert np.flatnonzero(changed).tolist() == list(range(max(0, number - 6), min(17, number + 7)))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"decoder": "transposed3", "normalization": "group"},
        {"block": "plain", "normalization": "none"},
    ],
)
def test_one_slice_alone_is_a_picture(fields):
    """Where kernels of 3 x 3 x 3 hold those of 3 x 3 in their middle, both networks say the same."""
    recipe = Recipe(**{"depth": 2, "width": 4, **fields})
    flat = shaken(unet.build(recipe, 2, 3, [0.5] * 2, [0.25] * 2))
    deep = network(1, channels=2, outputs=3, **fields)
    weights = []
    for old, new in zip(flat.get_weights(), deep.get_weights(), strict=True):
        weight = np.zeros_like(new)
        weight[len(new) // 2 if new.ndim == 5 else ...] = old
        weights.append(weight)
    deep.set_weights(weights)
    picture = some(2, 8, 12, 2)
    wanted = answer(flat, picture)
    assert wanted.std() > 1e-3
    assert np.allclose(answer(deep, picture), wanted, rtol=1e-4, atol=1e-4)


def test_logits_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(4)
        assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
        assert model.output.dtype == "float32" and answer(model, some(1, 8, 8, 4)).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")
