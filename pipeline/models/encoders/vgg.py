"""VGG-16 as torchvision and timm have it: Simonyan and Zisserman 2014 (arXiv:1409.1556).

The layers are those of Keras's VGG16; the pictures are normalised in another way.
"""

from pathlib import Path

import keras
from keras import layers

from pipeline.models import catalogue
from pipeline.models.encoders import STRIDES
from pipeline.models.initial import he_normal
from pipeline.models.pretrained.form import Form

# name -> convolutions of each block, between which the picture is halved
NETWORKS = {"vgg16": (2, 2, 3, 3, 3)}
OF_PYTORCH = True


def features(image, recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the encoder sees in an image, by stride; `image` is B x H x W x C in 0..1, any C."""
    return FORM.features(image, recipe.encoder, strides)


def start(network: keras.Model, recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights of the recipe's file. Raises UserError."""
    FORM.start(network, recipe.encoder, Path(catalogue.weights_file(recipe)))


def build(encoder: str, channels: int) -> tuple:
    """(a Keras input, stride -> the last features at that stride)."""
    x = image = keras.Input((None, None, channels))
    names, found = iter(namings(encoder)[0]), {}
    for block, count in enumerate(NETWORKS[encoder]):
        for _ in range(count):
            convolution = layers.Conv2D(
                min(64 << block, 512), 3, padding="same", kernel_initializer=he_normal(), name=next(names)
            )
            x = layers.ReLU()(convolution(x))
        found[1 << block] = x
        x = layers.MaxPooling2D()(x)
    return image, {**found, 32: x}


def namings(encoder: str) -> list[list[str]]:
    """The convolutions in their order: PyTorch counts rectifiers and poolings, too."""
    names, number = [], 0
    for count in NETWORKS[encoder]:
        names += [f"features.{number + 2 * k}" for k in range(count)]
        number += 2 * count + 1
    return [names]


FORM = Form(build, namings, left_out=("classifier", "pre_logits", "head"))
