"""The U-Net of volumes: the house's U-Net (`unet`) with layers of three dimensions.

With plain blocks it is a 3D U-Net (Çiçek et al. 2016, arXiv:1606.06650). With residual blocks and strided convolutions
it is built as V-Net is (Milletari, Navab, Ahmadi 2016, arXiv:1606.04797), with kernels of 3 and ReLU where V-Net has
kernels of 5 and PReLU.
"""

import keras
from keras import layers, ops

from pipeline.models import unet
from pipeline.models.frame import Frame
from pipeline.models.initial import he_normal
from pipeline.models.unet import activated
from pipeline.recipe import Recipe

OF_VOLUMES = True
# what `--precision auto` is on a CPU: oneDNN 3.x crashes the process where it learns a Conv3D in bfloat16 by AMX
AUTO_ON_CPU = "float32"


def frame(recipe: Recipe) -> Frame:
    """Of a slice; there may be any number of these."""
    return unet.frame(recipe)


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> keras.Model:
    """A network from patches of `recipe.slices` slices, one behind the other as channels, to their logits.

    Args:
        channels: of the patch, `slices` x C: all channels of the earliest slice first.
        outputs: of the answer, `slices` x K, in the same order.
        mean, std: of each of the patch's channels, in the units of the input.
    Returns: a model from B x H x W x channels, float, to B x H x W x outputs, float32 logits; any H and W that are
        multiples of 2^depth.
    """
    patch = keras.Input((None, None, channels))
    x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(patch)
    x = slices_apart(x, recipe.slices)
    strides = halvings(recipe.slices, recipe.depth)
    skips = []
    for step in range(recipe.depth):
        x = block(x, recipe.width << step, recipe)
        skips.append(x)
        x = halved(x, recipe.width << step + 1, strides[step], recipe)
    x = block(x, recipe.width << recipe.depth, recipe)
    if recipe.dropout:
        x = layers.SpatialDropout3D(recipe.dropout)(x)
    for step in reversed(range(recipe.depth)):
        x = doubled(x, recipe.width << step, strides[step], recipe)
        x = layers.Concatenate()([x, skips[step]])
        x = block(x, recipe.width << step, recipe)
    # logits in float32 under every precision: differences of large exponents decide the loss
    logits = layers.Conv3D(outputs // recipe.slices, 1, dtype="float32")(x)
    return keras.Model(patch, slices_together(logits), name="unet3d")


def slices_apart(x, slices: int):
    """B x H x W x (slices C) to B x slices x H x W x C."""
    # no reshape: height and width are unknown while the network is built
    return ops.stack(ops.split(x, slices, axis=-1), axis=1)


def slices_together(x):
    """The inverse of `slices_apart`: B x slices x H x W x K to B x H x W x (slices K)."""
    return ops.concatenate(ops.unstack(x, axis=1), axis=-1)


def halvings(slices: int, depth: int) -> list[tuple[int, int, int]]:
    """The stride of each step down. The number of slices is halved where it is even, height and width always."""
    strides = []
    for _ in range(depth):
        deep = 2 if slices % 2 == 0 else 1
        strides.append((deep, 2, 2))
        slices //= deep
    return strides


def block(x, filters: int, recipe: Recipe):
    """Two convolutions, plain or around a shortcut; why the last one starts at zero is told in `unet.block`."""
    # a normalisation takes a bias away again
    bias = recipe.normalization == "none"
    if recipe.block == "plain":
        x = activated(convolution(x, filters, bias=bias), recipe)
        return activated(convolution(x, filters, bias=bias), recipe)
    shortcut = x if x.shape[-1] == filters else convolution(x, filters, kernel=1)
    x = activated(convolution(x, filters, bias=bias), recipe)
    x = convolution(x, filters, start="zeros")
    return layers.ReLU()(layers.Add()([shortcut, x]))


def convolution(x, filters: int, kernel=3, strides=1, start: str = "", bias: bool = True):
    """`start`: how the kernel is before it learns; blank is `he_normal`."""
    start = start or he_normal()
    return layers.Conv3D(filters, kernel, strides, padding="same", kernel_initializer=start, use_bias=bias)(x)


def halved(x, filters: int, strides: tuple[int, int, int], recipe: Recipe):
    """Half the height and width, and the depth where its stride is 2; a strided convolution also sets the filters."""
    if recipe.downsampling == "pool":
        return layers.MaxPooling3D(strides)(x)
    # each value is read once, as V-Net does it
    return activated(convolution(x, filters, strides, strides, bias=recipe.normalization == "none"), recipe)


def doubled(x, filters: int, strides: tuple[int, int, int], recipe: Recipe):
    """The inverse of `halved` in size."""
    if recipe.decoder == "upsampling":
        return convolution(layers.UpSampling3D(strides)(x), filters)
    kernel = strides if recipe.decoder == "transposed2" else 3
    return layers.Conv3DTranspose(filters, kernel, strides, padding="same", kernel_initializer=he_normal())(x)
