"""Batch normalisation by the one kernel that TensorFlow has for it; on other backends it is Keras's own layer.

Keras writes the same out as some ten operations in float32. On two cores with AMX, in bfloat16, forth and back behind
16 x 64 x 64 x 16 values: 8.6 ms as Keras writes it, 2.6 ms by the kernel; TGS's `quick` has nine of them in a step.
"""

import keras
from keras import layers, ops


class BatchNormalization(layers.BatchNormalization):
    """Keras's layer with its arguments, variables and results, over the last axis of B x H x W x C or B x D x H x W x C.

    (The same class name, for files of weights know layers by it.)
    """

    def call(self, inputs, training=None, mask=None):
        fused = keras.backend.backend() == "tensorflow" and self.scale and self.center and mask is None
        if not fused or self.compute_dtype == "float64" or len(inputs.shape) not in (4, 5):
            return super().call(inputs, training=training, mask=mask)
        # the kernel knows pictures; slices of a volume are as many
        pictures = inputs if len(inputs.shape) == 4 else ops.reshape(inputs, (-1, *ops.shape(inputs)[2:]))
        found = self._learning(pictures) if training and self.trainable else self._kernel(pictures, False)[0]
        return found if pictures is inputs else ops.reshape(found, ops.shape(inputs))

    def _learning(self, pictures):
        found, mean, variance = self._kernel(pictures, True)[:3]
        count = ops.cast(ops.size(pictures[..., 0]), "float32")
        # the kernel tells the variance of whom the batch was drawn from, Keras follows that of the batch
        variance = variance * (count - 1) / count
        for variable, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            variable.assign(variable * self.momentum + value * (1 - self.momentum))
        return found

    def _kernel(self, pictures, training: bool):
        from tensorflow import raw_ops, zeros

        nothing = zeros(0)
        return raw_ops.FusedBatchNormV3(
            x=pictures,
            scale=ops.convert_to_tensor(self.gamma, "float32"),
            offset=ops.convert_to_tensor(self.beta, "float32"),
            mean=nothing if training else ops.convert_to_tensor(self.moving_mean, "float32"),
            variance=nothing if training else ops.convert_to_tensor(self.moving_variance, "float32"),
            epsilon=self.epsilon,
            is_training=training,
        )
