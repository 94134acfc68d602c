"""Augmentation on the device: one warp for all moves, image and target together, then the values of the image.

What is done by one amount alone is a function of `augmentations`; here are flips, turns, zoom, shift and the warp.

Everything is `keras.ops`, inside the compiled step, on every backend. (`ops.image.affine_transform` does not compile
under XLA on TensorFlow and changes its argument on PyTorch; `map_coordinates` treats borders differently from one
backend to the next: hence a warp of our own.)
"""

import math

import keras
from keras import ops

from pipeline.recipe import Recipe
from pipeline.training import augmentations, catalogue
from pipeline.training.fused import fused


def warp(pictures, coordinates):
    """Samples pictures at coordinates, bilinear, mirrored at the borders (`scipy.ndimage` mode `reflect`, order 1).

    Args:
        pictures: B x H x W x C, float.
        coordinates: B x h x w x 2, float: row and column in pixels, for each pixel of the result.
    Returns: B x h x w x C.
    """
    height, width, channels = pictures.shape[1:]
    batch, rows, columns = coordinates.shape[:3]
    y, y_share = _cell(coordinates[..., 0], height)
    x, x_share = _cell(coordinates[..., 1], width)
    flat = ops.reshape(pictures, (batch, height * width, channels))

    def at(row, column):
        index = ops.reshape(row * width + column, (batch, rows * columns, 1))
        values = ops.take_along_axis(flat, ops.repeat(index, channels, axis=2), axis=1)
        return ops.reshape(values, (batch, rows, columns, channels))

    below, right = ops.minimum(y + 1, height - 1), ops.minimum(x + 1, width - 1)
    upper = at(y, x) * (1 - x_share) + at(y, right) * x_share
    lower = at(below, x) * (1 - x_share) + at(below, right) * x_share
    return upper * (1 - y_share) + lower * y_share


def warp_nearest(pictures, coordinates):
    """`warp` with the nearest pixel instead of a mixture: for class numbers, which have no in-between."""
    return warp(pictures, ops.floor(coordinates + 0.5))


def _cell(position, length: int):
    """A coordinate, mirrored into the picture: the pixel before it and how far it is on the way to the next."""
    # period 2 x length: … d c b a | a b c d | d c b a …
    folded = ops.mod(position + 0.5, 2 * length)
    folded = ops.minimum(folded, 2 * length - folded) - 0.5
    folded = ops.clip(folded, 0, length - 1)
    before = ops.floor(folded)
    return ops.cast(before, "int32"), (folded - before)[..., None]


class Draw:
    """Chance, from a seed generator that the epoch sets: one number for each image of a batch."""

    def __init__(self, recipe: Recipe, seed_generator, bounded: bool = True):
        self.recipe, self.seed_generator = recipe, seed_generator
        # whether 0 and 1 are the least and the most that a pixel can be, or the ends of what most are
        self.bounded = bounded

    def uniform(self, batch: int, limit: float):
        """In -limit..limit, B x 1 x 1."""
        return keras.random.uniform((batch, 1, 1), -1.0, 1.0, seed=self.seed_generator) * limit

    def value(self, batch: int, limit: float):
        """The same with an axis for channels, B x 1 x 1 x 1."""
        return self.uniform(batch, limit)[..., None]

    def chance(self, batch: int, share: float):
        """1 for this share of the images, otherwise 0: B x 1 x 1 x 1."""
        drawn = keras.random.uniform((batch, 1, 1, 1), seed=self.seed_generator)
        return ops.cast(drawn < share, "float32")

    def sign(self, batch: int):
        """-1 or 1, B x 1 x 1."""
        return ops.where(keras.random.uniform((batch, 1, 1), seed=self.seed_generator) < 0.5, -1.0, 1.0)

    def normal(self, shape: tuple[int, ...], deviation: float):
        """A number for each place of the shape, around 0."""
        return keras.random.normal(shape, stddev=deviation, seed=self.seed_generator)


