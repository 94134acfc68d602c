"""Three of Keras's layers that can use other kernels, where `turned_on`: on TensorFlow without a GPU.

They have the names of Keras's, for files of weights know layers by their class; arguments, variables and results are
the same, too.
"""

from collections.abc import Iterator

import keras
from keras import layers, ops

from pipeline.models import on_tensorflow


class BatchNormalization(layers.BatchNormalization):
    """Of B x H x W x C or B x D x H x W x C over the last axis by one kernel (`on_tensorflow.normalised`)."""

    fast = False

    def call(self, inputs, training=None, mask=None):
        axes = len(inputs.shape)
        usual = self.scale and self.center and self.axis in (-1, axes - 1) and mask is None
        if not (self.fast and usual and axes in (4, 5)) or self.compute_dtype == "float64":
            return super().call(inputs, training=training, mask=mask)
        # the kernel knows pictures; slices of a volume are as many
        pictures = inputs if axes == 4 else ops.reshape(inputs, (-1, *ops.shape(inputs)[2:]))
        found = self._learning(pictures) if training and self.trainable else self._answering(pictures)
        return found if pictures is inputs else ops.reshape(found, ops.shape(inputs))

    def _learning(self, pictures):
        found, mean, variance = on_tensorflow.normalised(pictures, self.gamma.value, self.beta.value, self.epsilon)
        count = ops.cast(ops.prod(ops.shape(pictures)[:-1]), "float32")
        # the kernel tells the variance of whom the batch was drawn from, Keras follows that of the batch
        variance = variance * (count - 1) / count
        for variable, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            variable.assign(variable * self.momentum + value * (1 - self.momentum))
        return found

    def _answering(self, pictures):
        known = (self.gamma.value, self.beta.value, self.epsilon, self.moving_mean.value, self.moving_variance.value)
        return on_tensorflow.normalised(pictures, *known)[0]


class Conv2D(layers.Conv2D):
    """With a kernel of 1 x 1 it is a product of matrices, forth and back in half the time: of all those of
    EfficientNet-Lite0, 16 pictures of 128 pixels in bfloat16, 62 ms of a step instead of 115."""

    fast = False

    def call(self, inputs):
        pointwise = self.kernel_size == (1, 1) and tuple(self.strides) == (1, 1) and self.groups == 1
        if not (self.fast and pointwise and self.data_format == "channels_last"):
            return super().call(inputs)
        kernel = ops.cast(self.kernel, self.compute_dtype)[0, 0]
        found = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
        found = ops.reshape(found, (*ops.shape(inputs)[:-1], self.filters))
        found = found + ops.cast(self.bias, found.dtype) if self.use_bias else found
        return found if self.activation is None else self.activation(found)


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """In bfloat16 it learns by gradients in float32 (`on_tensorflow.depthwise`)."""

    fast = False

    def call(self, inputs, training=None):
        usual = self.data_format == "channels_last" and tuple(self.dilation_rate) == (1, 1) and not self.use_bias
        # a network that only answers needs no gradients, and TensorFlow would keep it for their sake
        if not (self.fast and usual and training) or self.compute_dtype != "bfloat16":
            return super().call(inputs)
        kernel = ops.cast(self.kernel, "bfloat16")
        found = on_tensorflow.depthwise(inputs, kernel, self.strides, self.padding.upper())
        return found if self.activation is None else self.activation(found)


def turned_on(network: keras.Model) -> keras.Model:
    """The network, its layers by the kernels that are faster on TensorFlow without a GPU."""
    for layer in within(network):
        if isinstance(layer, (BatchNormalization, Conv2D, DepthwiseConv2D)):
            layer.fast = True
    return network


def within(network) -> Iterator:
    """The layers of a network and of those inside it."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from within(layer)
        else:
            yield layer
