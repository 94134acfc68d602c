"""Augmentations by one amount each: a new function here is one at once, in `--augment`, in the help and in the docs.

A function of (image, amount, draw) changes the values of B x H x W x C images in 0..1; one of (coordinates, amount,
draw) moves image and target together: coordinates are B x H x W x 2, row and column in pixels of the source for each
pixel of the result. `draw` is where chance comes from (see `augment.Draw`). They act in the order of this file, moves
first; the amount is what the recipe field of the same name says, or `--augment NAME=AMOUNT`, and 0 is off. All of it is
`keras.ops`, inside the compiled step, with shapes that do not change.
"""

import math

from keras import ops


def elastic(coordinates, amount, draw):
    """Elastic deformation, pixels: random moves at the nodes of a coarse grid, smooth in between (the U-Net paper)."""
    batch, height, width = coordinates.shape[:3]
    moves = draw.normal((batch, draw.recipe.elastic_grid, draw.recipe.elastic_grid, 2), amount)
    return coordinates + ops.image.resize(moves, (height, width), interpolation="bicubic", data_format="channels_last")


def hue(image, amount, draw):
    """Colours turned around the grey axis by at most so many degrees (Rodrigues' formula). Grey stays."""
    if image.shape[3] != 3:
        return image
    return turned_hue(image, draw.uniform(image.shape[0], math.radians(amount)))


def to_grey(image, amount, draw):
    """The share of the images that lose their colours."""
    grey = ops.mean(image, axis=3, keepdims=True)
    return image + draw.chance(image.shape[0], amount) * (grey - image)


def invert(image, amount, draw):
    """The share of the images that become their negative."""
    return image + draw.chance(image.shape[0], amount) * (1 - 2 * image)


def gamma(image, amount, draw):
    """Values to a power of at most this share above or below 1; what lies beyond 0..1 stays as far beyond."""
    within = ops.clip(image, 1e-4, 1)
    found = ops.power(within, ops.exp(draw.value(image.shape[0], math.log1p(amount))))
    return found if draw.bounded else found + (image - within)


def contrast(image, amount, draw):
    """Values stretched or shrunk around their mean by at most this share."""
    mean = ops.mean(image, axis=(1, 2), keepdims=True)
    return mean + (image - mean) * (1 + draw.value(image.shape[0], amount))


def brightness(image, amount, draw):
    """At most this share of the value range added or taken."""
    return image + draw.value(image.shape[0], amount)


def noise(image, amount, draw):
    """Normal noise, its standard deviation as a share of the value range."""
    return image + draw.normal(image.shape, amount)


def turned_hue(colours, angle):
    """B x H x W x 3, turned by B x 1 x 1 radians."""
    cos, sin = ops.cos(angle)[..., None], ops.sin(angle)[..., None] / math.sqrt(3)
    red, green, blue = colours[..., 0:1], colours[..., 1:2], colours[..., 2:3]
    across = ops.concatenate([blue - green, red - blue, green - red], axis=3)
    return cos * colours + (1 - cos) * ops.mean(colours, axis=3, keepdims=True) + sin * across
