"""The Keras model that `fit` sees: it scales and augments on the device, runs the network, and knows the loss."""

import math

import keras
from keras import ops

from pipeline.recipe import Recipe
from pipeline.training import losses
from pipeline.training.augment import Augment


class Learner(keras.Model):
    """Takes {"image", "target"} as stored (uint8), returns {"logits", "target"} after augmentation.

    Where the batches hold a "weight" for each pixel, or whether it is "known", that is augmented and returned, too.
    Slices that are learnt together are images of their own in what is returned. The network is an attribute: its
    weights alone are kept for predicting.

    Args:
        shape: B, H, W, C of the image batches, fixed: a smaller last batch would compile again.
        window: height and width of what the network sees of them; margin: how far beyond its answer.
        value_range: the image value that stands for 1.
        task: the kind of answer.
        weights: of the classes in the loss, or None.
        scaled: whether the loss is scaled up for float16, and steps that overflow are left out.
        bounded: whether image values are all in 0..1 of the range, or most of them.
    """

    def __init__(
        self,
        network,
        recipe: Recipe,
        shape,
        window,
        margin,
        value_range,
        task,
        symmetry,
        weights=None,
        scaled=False,
        bounded=True,
    ):
        # float32 here whatever the network computes in: the loss and the warp need it
        super().__init__(dtype="float32")
        self.network = network
        self.shape, self.margin, self.value_range = shape, margin, value_range
        self.answered = (shape[0], window[0] - 2 * margin, window[1] - 2 * margin)
        self.slices, self.outputs = recipe.slices, task.outputs
        self.exclusive = task.activation == "softmax"
        # its state is set as each epoch begins
        self.seed_generator = keras.random.SeedGenerator(0)
        self.augment = Augment(recipe, symmetry, task.blends, window, self.seed_generator, bounded)
        self.early_loss = losses.composed(recipe.loss, task.activation, weights)
        self.late_loss = losses.composed(recipe.late_loss, task.activation, weights) if recipe.late_loss else None
        # a variable, not an attribute: the compiled step must see it change
        self.is_late = self.add_weight(name="is_late", shape=(), initializer="zeros", trainable=False)
        self.overlap = keras.metrics.Mean(name="iou")
        self.accuracy = keras.metrics.Mean(name="accuracy")
        self.finite_loss = keras.metrics.Mean(name="finite_loss") if scaled else None

    def call(self, data, training=False):
        image = ops.cast(ops.reshape(data["image"], self.shape), "float32") / self.value_range
        channels = {"target": self.slices * self.outputs, "weight": self.slices, "known": self.slices}
        names = [name for name in channels if name in data]
        learnt = [ops.reshape(data[name], (*self.shape[:3], channels[name])) for name in names]
        # all that belongs to the pixels moves with them
        learnt = ops.concatenate([ops.cast(values, "float32") for values in learnt], axis=-1)
        if training:
            image, learnt = self.augment(image, learnt)
        if self.margin:
            learnt = learnt[:, self.margin : -self.margin, self.margin : -self.margin]
        logits = self.network(image, training=training)
        found, start = {"logits": self._single(logits)}, 0
        for name in names:
            found[name] = self._single(learnt[..., start : start + channels[name]])
            start += channels[name]
        return {**found, "target": found["target"] / 255}

    def _single(self, values):
        """B x H x W x (slices K) as pictures of their own, (B slices) x H x W x K."""
        if self.slices == 1:
            return values
        batch, height, width = self.answered
        apart = ops.reshape(values, (batch, height, width, self.slices, -1))
        return ops.reshape(ops.transpose(apart, (0, 3, 1, 2, 4)), (batch * self.slices, height, width, -1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        given = y_pred["logits"], y_pred["target"], y_pred.get("weight"), y_pred.get("known")
        if self.late_loss is None:
            loss = self.early_loss(*given)
        else:
            loss = ops.cond(self.is_late > 0, lambda: self.late_loss(*given), lambda: self.early_loss(*given))
        if self.finite_loss is not None:
            self._count(ops.stop_gradient(loss))
        return loss

    def _count(self, loss) -> None:
        is_finite = ops.isfinite(loss)
        self.finite_loss.update_state(ops.where(is_finite, loss, 0.0), sample_weight=ops.cast(is_finite, "float32"))

    def mean_loss(self, logs: dict) -> float:
        """Of the epoch that ends with these logs.

        A scaled loss may overflow in single batches: their steps are left out, and the mean is that of the others. NaN
        or infinite where no batch has a loss, and unscaled where one has none.
        """
        loss = float(logs["loss"])
        if math.isfinite(loss) or self.finite_loss is None or not float(self.finite_loss.count):
            return loss
        return float(self.finite_loss.result())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """IoU of all classes together, mean over images; accuracy, the share of pixels whose classes are all right."""
        target, logits = y_pred["target"], y_pred["logits"]
        gaps = None if "known" not in y_pred else y_pred["known"] < 0.5
        target = target if gaps is None else ops.where(gaps, 0.0, target)
        truth = target > 0.5
        found, known = self._found(logits, target)
        if gaps is not None:
            found = ops.logical_and(found, ops.logical_not(gaps))
            known = ops.where(gaps[..., 0], 0.0, known)
        both = ops.sum(ops.cast(ops.logical_and(truth, found), "float32"), axis=(1, 2, 3))
        either = ops.sum(ops.cast(ops.logical_or(truth, found), "float32"), axis=(1, 2, 3))
        self.overlap.update_state(ops.where(either > 0, both / ops.maximum(either, 1), 1.0))
        right = ops.cast(ops.all(ops.equal(truth, found), axis=-1), "float32")
        self.accuracy.update_state(ops.sum(right * known) / ops.maximum(ops.sum(known), 1.0))
        return self.get_metrics_result()

    def _found(self, logits, target):
        """Which classes of a pixel are answered, and which pixels count: not the void of exclusive classes."""
        if self.exclusive:
            known = ops.sum(target, axis=-1) > 0.5
            likeliest = ops.equal(logits, ops.max(logits, axis=-1, keepdims=True))
            return ops.logical_and(likeliest, known[..., None]), ops.cast(known, "float32")
        return logits > 0, ops.ones_like(target[..., 0])
