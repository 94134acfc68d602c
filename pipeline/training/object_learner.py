"""The Keras model that `fit` sees where a network finds objects: it moves pictures and numbers, and the network knows
the loss."""

from keras import ops

from pipeline.training.learner import Learner


class ObjectLearner(Learner):
    """Takes {"image", "target"}, the target numbers of objects; returns what `network.learn` says of them.

    What augmentation brings into the window from beyond the picture is blank, its mean colour: a mirrored object there
    would have the number of the one that it mirrors.
    """

    def call(self, data, training=False):
        image = ops.cast(ops.reshape(data["image"], self.shape), "float32") / self.value_range
        numbers = ops.cast(ops.reshape(data["target"], (*self.shape[:3], 1)), "float32")
        if training:
            image, numbers = self._moved(image, numbers)
        return self.network.learn(image, ops.cast(numbers[..., 0] + 0.5, "int32"), self.seed_generator)

    def _moved(self, image, numbers):
        source = self.shape[1:3]
        places = self.augment.coordinates(self.shape[0], source, self.augment.window)
        within = [
            ops.logical_and(places[..., axis] >= -0.5, places[..., axis] <= length - 0.5)
            for axis, length in enumerate(source)
        ]
        inside = ops.logical_and(*within)[..., None]
        blank = ops.mean(image, axis=(1, 2), keepdims=True)
        image = ops.where(inside, self.augment.warp(image, places), blank)
        return self.augment.values(image), ops.where(inside, self.augment.warp_nearest(numbers, places), 0.0)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = y_pred["loss"]
        if self.finite_loss is not None:
            self._count(ops.stop_gradient(loss))
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """IoU of the masks in regions that are of an object; accuracy, the share of the regions that are told from
        background rightly."""
        for metric, name in ((self.overlap, "iou"), (self.accuracy, "accuracy")):
            values, weights = y_pred[name]
            metric.update_state(values, sample_weight=weights)
        return self.get_metrics_result()
