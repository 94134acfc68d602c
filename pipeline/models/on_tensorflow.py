"""What TensorFlow can do faster than Keras asks it to. The one file that imports TensorFlow, where it is used.

Measured on two cores with AMX, batch 16, bfloat16. (To compile a whole step on a CPU would double its time: XLA's
convolutions are slower than TensorFlow's own.)
"""

import functools
from collections.abc import Callable


def normalised(pictures, scale, offset, epsilon: float, mean=None, variance=None) -> tuple:
    """Batch normalisation by one kernel, where Keras has some ten operations in float32.

    Forth and back behind 64 x 64 x 16 values 2.6 ms instead of 8.6; TGS's `quick` has nine such layers.

    Not where XLA compiles the step: it takes the variance as the difference of two large numbers, and may end below 0.

    Args:
        pictures: B x H x W x C; the others C, float32. mean, variance: None for those of the batch.
    Returns: (normalised, mean of the batch, variance of the batch as its population would have it).
    """
    from tensorflow import raw_ops, zeros

    found = raw_ops.FusedBatchNormV3(
        x=pictures,
        scale=scale,
        offset=offset,
        mean=zeros(0) if mean is None else mean,
        variance=zeros(0) if variance is None else variance,
        epsilon=epsilon,
        is_training=mean is None,
    )
    return found[0], found[1], found[2]


def depthwise(x, kernel, strides: tuple[int, int], padding: str):
    """A depthwise convolution of bfloat16 that learns by gradients in float32.

    The kernels for those take ten times as long in bfloat16: of 5 x 5 taps over 8 x 8 x 672 values 17 ms instead of
    3.9; of what is in front of a stride of 2, 64 x 64 x 96 values, 23 ms instead of 1.7. All of EfficientNet-Lite0's,
    at 128 pixels: a fifth of a step.
    """
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

    return convolved(x, kernel)


@functools.cache
def compiled(function: Callable) -> Callable:
    """A function of tensors to tensors, of shapes that do not change, as one kernel; compiled once in a process."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def at_once(function: Callable, tensors: list):
    """What a function does with these tensors, as one kernel of the step that is being made."""
    import tensorflow as tf

    # outside a step it would be compiled at every call
    return tf.function(function, jit_compile=True)(*tensors) if tf.inside_function() else function(*tensors)


@functools.cache
def compiles() -> bool:
    """Whether this build of TensorFlow has a compiler for this device: some have none."""
    import tensorflow as tf

    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros(1))
    except tf.errors.OpError:
        return False
    return True
