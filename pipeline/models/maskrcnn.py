"""Mask R-CNN: objects are proposed as boxes on a feature pyramid, judged, and drawn one by one.

He et al. 2017 (arXiv:1703.06870), with the pyramid of Lin et al. 2017 (arXiv:1612.03144) and the proposals of Ren et
al. 2015 (arXiv:1506.01497). The parts are in `regions`.
"""

import keras
import numpy as np
from keras import ops

from pipeline.models import encoders
from pipeline.models.frame import Frame
from pipeline.models.regions import anchors, assignment, drawing, heads, losses, pyramid, roi_align, suppression
from pipeline.models.regions import boxes as geometry
from pipeline.recipe import Recipe

TAKES_ENCODER = True
# it answers with the numbers of objects, and learns from them by losses of its own (`Network.learn`)
FINDS_OBJECTS = True
# what `--precision auto` is on a CPU, whatever it has: a step of 8 windows of 128 pixels, width 8, took two cores
# 2.0 s in bfloat16 and 0.5 s in float32 (TensorFlow 2.21, n = 3)
AUTO_ON_CPU = "float32"

NEAR, FAR = 0.7, 0.3  # the overlap from which an anchor is of an object, and below which it is of none
HALF = 0.5  # the same of a region, which is one or the other
ANCHORS = 64  # learnt from in a window, half of them of objects at most
REGIONS = 64  # learnt from in a window, a quarter of them of objects at most
PROPOSED, FOUND = 0.7, 0.5  # overlaps from which of two regions, and of two objects, the better one stays
LEAST = 0.25  # the score of an object, at the least: no threshold that is searched lies below it
PIXELS = 4  # of an object in a window, at the least: a corner of one is learnt as background


def frame(recipe: Recipe) -> Frame:
    """What is found in one place may decide what is in another."""
    return Frame(multiple=32 if recipe.encoder else recipe.stem * 2**recipe.depth)


def build(recipe: Recipe, channels: int, outputs: int, mean: list[float], std: list[float]) -> "Network":
    """A network from images to numbers of objects, whatever the `outputs` of the task: these are drawn of them.

    `decoder` and the recipe's losses are not used. Levels of the pyramid have 4 `width` channels: 64 is the paper's.

    Args:
        channels: of the image; mean, std: of each image channel, in the units of the input.
    Returns: a model from B x H x W x channels, float, to B x H x W x 2: numbers and scores (`drawing.drawn`); any H and
        W that are multiples of `frame`'s.
    """
    return Network(recipe, channels, mean, std)


def start(network: "Network", recipe: Recipe) -> None:
    """Gives the encoder of a fresh network the weights that the recipe names; raises UserError (`encoders.start`)."""
    if recipe.encoder:
        encoders.start(network.trunk, recipe, pyramid.OF_ENCODER)


