"""The house's U-Net: a loop down, the mirrored loop up, and a choice for each part.

U-Net: Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597). Residual blocks: He et al. 2015 (arXiv:1512.03385).
"""

import math

import keras
from keras import layers, ops

from pipeline.models import encoders
from pipeline.models.fast_layers import BatchNormalization, Conv2D
from pipeline.models.frame import Frame
from pipeline.models.initial import he_normal
from pipeline.recipe import ANSWER_STRIDES, Recipe

TAKES_ENCODER = True


def frame(recipe: Recipe) -> Frame:
    """Two convolutions of 3 x 3 at each level, down and up, look 6 x 2^depth - 4 pixels far; other ways up a little
    farther, and with a stem so many strides and two more. A normalisation over groups looks at the whole picture."""
    if recipe.encoder:
        return Frame(multiple=32)
    wider = 0 if recipe.decoder == "transposed2" else 2**recipe.depth
    wider += 2 if recipe.stem > 1 else 0
    reach = None if recipe.normalization == "group" else recipe.stem * (6 * 2**recipe.depth - 4 + wider)
    return Frame(multiple=recipe.stem * 2**recipe.depth, reach=reach)


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> keras.Model:
    """A network from images to logits.

    Args:
        channels: of the image; outputs: of the answer.
        mean, std: of each image channel, in the units of the input.
    Returns: a model from B x H x W x channels, float, to B x H x W x outputs, float32 logits; any H and W that are
        multiples of stem x 2^depth; of 32 with an encoder.
    """
    image = keras.Input((None, None, channels))
    x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(image)
    # an encoder has a stem of its own
    stride = recipe.answer_stride if recipe.encoder else recipe.stem
    x, skips = encoded(image, x, recipe) if recipe.encoder else contracted(stemmed(x, stride, recipe.width), recipe)
    if recipe.dropout:
        x = layers.SpatialDropout2D(recipe.dropout)(x)
    for step in reversed(range(len(skips))):
        x = doubled(x, recipe.width << step, recipe)
        if skips[step] is not None:
            x = layers.Concatenate()([x, skips[step]])
        x = block(x, recipe.width << step, recipe)
    return keras.Model(image, logits(x, outputs, stride), name="unet")


def start(network: keras.Model, recipe: Recipe) -> None:
    """Gives the encoder of a fresh network the weights that the recipe names; raises UserError (`encoders.start`)."""
    if recipe.encoder:
        encoders.start(network, recipe)


def stemmed(x, stem: int, filters: int):
    """A first convolution of this stride: all levels after it work on that much smaller pictures, and cost less."""
    if stem == 1:
        return x
    return layers.Conv2D(filters, 2 * stem, stem, padding="same", kernel_initializer=he_normal())(x)


def logits(x, outputs: int, stem: int):
    """The answer, at the input's resolution whatever the stem, or the stride at which the way up ends.

    In float32 under every precision: differences of large exponents decide the loss.
    """
    if stem == 1:
        return layers.Conv2D(outputs, 1, dtype="float32")(x)
    return layers.Conv2DTranspose(outputs, 2 * stem, stem, padding="same", dtype="float32")(x)


def contracted(x, recipe: Recipe) -> tuple:
    """The way down: what is at the bottom, and the features at strides 1, 2, … 2^(depth - 1)."""
    skips = []
    for step in range(recipe.depth):
        x = block(x, recipe.width << step, recipe)
        skips.append(x)
        x = halved(x, recipe)
    return block(x, recipe.width << recipe.depth, recipe), skips


def encoded(image, normalized, recipe: Recipe) -> tuple:
    """The same by the recipe's encoder: features at stride 32, and at 1, 2, … 16, None where the encoder has none.

    An encoder halves at once: at full resolution a block of the house's own looks at the normalised image; none does
    where the way up ends before.
    """
    features = encoders.features(image, recipe)
    skips = [features.get(stride) for stride in (2, 4, 8, 16)]
    if recipe.answer_stride == 1:
        return features[32], [block(normalized, recipe.width, recipe), *skips]
    return features[32], skips[ANSWER_STRIDES.index(recipe.answer_stride) - 1 :]


def block(x, filters: int, recipe: Recipe, rate: int = 1):
    """Two convolutions, plain or around a shortcut; `rate` is how many pixels their taps lie apart.

    The residual branch is normalised once, not twice: on a CPU a normalisation costs as much as a convolution of a
    small network. Its last convolution starts at zero instead, so that a deep stack starts as the identity
    (De and Smith 2020, arXiv:2002.10444).
    """
    # a normalisation takes a bias away again
    bias = recipe.normalization == "none"
    if recipe.block == "plain":
        x = activated(convolution(x, filters, bias=bias, rate=rate), recipe)
        return activated(convolution(x, filters, bias=bias, rate=rate), recipe)
    shortcut = x if x.shape[-1] == filters else convolution(x, filters, kernel=1)
    x = activated(convolution(x, filters, bias=bias, rate=rate), recipe)
    x = convolution(x, filters, start="zeros", rate=rate)
    return layers.ReLU()(layers.Add()([shortcut, x]))


def convolution(x, filters: int, kernel: int = 3, start: str = "", bias: bool = True, rate: int = 1):
    """`start`: how the kernel is before it learns; blank is `he_normal`."""
    layer = Conv2D(
        filters, kernel, padding="same", kernel_initializer=start or he_normal(), use_bias=bias, dilation_rate=rate
    )
    return layer(x)


def activated(x, recipe: Recipe):
    """Normalised, then rectified."""
    if recipe.normalization == "batch":
        x = BatchNormalization(momentum=0.98)(x)
    elif recipe.normalization == "group":
        x = layers.GroupNormalization(groups=math.gcd(8, x.shape[-1]))(x)
    return layers.ReLU()(x)


def halved(x, recipe: Recipe):
    """Half the height and width: the largest of 2 x 2, or a convolution that learns what to keep of them."""
    if recipe.downsampling == "pool":
        return layers.MaxPooling2D()(x)
    return layers.Conv2D(x.shape[-1], 2, strides=2, kernel_initializer=he_normal())(x)


def doubled(x, filters: int, recipe: Recipe):
    """Twice the height and width."""
    if recipe.decoder == "upsampling":
        return convolution(Bilinear()(x), filters)
    kernel = 2 if recipe.decoder == "transposed2" else 3
    return layers.Conv2DTranspose(filters, kernel, strides=2, padding="same", kernel_initializer=he_normal())(x)


class Bilinear(layers.Layer):
    """Twice the height and width by linear interpolation, as `UpSampling2D` does it where sizes are known.

    (Of pictures of several sizes TensorFlow traces a network for unknown ones, where that layer cannot be called.)
    """

    def call(self, x):
        for axis in (1, 2):
            first, last = (x[:, :1], x[:, -1:]) if axis == 1 else (x[:, :, :1], x[:, :, -1:])
            rest, start = (x[:, 1:], x[:, :-1]) if axis == 1 else (x[:, :, 1:], x[:, :, :-1])
            before, after = ops.concatenate([first, start], axis=axis), ops.concatenate([rest, last], axis=axis)
            pairs = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
            height, width = ops.shape(x)[1:3]
            shape = (2 * height, width) if axis == 1 else (height, 2 * width)
            x = ops.reshape(pairs, (-1, *shape, x.shape[-1]))
        return x

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        return batch, height and 2 * height, width and 2 * width, channels
