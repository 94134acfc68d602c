"""Parts that a U-Net can have besides its blocks: attention, a wider centre, hypercolumns, more heads."""

from keras import layers

from pipeline.models.initial import HeNormal
from pipeline.models.layers import Bilinear

SQUEEZE = 8  # how many channels share one of the numbers that an image is summed up in
RATES = (1, 2, 4)  # pixels between the taps of the convolutions of a dilated centre


def attended(x):
    """Concurrent spatial and channel squeeze and excitation: B x H x W x C, each value weighed by its place and by its
    channel (scSE: Roy, Navab, Wachinger 2018, arXiv:1803.02579)."""
    channels = x.shape[-1]
    summary = layers.GlobalAveragePooling2D(keepdims=True)(x)
    summary = layers.Conv2D(max(1, channels // SQUEEZE), 1, activation="relu", kernel_initializer=HeNormal())(summary)
    of_channel = layers.Conv2D(channels, 1, activation="sigmoid")(summary)
    of_place = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return layers.Add()([layers.Multiply()([x, of_channel]), layers.Multiply()([x, of_place])])


def dilated(x):
    """Convolutions one after the other, their taps ever farther apart, summed with what went in, as in the centre of
    D-LinkNet (Zhou, Zhang, Wu 2018, CVPR workshops)."""
    found = [x]
    for rate in RATES:
        following = layers.Conv2D(
            x.shape[-1], 3, padding="same", dilation_rate=rate, activation="relu", kernel_initializer=HeNormal()
        )(found[-1])
        found.append(following)
    return layers.Add()(found)


def gathered(features: list, filters: int):
    """Hypercolumns: what is known at each level of the way up, side by side at full resolution.

    Args:
        features: B x H/s x W/s x C at strides s = …, 4, 2, 1; filters: of each of them afterwards.
    Returns: B x H x W x (len(features) x filters) (Hariharan et al. 2015, arXiv:1411.5752).
    """
    levels = []
    for step, x in enumerate(reversed(features)):
        x = layers.Conv2D(filters, 1, kernel_initializer=HeNormal())(x)
        levels.append(enlarged(x, step))
    return layers.Concatenate()(levels)


def deep_heads(features: list, outputs: int) -> list:
    """Logits of the coarser levels at full resolution, so that each learns the answer directly (deeply supervised nets:
    Lee et al. 2015, arXiv:1409.5185)."""
    found = []
    for step, x in enumerate(reversed(features[:-1]), start=1):
        found.append(enlarged(layers.Conv2D(outputs, 1, dtype="float32")(x), step))
    return found


def presence_head(x, outputs: int):
    """Logits of whether there is anything in the image, B x outputs, from what is at the bottom of the U."""
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, dtype="float32", name="presence")(x)


def enlarged(x, doublings: int):
    for _ in range(doublings):
        x = Bilinear(dtype=x.dtype)(x)
    return x


def surviving(x, rate: float):
    """The residual branch of an image, or nothing of it (stochastic depth: Huang et al. 2016, arXiv:1603.09382)."""
    return layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(x)