class Network(keras.Model):
    """Attributes: trunk: the way to the pyramid; proposer, judge, painter: what is asked of anchors, of regions, of
    objects; anchors: levels x A x 2, height and width in pixels."""

    def __init__(self, recipe: Recipe, channels: int, mean: list[float], std: list[float]):
        # boxes are counted in float32 whatever the parts compute in
        super().__init__(name="maskrcnn", dtype="float32")
        self.recipe, self.strides = recipe, pyramid.strides(recipe)
        self.trunk = pyramid.trunk(recipe, channels, mean, std)
        self.proposer = pyramid.proposer(recipe)
        self.judge, self.painter = heads.judge(recipe), heads.painter(recipe)
        shape = len(self.strides), anchors.SCALES * anchors.SHAPES, 2
        self.anchors = self.add_weight(name="anchors", shape=shape, initializer="zeros", trainable=False)
        self.measure(np.zeros((0, 2)))
        self.built = True

    def measure(self, sizes: np.ndarray) -> None:
        """Chooses the anchors by the height and width of objects as the network sees them, n x 2 in pixels."""
        self.anchors.assign(anchors.chosen(sizes, len(self.strides)))

    def compute_output_spec(self, image, training=None):
        return keras.KerasTensor((*image.shape[:3], 2), dtype="float32")

    def call(self, image, training=None):
        """B x H x W x C to B x H x W x 2: numbers of objects, and their scores."""
        masks, boxes, scores = self.find(image, training)
        return drawing.drawn(masks, boxes, scores, *ops.shape(image)[1:3])

    def find(self, image, training=None) -> tuple:
        """The objects before they are drawn, the best first: (masks B x objects x s x s, 0..1; boxes B x objects x 4;
        scores B x objects, 0 where there is none)."""
        levels = self._levels(image, training)
        size = ops.shape(image)[1:3]
        logits, changes, laid = self._proposals_of(levels, training)
        regions, found = self._regions(logits, changes, laid, size)
        answer, moves = self._judged(levels, regions, training)
        boxes = geometry.clipped(geometry.decoded(moves, regions), *size)
        likely = ops.logical_and(found > suppression.NEVER / 2, keras.ops.sigmoid(answer) >= LEAST)
        answer = ops.where(likely, answer, suppression.NEVER)
        boxes, answer, _ = suppression.proposed(boxes, answer, self.recipe.proposals, self.recipe.objects, FOUND)
        scores = ops.where(answer > suppression.NEVER / 2, keras.ops.sigmoid(answer), 0.0)
        return keras.ops.sigmoid(self._masks(levels, boxes, training)), boxes, scores

    def propose(self, image) -> tuple:
        """What is looked at more closely, the likeliest first: (boxes B x proposals x 4; how likely each is an object
        before it was looked at, B x proposals, 0 where there is none)."""
        levels = self._levels(image, False)
        boxes, answer = self._regions(*self._proposals_of(levels, False), ops.shape(image)[1:3])
        return boxes, ops.where(answer > suppression.NEVER / 2, keras.ops.sigmoid(answer), 0.0)

    def learn(self, image, numbers, seed) -> dict:
        """What is learnt of a batch.

        Args:
            image: B x H x W x C; numbers: B x H x W int32, of the objects 1 … `recipe.objects`, 0 is none.
            seed: a SeedGenerator, that draws which anchors and regions are learnt from.
        Returns: loss, a number; iou, of the masks of regions that are of an object, and accuracy, the share of the
            regions that are told from background rightly: B x n each, with their weights.
        """
        truth, there = geometry.of_numbers(numbers, self.recipe.objects, PIXELS)
        levels = self._levels(image, True)
        logits, changes, laid = self._proposals_of(levels, True)
        proposing = self._learnt_of_anchors(logits, changes, laid, truth, there, seed)
        regions, found = self._regions(logits, changes, laid, ops.shape(image)[1:3])
        chosen, which, is_object, weights = self._chosen_regions(regions, found, truth, there, seed)
        answer, moves = self._judged(levels, chosen, True)
        judging = losses.told(answer, is_object, weights)
        moving = losses.moved(moves, geometry.encoded(geometry.taken(truth, which), chosen), is_object)
        few = REGIONS // 4
        drawn = self._masks(levels, chosen[:, :few], True)
        masks = roi_align.masks(numbers, chosen[:, :few], which[:, :few] + 1, self.recipe.mask_size)
        painting = losses.masked(drawn, masks, is_object[:, :few])
        both = ops.sum(ops.cast(drawn > 0, "float32") * masks, axis=(2, 3))
        either = ops.sum(ops.maximum(ops.cast(drawn > 0, "float32"), masks), axis=(2, 3))
        right = ops.cast(ops.equal(answer > 0, is_object > 0.5), "float32")
        return {
            "loss": proposing + judging + moving + painting,
            "iou": (both / ops.maximum(either, 1.0), is_object[:, :few]),
            "accuracy": (right, weights),
        }

    def _levels(self, image, training) -> list:
        """The features of all levels, also where there is a single one."""
        found = self.trunk(image, training=training)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def _proposals_of(self, levels: list, training) -> tuple:
        """(logits B x n, changes B x n x 4, anchors n x 4) of all anchors, level after level."""
        answers = [self.proposer(level, training=training) for level in levels]
        batch = ops.shape(levels[0])[0]
        logits = ops.concatenate([ops.reshape(logit, (batch, -1)) for logit, _ in answers], axis=1)
        changes = ops.concatenate([ops.reshape(change, (batch, -1, 4)) for _, change in answers], axis=1)
        laid = [
            anchors.laid(ops.shape(level)[1:3], stride, self.anchors[i])
            for i, (level, stride) in enumerate(zip(levels, self.strides, strict=True))
        ]
        return logits, changes, ops.concatenate(laid, axis=0)

    def _regions(self, logits, changes, laid, size) -> tuple:
        """(boxes B x proposals x 4, logits B x proposals): the likeliest anchors, moved as they ask to be. Nothing is
        learnt through where a region lies."""
        logits, changes = ops.stop_gradient(logits), ops.stop_gradient(changes)
        boxes = geometry.clipped(geometry.decoded(changes, laid[None]), *size)
        count = self.recipe.proposals
        regions, found, _ = suppression.proposed(boxes, logits, 2 * count, count, PROPOSED)
        return regions, found

    def _learnt_of_anchors(self, logits, changes, laid, truth, there, seed):
        """The loss of a sample of all anchors: of an object or not, and how they must change."""
        batch = ops.shape(logits)[0]
        boxes = ops.tile(laid[None], (batch, 1, 1))
        yes, no, which = assignment.assigned(boxes, truth, there, NEAR, FAR, each=True)
        places, weights = assignment.drawn(yes, no, ANCHORS, ANCHORS // 2, seed)
        is_object = _first(weights, ANCHORS // 2)
        wanted = geometry.taken(truth, geometry.taken(which, places))
        wanted = geometry.encoded(wanted, geometry.taken(boxes, places))
        told = losses.told(geometry.taken(logits, places), is_object, weights)
        return told + losses.moved(geometry.taken(changes, places), wanted, is_object)

    def _chosen_regions(self, regions, found, truth, there, seed) -> tuple:
        """(boxes B x n x 4, the object of each B x n, is it of one, does it count): a sample of the regions, and of the
        true boxes, so that there is something to learn from the first step on. Those of objects come first."""
        boxes = ops.concatenate([regions, truth], axis=1)
        is_box = ops.concatenate([found > suppression.NEVER / 2, there], axis=1)
        yes, no, which = assignment.assigned(boxes, truth, there, HALF, HALF, each=False)
        yes, no = ops.logical_and(yes, is_box), ops.logical_and(no, is_box)
        places, weights = assignment.drawn(yes, no, REGIONS, REGIONS // 4, seed)
        return geometry.taken(boxes, places), geometry.taken(which, places), _first(weights, REGIONS // 4), weights

    def _judged(self, levels: list, regions, training) -> tuple:
        """(logits B x n, changes B x n x 4) of regions."""
        crops, back = roi_align.flattened(self._within(levels, regions, heads.SIZE, 2))
        answer, moves = self.judge(crops, training=training)
        return back(answer)[..., 0], back(moves)

    def _masks(self, levels: list, boxes, training):
        """Logits B x n x mask_size x mask_size."""
        crops, back = roi_align.flattened(self._within(levels, boxes, self.recipe.mask_size // 2, 1))
        return back(self.painter(crops, training=training))[..., 0]

    def _within(self, levels: list, boxes, size: int, samples: int):
        sides = ops.sqrt(ops.mean(self.anchors[..., 0] * self.anchors[..., 1], axis=1))
        return roi_align.aligned(levels, self.strides, boxes, sides, size, samples)


def _first(weights, count: int):
    """The weights of the first `count`, 0 from there on."""
    return weights * ops.cast(ops.arange(weights.shape[1]) < count, "float32")
