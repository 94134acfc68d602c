"""Layers that Keras does not have."""

from keras import layers, ops


class Bilinear(layers.Layer):
    """Twice the height and width by linear interpolation, as `UpSampling2D` does it where sizes are known.

    (Of pictures of several sizes TensorFlow traces a network for unknown ones, where that layer cannot be called.)
    """

    def call(self, x):
        for axis in (1, 2):
            first, last = (x[:, :1], x[:, -1:]) if axis == 1 else (x[:, :, :1], x[:, :, -1:])
            rest, start = (x[:, 1:], x[:, :-1]) if axis == 1 else (x[:, :, 1:], x[:, :, :-1])
            before, after = ops.concatenate([first, start], axis=axis), ops.concatenate([rest, last], axis=axis)
            pairs = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
            height, width = ops.shape(x)[1:3]
            shape = (2 * height, width) if axis == 1 else (height, 2 * width)
            x = ops.reshape(pairs, (-1, *shape, x.shape[-1]))
        return x

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        return batch, height and 2 * height, width and 2 * width, channels
