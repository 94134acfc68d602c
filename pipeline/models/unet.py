"""The house's U-Net: a loop down, the mirrored loop up, and a choice for each part.

U-Net: Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597). Residual blocks: He et al. 2015 (arXiv:1512.03385).
"""

import keras
from keras import layers

from pipeline.recipe import Recipe


def multiple(recipe: Recipe) -> int:
    """Both sides of the input must be a multiple of this."""
    return 2**recipe.depth


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> keras.Model:
    """A network from images to logits.

    Args:
        channels: of the image; outputs: of the answer.
        mean, std: of each image channel, in the units of the input.
    Returns: a model from B x H x W x channels, float, to B x H x W x outputs, float32 logits; any H and W that are
        multiples of 2^depth.
    """
    image = keras.Input((None, None, channels))
    x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(image)
    skips = []
    for step in range(recipe.depth):
        x = block(x, recipe.width << step, recipe)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, recipe.width << recipe.depth, recipe)
    if recipe.dropout:
        x = layers.SpatialDropout2D(recipe.dropout)(x)
    for step in reversed(range(recipe.depth)):
        x = doubled(x, recipe.width << step, recipe)
        x = layers.Concatenate()([x, skips[step]])
        x = block(x, recipe.width << step, recipe)
    # logits in float32 under every precision: differences of large exponents decide the loss
    return keras.Model(image, layers.Conv2D(outputs, 1, dtype="float32")(x), name="unet")


def block(x, filters: int, recipe: Recipe):
    """Two convolutions, plain or around a shortcut.

    The residual branch is normalised once, not twice: on a CPU a normalisation costs as much as a convolution of a
    small network. Its last convolution starts at zero instead, so that a deep stack starts as the identity
    (De and Smith 2020, arXiv:2002.10444).
    """
    # a normalisation takes a bias away again
    bias = recipe.normalization == "none"
    if recipe.block == "plain":
        x = activated(convolution(x, filters, bias=bias), recipe)
        return activated(convolution(x, filters, bias=bias), recipe)
    shortcut = x if x.shape[-1] == filters else convolution(x, filters, kernel=1)
    x = activated(convolution(x, filters, bias=bias), recipe)
    x = convolution(x, filters, start="zeros")
    return layers.ReLU()(layers.Add()([shortcut, x]))


def convolution(x, filters: int, kernel: int = 3, start: str = "he_normal", bias: bool = True):
    return layers.Conv2D(filters, kernel, padding="same", kernel_initializer=start, use_bias=bias)(x)


def activated(x, recipe: Recipe):
    """Normalised, then rectified."""
    if recipe.normalization == "batch":
        x = layers.BatchNormalization(momentum=0.98)(x)
    elif recipe.normalization == "group":
        x = layers.GroupNormalization(groups=min(8, x.shape[-1]))(x)
    return layers.ReLU()(x)


def doubled(x, filters: int, recipe: Recipe):
    """Twice the height and width."""
    if recipe.decoder == "upsampling":
        return convolution(layers.UpSampling2D(interpolation="bilinear")(x), filters)
    kernel = 2 if recipe.decoder == "transposed2" else 3
    return layers.Conv2DTranspose(filters, kernel, strides=2, padding="same", kernel_initializer="he_normal")(x)
