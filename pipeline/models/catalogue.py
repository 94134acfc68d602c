"""What networks and encoders there are, and what cannot be asked of them. Knows their names without loading Keras."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.recipe import Recipe, option

NETWORKS = ("unet", "unet2015", "unet3d", "deeplabv3plus")
# not a network: nothing is trained, so Keras is not needed either
CLASSICAL = "classical"
MODELS = (*NETWORKS, CLASSICAL)
OF_VOLUMES = ("unet3d",)
TAKE_ENCODERS = ("unet", "deeplabv3plus")

# name -> module and class of keras.applications. Xception is missing: it does not pad, so that no side of its features
# is the image's by a whole number
ENCODERS = {
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


def is_network(recipe: Recipe) -> bool:
    """Whether the recipe's model is trained by Keras."""
    return recipe.model != CLASSICAL


def check(recipe: Recipe) -> None:
    """Raises UserError where a recipe asks for a network that there is not, or for what its network cannot do."""
    for field, known in (("model", MODELS), ("encoder", ("", *ENCODERS))):
        value = getattr(recipe, field)
        if value not in known:
            raise UserError(f"{option(field)} is '{value}'; known are: {', '.join(name for name in known if name)}")
    if recipe.encoder and recipe.model not in TAKE_ENCODERS:
        raise UserError(f"--model {recipe.model} has no place for an --encoder; {' and '.join(TAKE_ENCODERS)} have")
    if recipe.model in OF_VOLUMES and recipe.slices == 1:
        raise UserError(f"--model {recipe.model} wants several slices of a volume: give --slices, for example 8")
    if not is_network(recipe) and (recipe.slices > 1 or recipe.neighbours):
        raise UserError(f"--model {recipe.model} looks at single images: leave out --slices and --neighbours")
    if not is_network(recipe) and recipe.pseudo:
        raise UserError(f"--model {recipe.model} learns nothing from pseudo-labels: leave out --pseudo")
    if not is_network(recipe) and recipe.budget:
        raise UserError(f"--model {recipe.model} has no epochs that a --budget could pick: leave it out")
    if recipe.weights != "none" and not recipe.encoder:
        raise UserError("--weights are of an --encoder, and none is given")


def check_weights_file(encoder: str, path: Path) -> None:
    """Raises UserError where the file that an encoder is to begin with is not there."""
    if not path.is_file():
        raise UserError(f"--weights {path} is no file; give one with weights of {encoder}, or imagenet, or none")
