"""Of many boxes around one object the best: non-maximum suppression of a fixed number of boxes."""

from keras import ops

from pipeline.models.regions import boxes as geometry

NEVER = -1e9  # the score of a box that is none


def strongest(scores, count: int):
    """(scores, places), B x count each, of the largest of B x n, the best first; where there are fewer, NEVER and
    place 0."""
    batch = ops.shape(scores)[0]
    spare = ops.full((batch, count), NEVER)
    found, places = ops.top_k(ops.concatenate([ops.cast(scores, "float32"), spare], axis=1), count)
    return found, ops.where(found > NEVER / 2, ops.cast(places, "int32"), 0)


def kept(boxes, scores, limit: float):
    """Which boxes stay: those that no better one that stays overlaps by more than `limit`. B x n bool.

    A box is decided as soon as all better ones that overlap it are: all of them at once, again and again until nothing
    changes. That is after as many rounds as such a chain of boxes is long, few as a rule, and gives what going through
    them one by one does.

    Args: boxes: B x n x 4, and scores B x n, the best first; NEVER are left out.
    """
    count = boxes.shape[1]
    order = ops.arange(count)
    # [i, j]: the better box i would take j away
    better = ops.cast(order[:, None] < order[None, :], "float32")
    rivals = ops.cast(geometry.overlaps(boxes, boxes) > limit, "float32") * better
    there = ops.cast(scores > NEVER / 2, "float32")

    def decided(stays):
        beaten = ops.einsum("bi,bij->bj", stays, rivals)
        return ops.where(beaten > 0.5, 0.0, there)

    def goes_on(stays, before, first):
        return ops.logical_or(first, ops.any(ops.not_equal(stays, before)))

    def again(stays, before, first):
        return decided(stays), stays, ops.zeros_like(first)

    stays, *_ = ops.while_loop(goes_on, again, (there, there, ops.ones((), dtype="bool")))
    return stays > 0.5


def proposed(boxes, scores, before: int, after: int, limit: float):
    """(boxes B x after x 4, scores B x after, places B x after) of the best that stay, the best first; of those that
    are none the score is NEVER and the box empty.

    Args: boxes: B x n x 4; scores: B x n; before, after: how many are looked at, and are left at most.
    """
    found, places = strongest(scores, before)
    chosen = geometry.taken(boxes, places)
    stays = kept(chosen, found, limit)
    found, order = strongest(ops.where(stays, found, NEVER), after)
    chosen, places = geometry.taken(chosen, order), geometry.taken(places, order)
    return ops.where((found > NEVER / 2)[..., None], chosen, 0.0), found, places
