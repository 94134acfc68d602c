"""What is said of each region: whether it is an object, how its box must change, and its mask."""

import keras
from keras import layers

from pipeline.models.initial import he_normal
from pipeline.models.regions.pyramid import width
from pipeline.models.unet import convolution
from pipeline.recipe import Recipe

SIZE = 7  # cells a side that boxes are judged by
CONVOLUTIONS = 4  # before a mask is drawn


def judge(recipe: Recipe) -> keras.Model:
    """n x SIZE x SIZE x width to (logit of an object n x 1, changes n x 4): two dense layers, as in Lin et al. 2017."""
    crop = keras.Input((SIZE, SIZE, width(recipe)))
    x = layers.Flatten()(crop)
    for _ in range(2):
        x = layers.Dense(4 * width(recipe), activation="relu", kernel_initializer=he_normal())(x)
    changes = layers.Dense(4, dtype="float32", kernel_initializer="zeros")(x)
    logit = layers.Dense(1, dtype="float32", kernel_initializer=he_normal())(x)
    return keras.Model(crop, [logit, changes], name="judge")


def painter(recipe: Recipe) -> keras.Model:
    """n x half x half x width to the logits of masks, n x mask_size x mask_size x 1, twice as large."""
    half = recipe.mask_size // 2
    crop = keras.Input((half, half, width(recipe)))
    x = crop
    for _ in range(CONVOLUTIONS):
        x = layers.ReLU()(convolution(x, width(recipe)))
    x = layers.Conv2DTranspose(width(recipe), 2, strides=2, activation="relu", kernel_initializer=he_normal())(x)
    logits = layers.Conv2D(1, 1, dtype="float32", kernel_initializer=he_normal())(x)
    return keras.Model(crop, logits, name="painter")
