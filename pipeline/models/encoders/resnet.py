"""ResNet-18, -34 and -50 as torchvision and timm have them: He et al. 2015 (arXiv:1512.03385).

Of the three-layer blocks the second convolution halves (`v1.5`), where Keras's ResNet50 has the first one do it.
PyTorch pads all sides alike: on even sizes the convolutions of stride 2 look at other pixels than Keras's `same`.
"""

from pathlib import Path

import keras
from keras import layers

from pipeline.models import catalogue
from pipeline.models.encoders import STRIDES
from pipeline.models.fast_layers import BatchNormalization, Conv2D
from pipeline.models.initial import he_normal
from pipeline.models.pretrained.form import Form

# name -> convolutions of a block, and how many blocks there are at strides 4, 8, 16 and 32
NETWORKS = {
    "resnet18": (2, (2, 2, 2, 2)),
    "resnet34": (2, (3, 4, 6, 3)),
    "resnet50": (3, (3, 4, 6, 3)),
}
OF_PYTORCH = True


def features(image, recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the recipe's encoder sees in an image, by stride; `image` is B x H x W x C in 0..1, any C."""
    return FORM.features(image, recipe.encoder, strides)


def start(network: keras.Model, recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights of the recipe's file. Raises UserError."""
    FORM.start(network, recipe.encoder, Path(catalogue.weights_file(recipe)))


def build(encoder: str, channels: int) -> tuple:
    """(a Keras input, stride -> the last features at that stride)."""
    convolutions, blocks = NETWORKS[encoder]
    image = keras.Input((None, None, channels))
    x = layers.ReLU()(_convolved(image, 64, 7, 2, "conv1", "bn1"))
    found = {2: x}
    # after a ReLU nothing is below the 0 that is padded
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for stage, count in enumerate(blocks):
        for place in range(count):
            halving = 2 if stage and not place else 1
            x = _block(x, 64 << stage, convolutions, halving, f"layer{stage + 1}.{place}")
        found[4 << stage] = x
    return image, found


def namings(encoder: str) -> list[list[str]]:
    """The layers in their order: torchvision and timm call them alike."""
    convolutions, blocks = NETWORKS[encoder]
    names = ["conv1", "bn1"]
    for stage, count in enumerate(blocks):
        for place in range(count):
            block = f"layer{stage + 1}.{place}"
            names += [f"{block}.{kind}{k + 1}" for k in range(convolutions) for kind in ("conv", "bn")]
            # the first block of 64 channels adds what it is given as it is
            if not place and (stage or convolutions == 3):
                names += [f"{block}.downsample.0", f"{block}.downsample.1"]
    return [names]


def _block(x, filters: int, convolutions: int, halving: int, name: str):
    """Two convolutions of 3 x 3, or one of them between two of 1 x 1 of which the last has four times the filters."""
    outputs = filters if convolutions == 2 else 4 * filters
    shortcut = x
    if halving > 1 or x.shape[-1] != outputs:
        shortcut = _convolved(x, outputs, 1, halving, f"{name}.downsample.0", f"{name}.downsample.1")
    kernels = ((filters, 3, halving), (filters, 3, 1)) if convolutions == 2 else (
        (filters, 1, 1), (filters, 3, halving), (outputs, 1, 1)
    )  # fmt: skip
    for k, (channels, kernel, stride) in enumerate(kernels):
        x = _convolved(x, channels, kernel, stride, f"{name}.conv{k + 1}", f"{name}.bn{k + 1}")
        if k + 1 < convolutions:
            x = layers.ReLU()(x)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _convolved(x, filters: int, kernel: int, stride: int, name: str, normalization: str):
    """A convolution, as much padding on each side as it looks beyond, and its normalisation."""
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    x = Conv2D(filters, kernel, stride, use_bias=False, kernel_initializer=he_normal(), name=name)(x)
    # momentum as in the house's blocks
    return BatchNormalization(momentum=0.98, epsilon=1e-5, name=normalization)(x)


FORM = Form(build, namings, left_out=("fc",))
