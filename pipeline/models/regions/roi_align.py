"""RoIAlign: what a feature pyramid sees within boxes, at one size (Mask R-CNN: He et al. 2017, arXiv:1703.06870)."""

from keras import ops

from pipeline.models.regions import boxes as geometry


def points(boxes, side: int):
    """(y, x), each … x side: the middles of the side x side cells that … x 4 boxes are divided into, in pixels."""
    shares = (ops.arange(side, dtype="float32") + 0.5) / side
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return (
        boxes[..., 0, None] + height[..., None] * shares,
        boxes[..., 1, None] + width[..., None] * shares,
    )


def levels_of(boxes, sides):
    """At which level a box is looked at: where anchors are nearest to it in size. … x 4 to … int32.

    (Lin et al. 2017, arXiv:1612.03144, have 224 pixels at stride 16; here sizes are those of the train part.)

    Args: sides: of the anchors of each level, root of the area, in pixels.
    """
    side = ops.sqrt(ops.maximum(geometry.areas(boxes), 1e-4))
    distance = ops.abs(ops.log(side)[..., None] - ops.log(sides))
    return ops.cast(ops.argmin(distance, axis=-1), "int32")


def aligned(features: list, strides: tuple[int, ...], boxes, sides, size: int, samples: int):
    """The features in boxes, interpolated linearly: each cell is the mean of samples x samples points in it.

    Args:
        features: of each level B x h x w x C; strides: pixels of a step in them.
        boxes: B x n x 4; sides: as `levels_of` takes them.
    Returns: B x n x size x size x C float32.
    """
    batch, count, channels = ops.shape(boxes)[0], boxes.shape[1], features[0].shape[-1]
    shapes = [ops.shape(level)[1:3] for level in features]
    # before they are gathered: what comes back to a feature from many boxes is added up
    levels = [ops.cast(level, "float32") for level in features]
    flat = ops.concatenate([ops.reshape(level, (batch, -1, channels)) for level in levels], axis=1)
    starts, total = [], 0
    for height, width in shapes:
        starts.append(total)
        total = total + height * width
    level = levels_of(boxes, sides)

    def of_level(values, dtype="int32"):
        return ops.take(ops.stack([ops.cast(value, dtype) for value in values]), level, axis=0)

    start, stride = of_level(starts), of_level(strides, "float32")
    heights, widths = (of_level([shape[axis] for shape in shapes]) for axis in (0, 1))
    y, x = points(boxes, size * samples)
    top, below, y_share = _cell(y / stride[..., None] - 0.5, heights)
    left, right, x_share = _cell(x / stride[..., None] - 0.5, widths)
    side = size * samples

    def at(row, column):
        places = start[..., None, None] + row[..., :, None] * widths[..., None, None] + column[..., None, :]
        found = geometry.taken(flat, ops.reshape(places, (batch, -1)))
        return ops.reshape(found, (batch, count, side, side, channels))

    y_share, x_share = y_share[..., :, None, None], x_share[..., None, :, None]
    upper = at(top, left) * (1 - x_share) + at(top, right) * x_share
    lower = at(below, left) * (1 - x_share) + at(below, right) * x_share
    found = upper * (1 - y_share) + lower * y_share
    if samples == 1:
        return found
    found = ops.reshape(found, (batch, count, size, samples, size, samples, channels))
    return ops.mean(found, axis=(3, 5))


def _cell(position, lengths):
    """A coordinate, held inside: the cells before and after it, and how far it is on the way from one to the other."""
    last = ops.cast(lengths - 1, "float32")[..., None]
    position = ops.minimum(ops.maximum(position, 0.0), last)
    before = ops.floor(position)
    after = ops.minimum(before + 1, last)
    return ops.cast(before, "int32"), ops.cast(after, "int32"), position - before


def masks(numbers, boxes, objects, size: int):
    """The true masks in boxes: 1 where the pixel that a cell's middle lies in is of the object, otherwise 0.

    Args: numbers: B x H x W int32; boxes: B x n x 4; objects: B x n int32, the number of each.
    Returns: B x n x size x size float32.
    """
    batch, height, width = ops.shape(numbers)
    y, x = points(boxes, size)
    row = ops.clip(ops.cast(ops.floor(y), "int32"), 0, height - 1)
    column = ops.clip(ops.cast(ops.floor(x), "int32"), 0, width - 1)
    places = row[..., :, None] * width + column[..., None, :]
    found = geometry.taken(ops.reshape(numbers, (batch, -1)), ops.reshape(places, (batch, -1)))
    found = ops.reshape(found, (batch, boxes.shape[1], size, size))
    return ops.cast(ops.equal(found, objects[..., None, None]), "float32")


def flattened(crops) -> tuple:
    """B x n x … as (B n) x …, and what gives B x n x … back of an answer to that."""
    batch, count = ops.shape(crops)[0], crops.shape[1]

    def back(answer):
        return ops.reshape(answer, (batch, count, *answer.shape[1:]))

    return ops.reshape(crops, (-1, *crops.shape[2:])), back
