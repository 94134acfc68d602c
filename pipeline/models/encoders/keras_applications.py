"""Networks of keras.applications as the way down, with or without weights that were learnt elsewhere.

A decoder takes the last features at each resolution, as in U-Nets and pyramids with such encoders (Lin et al. 2017,
arXiv:1612.03144).
"""

import warnings
from pathlib import Path

import keras
from keras import layers, ops

from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.models.encoders import STRIDES
from pipeline.recipe import Recipe

# name -> module and class of keras.applications. Xception is missing: it does not pad, so that no side of its features
# is the image's by a whole number
NETWORKS = {
    "vgg16": ("vgg16", "VGG16"),
    "vgg19": ("vgg19", "VGG19"),
    "resnet50": ("resnet", "ResNet50"),
    "resnet101": ("resnet", "ResNet101"),
    "resnet50v2": ("resnet_v2", "ResNet50V2"),
    "efficientnetb0": ("efficientnet", "EfficientNetB0"),
    "efficientnetb1": ("efficientnet", "EfficientNetB1"),
    "efficientnetb2": ("efficientnet", "EfficientNetB2"),
    "efficientnetb3": ("efficientnet", "EfficientNetB3"),
    "efficientnetb4": ("efficientnet", "EfficientNetB4"),
    "efficientnetv2b0": ("efficientnet_v2", "EfficientNetV2B0"),
    "efficientnetv2b1": ("efficientnet_v2", "EfficientNetV2B1"),
    "efficientnetv2b2": ("efficientnet_v2", "EfficientNetV2B2"),
    "efficientnetv2b3": ("efficientnet_v2", "EfficientNetV2B3"),
    "efficientnetv2s": ("efficientnet_v2", "EfficientNetV2S"),
    "efficientnetv2m": ("efficientnet_v2", "EfficientNetV2M"),
    "densenet121": ("densenet", "DenseNet121"),
    "densenet169": ("densenet", "DenseNet169"),
    "convnexttiny": ("convnext", "ConvNeXtTiny"),
    "convnextsmall": ("convnext", "ConvNeXtSmall"),
    "mobilenetv2": ("mobilenet_v2", "MobileNetV2"),
    "mobilenetv3large": ("mobilenet_v3", "MobileNetV3Large"),
}

# the side of the pictures of ImageNet, in pixels, by which resolutions are told apart
_SIDE = 224


def features(image, recipe: Recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the recipe's encoder sees in an image, by stride.

    Args:
        image: a Keras tensor B x H x W x C in 0..1, any C. One channel is repeated; other counts than 1 and 3 are mixed
            by a learnt convolution, which starts as their mean.
        strides: which are wanted; layers behind the last of them are left out.
    Returns: stride -> B x H / stride x W / stride x channels, without the strides that the encoder does not have. H
        and W must be multiples of the largest. The layers are those of a model named `encoder` inside the network.
    """
    encoder = _cut(_application(recipe.encoder), recipe.encoder, strides)
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            # as in the house's blocks: .999 is of trainings a hundred times as long, and lags behind in short ones
            layer.momentum = 0.98
    found = encoder(_scaled(_three_channels(image), recipe.encoder))
    return {int(stride): tensor for stride, tensor in found.items()}


def start(network: keras.Model, recipe: Recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights that the recipe names; `strides` as in `features`.

    Raises UserError, with the network untouched, when they cannot be had or are not of this encoder.
    """
    if recipe.weights == "none":
        return
    if recipe.weights == "imagenet":
        application = _fetched(recipe.encoder)
    else:
        application = _read(recipe.encoder, Path(recipe.weights).expanduser())
    trained = _cut(application, recipe.encoder, strides)
    network.get_layer("encoder").set_weights(trained.get_weights())


def _application(encoder: str, weights: str | None = None, side: int | None = None) -> keras.Model:
    """The network without its classifier, for pictures of any size unless a side is given."""
    build = getattr(keras.applications, NETWORKS[encoder][1])
    return build(include_top=False, weights=weights, input_shape=(side, side, 3))


def _fetched(encoder: str) -> keras.Model:
    """The network with the weights of ImageNet, which Keras downloads once."""
    try:
        return _application(encoder, weights="imagenet", side=_SIDE)
    except Exception as error:  # `keras.utils.get_file` has no kind of its own for a failed download
        raise UserError(
            f"--weights imagenet could not be had for {encoder}: {_first_line(error)}; fetch that file elsewhere and "
            "give it as --weights FILE, or put it into ~/.keras/models"
        ) from error


def _read(encoder: str, path: Path) -> keras.Model:
    """The network with the weights of a file."""
    catalogue.check_weights_file(encoder, path)
    if path.suffix not in catalogue.KERAS:
        raise UserError(f"--weights {path} does not end in .h5 or .keras; save {encoder} with Keras to one of them")
    application = _application(encoder, side=_SIDE)
    try:
        with warnings.catch_warnings():
            # one for every layer that does not fit, before the error
            warnings.simplefilter("ignore")
            application.load_weights(path)
    except Exception as error:  # as many kinds as there are ways to be no such file
        raise UserError(
            f"--weights {path} holds no weights of {encoder} ({_first_line(error)}); give a file of this encoder "
            "without its classifier (_notop)"
        ) from error
    return application


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:250]


def _cut(application: keras.Model, encoder: str, strides: tuple[int, ...]) -> keras.Model:
    """The part of a network from scaled pictures to its last features at these strides; the outputs' keys are text."""
    outputs = _last_features(application)
    kept = {str(stride): outputs[stride] for stride in strides if stride in outputs}
    return keras.Model(_entrance(application, encoder), kept, name="encoder")


def _last_features(application: keras.Model) -> dict:
    """Stride -> the last tensor of that resolution. Padded pictures, which are a little larger, have no stride."""
    tensors = [layer.output for layer in application.layers]
    shapes = keras.Model(application.input, tensors).compute_output_shape((1, _SIDE, _SIDE, 3))
    pictures = [(shape[1], tensor) for shape, tensor in zip(shapes, tensors, strict=True) if len(shape) == 4]
    return {_SIDE // side: tensor for side, tensor in pictures if _SIDE % side == 0}


def _entrance(application: keras.Model, encoder: str):
    """Where scaled pictures enter.

    The first EfficientNets normalise inside, wrongly without and rightly with the weights of ImageNet
    (github.com/tensorflow/tensorflow/issues/49930): that is left out, and `_scaled` does it.
    """
    if NETWORKS[encoder][0] == "efficientnet":
        return application.get_layer("stem_conv_pad").input
    return application.input


def _three_channels(image):
    channels = image.shape[-1]
    if channels == 1:
        return ops.repeat(image, 3, axis=-1)
    if channels == 3:
        return image
    mean = keras.initializers.Constant(1 / channels)
    return layers.Conv2D(3, 1, kernel_initializer=mean, dtype="float32")(image)


def _scaled(image, encoder: str):
    """From 0..1 to what the encoder was trained on, in float32. Those that scale inside are given 0..255."""
    module = NETWORKS[encoder][0]
    if module == "efficientnet":
        return keras.applications.imagenet_utils.preprocess_input(image * 255.0, mode="torch")
    return getattr(keras.applications, module).preprocess_input(image * 255.0)
