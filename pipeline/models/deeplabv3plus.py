"""DeepLabV3+: features at a sixteenth of the resolution, seen at several rates at once, and a short way up.

Chen et al. 2018 (arXiv:1802.02611); the pyramid is of Chen et al. 2017 (arXiv:1706.05587).
"""

from dataclasses import replace

import keras
from keras import layers, ops

from pipeline.models import encoders
from pipeline.models.frame import Frame
from pipeline.models.unet import Bilinear, activated, block, contracted, convolution
from pipeline.recipe import Recipe

TAKES_ENCODER = True
# pixels between the taps of the pyramid's convolutions, at stride 16
RATES = (6, 12, 18)
# what is asked of an encoder: what comes after stride 16 is left out
STRIDES = (4, 16)


def frame(recipe: Recipe) -> Frame:
    return Frame(multiple=32 if recipe.encoder else 16)


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> keras.Model:
    """A network from images to logits.

    The features are the house's residual blocks, or the encoder's at strides 4 and 16. Its stage at stride 32 is left
    out; the paper has that stage too, at stride 16 with atrous convolutions. `recipe.depth` and `decoder` are not used.

    Args:
        channels: of the image; outputs: of the answer.
        mean, std: of each image channel, in the units of the input.
    Returns: a model from B x H x W x channels, float in 0..1, to B x H x W x outputs, float32 logits; any H and W that
        are multiples of 16; of 32 with an encoder.
    """
    image = keras.Input((None, None, channels))
    if recipe.encoder:
        found = encoders.features(image, recipe, STRIDES)
        fine, coarse = found[4], found[16]
    else:
        fine, coarse = _own_features(image, mean, std, recipe)
    x = pyramid(coarse, recipe)
    if recipe.dropout:
        x = layers.SpatialDropout2D(recipe.dropout)(x)
    x = Bilinear()(Bilinear()(x))
    # few channels, so that they do not outweigh the pyramid's
    x = layers.Concatenate()([x, _convolved(fine, recipe.width * 3 // 2, recipe, kernel=1)])
    for _ in range(2):
        x = _convolved(x, recipe.width * 8, recipe)
    # logits in float32 under every precision: differences of large exponents decide the loss
    x = layers.Conv2D(outputs, 1, dtype="float32")(x)
    x = Bilinear(dtype="float32")(Bilinear(dtype="float32")(x))
    return keras.Model(image, x, name="deeplabv3plus")


def start(network: keras.Model, recipe: Recipe) -> None:
    """Gives the encoder of a fresh network the weights that the recipe names; raises UserError (`encoders.start`)."""
    if recipe.encoder:
        encoders.start(network, recipe, STRIDES)


def _own_features(image, mean: list[float], std: list[float], recipe: Recipe) -> tuple:
    """Features at strides 4 and 16: the U-Net's way down with four halvings, then two atrous blocks at its bottom.

    Their rates double, as those of the paper's last stage do.
    """
    x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(image)
    x, skips = contracted(x, replace(recipe, depth=4))
    for rate in (2, 4):
        x = block(x, x.shape[-1], recipe, rate)
    return skips[2], x


def pyramid(x, recipe: Recipe):
    """Atrous spatial pyramid pooling: one pixel, three rates and the whole picture side by side, then mixed.

    Returns: B x H x W x 8 width.
    """
    filters = recipe.width * 8
    branches = [_convolved(x, filters, recipe, kernel=1)]
    for rate in RATES:
        separable = layers.SeparableConv2D(filters, 3, padding="same", dilation_rate=rate, use_bias=_bias(recipe))
        branches.append(activated(separable(x), recipe))
    whole = _convolved(layers.GlobalAveragePooling2D(keepdims=True)(x), filters, recipe, kernel=1)
    # the same value at every pixel, however many there are
    branches.append(whole + ops.zeros_like(branches[0]))
    return _convolved(layers.Concatenate()(branches), filters, recipe, kernel=1)


def _convolved(x, filters: int, recipe: Recipe, kernel: int = 3):
    return activated(convolution(x, filters, kernel=kernel, bias=_bias(recipe)), recipe)


def _bias(recipe: Recipe) -> bool:
    """A normalisation takes a bias away again."""
    return recipe.normalization == "none"