class Augment:
    """Random moves and values for a batch, drawn from a seed generator that the epoch sets.

    Args:
        symmetry: which flips the competition allows (a key of `imaging.flips.SYMMETRIES`).
        blends: whether targets may be interpolated (shares of a class) or not (class numbers).
        window: height and width of what the network sees.
        bounded: whether values are all in 0..1, or most of them.
    """

    def __init__(self, recipe: Recipe, symmetry: str, blends: bool, window, seed_generator, bounded: bool = True):
        self.recipe, self.window = recipe, window
        self.symmetry = symmetry if recipe.flip else "none"
        self.blends = blends
        self.warp, self.warp_nearest = fused(warp, recipe), fused(warp_nearest, recipe)
        self.draw = Draw(recipe, seed_generator, bounded)
        asked = {name: amount for name, amount in catalogue.amounts(recipe).items() if amount}
        known = catalogue.augmentations()
        self.moves = {name: amount for name, amount in asked.items() if known[name].parameters[0] == "coordinates"}
        self.changes = {name: amount for name, amount in asked.items() if name not in self.moves}

    def __call__(self, image, target):
        """B x H x W x C images (0..1) and B x H x W x K targets, float, to the same, moved and cropped."""
        batch, height, width, channels = image.shape
        coordinates = self.coordinates(batch, (height, width), self.window)
        if self.blends:
            both = self.warp(ops.concatenate([image, target], axis=3), coordinates)
            image, target = both[..., :channels], both[..., channels:]
        else:
            image, target = self.warp(image, coordinates), self.warp_nearest(target, coordinates)
        return self.values(image), target

    def coordinates(self, batch, source: tuple[int, int], shape: tuple[int, int]):
        """Where each pixel of the result comes from: B x h x w x 2, in pixels of the source."""
        y = ops.arange(shape[0], dtype="float32") - (shape[0] - 1) / 2
        x = ops.arange(shape[1], dtype="float32") - (shape[1] - 1) / 2
        y, x = y[None, :, None], x[None, None, :]
        (yy, yx), (xy, xx) = self._matrix(batch, square=source[0] == source[1])
        centre_y, centre_x = self._centre(batch, source, shape)
        grid = ops.stack([yy * y + yx * x + centre_y, xy * y + xx * x + centre_x], axis=-1)
        return self._applied(self.moves, grid)

    def values(self, image):
        """Colours, gamma, contrast, brightness, noise … of B x h x w x C values in 0..1."""
        return self._applied(self.changes, image)

    def _applied(self, chosen: dict[str, float], tensor):
        for name, amount in chosen.items():
            tensor = getattr(augmentations, name)(tensor, amount, self.draw)
        return tensor

    def _matrix(self, batch, square: bool):
        """Rotation, shear and zoom, then flips and turns: from the result's centre to the source's."""
        recipe = self.recipe
        angle = self.draw.uniform(batch, math.radians(recipe.rotation))
        shear = ops.tan(self.draw.uniform(batch, math.radians(recipe.shear)))
        zoom = ops.exp(self.draw.uniform(batch, math.log1p(recipe.scale)))
        cos, sin = ops.cos(angle) * zoom, ops.sin(angle) * zoom
        rows = (cos, -sin + cos * shear), (sin, cos + sin * shear)
        left_right = self.draw.sign(batch) if self.symmetry != "none" else 1.0
        up_down = self.draw.sign(batch) if self.symmetry in ("flips", "turns") else 1.0
        rows = tuple(value * up_down for value in rows[0]), tuple(value * left_right for value in rows[1])
        if self.symmetry == "turns" and square:
            swap = (self.draw.sign(batch) + 1) / 2
            rows = tuple(
                tuple(swap * other + (1 - swap) * value for value, other in zip(row, others, strict=True))
                for row, others in zip(rows, rows[::-1], strict=True)
            )
        return rows

    def _centre(self, batch, source, shape):
        """The centre of the result's window in the source: anywhere it fits, then shifted."""
        recipe = self.recipe
        return tuple(
            (length - 1) / 2
            + self.draw.uniform(batch, (length - side) / 2)
            + self.draw.uniform(batch, recipe.shift * side)
            for length, side in zip(source, shape, strict=True)
        )
