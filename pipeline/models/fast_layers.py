"""Two of Keras's layers by other kernels of TensorFlow, which are faster; on other backends they are Keras's own.

They have the names of Keras's, for files of weights know layers by their class; arguments, variables and results are
the same, too. Measured on two cores with AMX, batch 16, bfloat16.
"""

import keras
from keras import layers, ops


class BatchNormalization(layers.BatchNormalization):
    """Of B x H x W x C or B x D x H x W x C by one kernel, where Keras has some ten operations in float32.

    Forth and back behind 64 x 64 x 16 values 2.6 ms instead of 8.6; TGS's `quick` has nine such layers.
    """

    def call(self, inputs, training=None, mask=None):
        fused = _on_tensorflow() and self.scale and self.center and mask is None
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


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """In bfloat16 with gradients in float32: the kernels for those take ten times as long in bfloat16.

    The gradient of a 5 x 5 kernel over 8 x 8 x 672 values: 3.9 ms instead of 17; of 64 x 64 x 96 values in front of a
    stride of 2: 1.7 ms instead of 23. All of EfficientNet-Lite0's, at 128 pixels: a third of a step.
    """

    def call(self, inputs):
        plain = self.data_format == "channels_last" and tuple(self.dilation_rate) == (1, 1) and not self.use_bias
        if not (_on_tensorflow() and plain and self.compute_dtype == "bfloat16"):
            return super().call(inputs)
        found = _depthwise(self.strides, self.padding.upper())(inputs, ops.cast(self.kernel, "bfloat16"))
        return found if self.activation is None else self.activation(found)


def _depthwise(strides: tuple[int, int], padding: str):
    import tensorflow as tf

    how = {"strides": (1, *strides, 1), "padding": padding}

    @tf.custom_gradient
    def convolved(x, kernel):
        def gradients(upstream):
            upstream = tf.cast(upstream, "float32")
            of_x = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x), filter=tf.cast(kernel, "float32"), out_backprop=upstream, **how
            )
            of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=tf.cast(x, "float32"), filter_sizes=tf.shape(kernel), out_backprop=upstream, **how
            )
            return tf.cast(of_x, x.dtype), tf.cast(of_kernel, kernel.dtype)

        return tf.nn.depthwise_conv2d(x, kernel, **how), gradients

    return convolved


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"
