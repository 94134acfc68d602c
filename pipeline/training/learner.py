"""The Keras model that `fit` sees: it scales and augments on the device, runs the network, and knows the loss."""

import keras
from keras import ops

from pipeline.recipe import Recipe
from pipeline.training import losses
from pipeline.training.augment import Augment


class Learner(keras.Model):
    """Takes {"image", "target"} as stored (uint8), returns {"logits", "target"} after augmentation.

    The network is an attribute: its weights alone are kept for predicting.

    Args:
        shape: B, H, W, C of the image batches, fixed: a smaller last batch would compile again.
        value_range: the image value that stands for 1.
        task: the kind of answer.
        weights: of the classes in the loss, or None.
    """

    def __init__(self, network, recipe: Recipe, shape, value_range: float, task, symmetry: str, weights=None):
        # float32 here whatever the network computes in: the loss and the warp need it
        super().__init__(dtype="float32")
        self.network = network
        self.shape, self.value_range, self.outputs = shape, value_range, task.outputs
        self.exclusive = task.activation == "softmax"
        # its state is set as each epoch begins
        self.seed_generator = keras.random.SeedGenerator(0)
        self.augment = Augment(recipe, symmetry, task.blends, self.seed_generator)
        self.early_loss = losses.named(recipe.loss, task.activation, weights)
        self.late_loss = losses.named(recipe.late_loss, task.activation, weights) if recipe.late_loss else None
        # a variable, not an attribute: the compiled step must see it change
        self.is_late = self.add_weight(name="is_late", shape=(), initializer="zeros", trainable=False)
        self.overlap = keras.metrics.Mean(name="iou")
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def call(self, data, training=False):
        image = ops.cast(ops.reshape(data["image"], self.shape), "float32") / self.value_range
        target = ops.cast(ops.reshape(data["target"], (*self.shape[:3], self.outputs)), "float32") / 255
        if training:
            image, target = self.augment(image, target)
        return {"logits": self.network(image, training=training), "target": target}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, target = y_pred["logits"], y_pred["target"]
        if self.late_loss is None:
            return self.early_loss(logits, target)
        return ops.cond(
            self.is_late > 0, lambda: self.late_loss(logits, target), lambda: self.early_loss(logits, target)
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """IoU of all classes together, mean over images; accuracy, the share of pixels whose classes are all right."""
        target, logits = y_pred["target"], y_pred["logits"]
        truth = target > 0.5
        found, known = self._found(logits, target)
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
