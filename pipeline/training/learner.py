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
        outputs: channels of the target.
        blends: see `Augment`.
    """

    def __init__(self, network, recipe: Recipe, shape, value_range: float, outputs: int, symmetry: str, blends: bool):
        # float32 here whatever the network computes in: the loss and the warp need it
        super().__init__(dtype="float32")
        self.network = network
        self.shape, self.value_range, self.outputs = shape, value_range, outputs
        # its state is set as each epoch begins
        self.seed_generator = keras.random.SeedGenerator(0)
        self.augment = Augment(recipe, symmetry, blends, self.seed_generator)
        self.early_loss = losses.named(recipe.loss)
        self.late_loss = losses.named(recipe.late_loss) if recipe.late_loss else None
        # a variable, not an attribute: the compiled step must see it change
        self.is_late = self.add_weight(name="is_late", shape=(), initializer="zeros", trainable=False)
        self.overlap = keras.metrics.Mean(name="iou")

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
        truth = y_pred["target"] > 0.5
        found = y_pred["logits"] > 0
        both = ops.sum(ops.cast(ops.logical_and(truth, found), "float32"), axis=(1, 2, 3))
        either = ops.sum(ops.cast(ops.logical_or(truth, found), "float32"), axis=(1, 2, 3))
        self.overlap.update_state(ops.where(either > 0, both / ops.maximum(either, 1), 1.0))
        return self.get_metrics_result()
