"""The U-Net of the paper: unpadded convolutions, so that every pixel of the answer has seen real pixels alone.

Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597): at width 64 and depth 4 it is the network of figure 1, which takes
572 pixels a side and answers for the 388 in their middle.
"""

import keras
from keras import layers

from pipeline.models.frame import Frame
from pipeline.models.initial import HeNormal
from pipeline.recipe import Recipe


def frame(recipe: Recipe) -> Frame:
    """Each level takes 4 of its pixels on the way down and 4 on the way up: 6 x 2^depth - 4 pixels a side in all."""
    return Frame(multiple=2**recipe.depth, remainder=4, margin=6 * 2**recipe.depth - 4)


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> keras.Model:
    """A network from images with a margin to logits.

    Of the recipe only `depth`, `width` and `dropout` count. The paper has one kind of `block`, `downsampling` and
    `decoder` and no `normalization`, so these fields change nothing.

    Args:
        channels: of the image; outputs: of the answer.
        mean, std: of each image channel, in the units of the input.
    Returns: a model from B x (H + 2 margin) x (W + 2 margin) x channels, float, to B x H x W x outputs, float32
        logits; any H and W of 2^depth k + 4 pixels, see `frame`.
    """
    image = keras.Input((None, None, channels))
    x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(image)
    skips = []
    for step in range(recipe.depth):
        x = block(x, recipe.width << step)
        if step == recipe.depth - 1:
            x = dropped(x, recipe)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = dropped(block(x, recipe.width << recipe.depth), recipe)
    for step in reversed(range(recipe.depth)):
        x = layers.Conv2DTranspose(recipe.width << step, 2, strides=2, kernel_initializer=HeNormal(truncated=False))(x)
        cut = layers.Cropping2D(crop(recipe.depth - step))(skips[step])
        x = block(layers.Concatenate()([x, cut]), recipe.width << step)
    # logits in float32 under every precision: differences of large exponents decide the loss
    head = layers.Conv2D(outputs, 1, kernel_initializer=HeNormal(truncated=False), dtype="float32")
    return keras.Model(image, head(x), name="unet2015")


def block(x, filters: int):
    """Two 3 x 3 convolutions with ReLU: 4 pixels less a side."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, activation="relu", kernel_initializer=HeNormal(truncated=False))(x)
    return x


def crop(height: int) -> int:
    """How many pixels are cut off each side of a skip, `height` levels above the bottom: what lies below took them.

    The bottom takes 2 of its pixels on each side, which are 4 one level above. A level that cuts c also takes 2 before
    and 2 after, so the one above it cuts 2 (c + 4). Solved: 6 x 2^height - 8.
    """
    return 6 * 2**height - 8


def dropped(x, recipe: Recipe):
    """Dropout of single values at the end of the way down.

    The paper says no more. The authors' network definition (u-net-release-2015-10-02) has it at .5 behind the last
    convolution of the two lowest levels, before the upper of these is pooled and becomes a skip.
    """
    return layers.Dropout(recipe.dropout)(x) if recipe.dropout else x
