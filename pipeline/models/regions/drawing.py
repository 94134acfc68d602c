"""Objects drawn into a map of numbers: masks of a fixed size at their boxes, none over another."""

from keras import ops

FREE = 0.5  # of an object's pixels that no better one holds: with fewer it is the same object seen twice


def pasted(mask, box, height, width):
    """Masks at their boxes, interpolated linearly, 0 outside.

    Args: mask: B x s x s, 0..1; box: B x 4; height, width: of the pictures.
    Returns: B x height x width, 0..1.
    """
    rows = _weights(box[:, 0], box[:, 2], height, mask.shape[1])
    columns = _weights(box[:, 1], box[:, 3], width, mask.shape[2])
    return ops.einsum("bhs,bst,bwt->bhw", rows, mask, columns)


def _weights(first, last, length, cells: int):
    """B x length x cells: how much each cell between `first` and `last` (B) gives to a pixel's middle."""
    middles = ops.arange(length, dtype="float32") + 0.5
    share = (middles[None] - first[:, None]) / ops.maximum(last - first, 1e-3)[:, None]
    inside = ops.logical_and(share >= 0, share <= 1)
    position = ops.clip(share * cells - 0.5, 0, cells - 1)
    weights = ops.maximum(1 - ops.abs(position[..., None] - ops.arange(cells, dtype="float32")), 0.0)
    return ops.where(inside[..., None], weights, 0.0)


def drawn(masks, boxes, scores, height, width):
    """The best object first, each where no better one is; one of which less than FREE is left is none.

    That is how objects become a map in panoptic segmentation (Kirillov et al. 2019, arXiv:1801.00868, 5).

    Args: masks: B x n x s x s, 0..1; boxes: B x n x 4; scores: B x n, 0..1, the best first; 0 is no object.
    Returns: B x height x width x 2 float32: 1, 2, … in the order of the objects, 0 where there is none; and the score.
    """
    batch = ops.shape(boxes)[0]
    empty = ops.zeros((batch, height, width), dtype="float32")

    def one(place, state):
        numbers, score = state
        own = pasted(masks[:, place], boxes[:, place], height, width) >= 0.5
        free = ops.logical_and(own, numbers == 0)
        pixels, left = (ops.sum(ops.cast(part, "float32"), axis=(1, 2)) for part in (own, free))
        is_new = ops.logical_and(left >= FREE * pixels, scores[:, place] > 0)
        free = ops.logical_and(free, is_new[:, None, None])
        numbers = ops.where(free, ops.cast(place, "float32") + 1.0, numbers)
        return numbers, ops.where(free, scores[:, place][:, None, None], score)

    return ops.stack(ops.fori_loop(0, masks.shape[1], one, (empty, empty)), axis=-1)
