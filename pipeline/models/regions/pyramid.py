"""Feature pyramid: what is seen coarsely helps at the finer levels (Lin et al. 2017, arXiv:1612.03144)."""

import keras
from keras import layers

from pipeline.models import encoders
from pipeline.models.initial import he_normal
from pipeline.models.regions.anchors import SCALES, SHAPES
from pipeline.models.unet import Bilinear, contracted, convolution, stemmed
from pipeline.recipe import Recipe

FINEST = 4  # pixels: finer levels would hold most of the anchors, for objects of few pixels
OF_ENCODER = (4, 8, 16, 32)


def strides(recipe: Recipe) -> tuple[int, ...]:
    """Of the levels, in pixels: of an encoder four, of the house's own way down those from FINEST on, the coarsest at
    least."""
    if recipe.encoder:
        return OF_ENCODER
    every = [recipe.stem << step for step in range(recipe.depth + 1)]
    return tuple(stride for stride in every if stride >= FINEST) or (every[-1],)


def width(recipe: Recipe) -> int:
    """Channels of all levels."""
    return 4 * recipe.width


def trunk(recipe: Recipe, channels: int, mean: list[float], std: list[float]) -> keras.Model:
    """From B x H x W x channels to the levels, the finest first: B x H / stride x W / stride x width each."""
    image = keras.Input((None, None, channels))
    if recipe.encoder:
        found = encoders.features(image, recipe, OF_ENCODER)
        ways = [found[stride] for stride in OF_ENCODER]
    else:
        x = layers.Normalization(mean=mean, variance=[value**2 for value in std])(image)
        bottom, skips = contracted(stemmed(x, recipe.stem, recipe.width), recipe)
        ways = [*skips, bottom][-len(strides(recipe)) :]
    if recipe.dropout:
        ways[-1] = layers.SpatialDropout2D(recipe.dropout)(ways[-1])
    filters = width(recipe)
    x = convolution(ways[-1], filters, kernel=1)
    levels = [x]
    for way in reversed(ways[:-1]):
        x = layers.Add()([convolution(way, filters, kernel=1), Bilinear()(x)])
        levels.append(x)
    # one more convolution at each: what was added up is told apart
    return keras.Model(image, [convolution(level, filters) for level in reversed(levels)], name="trunk")


def proposer(recipe: Recipe) -> keras.Model:
    """The same small network at every level: B x h x w x width to the logit of each anchor, B x h x w x A, and its
    changes, B x h x w x (A 4)."""
    level = keras.Input((None, None, width(recipe)))
    x = layers.ReLU()(convolution(level, width(recipe)))
    count = SCALES * SHAPES
    logits = layers.Conv2D(count, 1, dtype="float32", kernel_initializer=he_normal())(x)
    # the first regions are the anchors themselves
    changes = layers.Conv2D(4 * count, 1, dtype="float32", kernel_initializer="zeros")(x)
    return keras.Model(level, [logits, changes], name="proposer")
