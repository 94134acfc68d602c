"""The house's networks in PyTorch, layer for layer, for their speed alone; encoders are those of timm."""

import importlib

import torch
from torch import nn
from torch.nn.functional import max_pool2d, pad

from pipeline.recipe import ANSWER_STRIDES, Recipe

# as timm calls them
ENCODERS = {
    "efficientnetlite0": "efficientnet_lite0",
    "efficientnetlite1": "efficientnet_lite1",
    "efficientnetlite2": "efficientnet_lite2",
    "mobilenetv2": "mobilenetv2_100",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
}


def of(recipe: Recipe) -> nn.Module | None:
    """From B x 3 x H x W to one logit a pixel; None where nobody has written the recipe's layers in PyTorch.

    Raises ImportError where the recipe has an encoder and timm is not installed.
    """
    usual = Recipe()
    if any(getattr(recipe, part) != getattr(usual, part) for part in ("block", "normalization", "downsampling")):
        return None
    if recipe.model == "unet2015":
        return PaperUNet(recipe)
    if recipe.model != "unet" or recipe.decoder != usual.decoder or recipe.encoder not in ("", *ENCODERS):
        return None
    return UNet(recipe, Encoder(recipe) if recipe.encoder else Contracting(recipe))


class Block(nn.Module):
    """Two convolutions around a shortcut; the first is normalised."""

    def __init__(self, before: int, filters: int):
        super().__init__()
        self.shortcut = nn.Identity() if before == filters else nn.Conv2d(before, filters, 1)
        self.first = nn.Conv2d(before, filters, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x):
        found = self.second(torch.relu(self.norm(self.first(x))))
        return torch.relu(self.shortcut(x) + found)


class Contracting(nn.Module):
    """The house's own way down: (the bottom, what each level hands across); `channels`: of these, the bottom last."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.stride, self.channels = recipe.stem, [recipe.width << step for step in range(recipe.depth + 1)]
        first = self.channels[0] if self.stride > 1 else 3
        self.stem = nn.Identity()
        if self.stride > 1:
            self.stem = nn.Conv2d(3, first, 2 * self.stride, self.stride, padding=self.stride // 2)
        pairs = zip([first, *self.channels[:-1]], self.channels, strict=True)
        self.blocks = nn.ModuleList(Block(before, filters) for before, filters in pairs)

    def forward(self, x):
        return _contracted(self.blocks, self.stem(x))


class Encoder(nn.Module):
    """The same by an encoder of timm."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        timm = importlib.import_module("timm")
        self.stride = recipe.answer_stride
        self.encoder = timm.create_model(ENCODERS[recipe.encoder], features_only=True)
        self.left_out = max(ANSWER_STRIDES.index(self.stride) - 1, 0)
        self.channels = self.encoder.feature_info.channels()[self.left_out :]
        # at full resolution a block of the house's own looks at the image
        self.full = Block(3, recipe.width) if self.stride == 1 else None
        if self.full is not None:
            self.channels = [recipe.width, *self.channels]

    def forward(self, x):
        *skips, bottom = self.encoder(x)
        return bottom, [*([] if self.full is None else [self.full(x)]), *skips[self.left_out :]]


class UNet(nn.Module):
    """A way down, and the house's way up."""

    def __init__(self, recipe: Recipe, down: nn.Module):
        super().__init__()
        self.down, stride = down, down.stride
        *skips, bottom = down.channels
        widths = [recipe.width << step for step in range(len(skips))]
        below = [*widths[1:], bottom]
        self.doubled = nn.ModuleList(
            nn.ConvTranspose2d(before, width, 2, 2) for before, width in zip(below, widths, strict=True)
        )
        self.up = nn.ModuleList(Block(width + skip, width) for width, skip in zip(widths, skips, strict=True))
        if stride > 1:
            self.answer = nn.ConvTranspose2d(widths[0], 1, 2 * stride, stride, padding=stride // 2)
        else:
            self.answer = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x, skips = self.down(x)
        for step in reversed(range(len(skips))):
            x = self.up[step](torch.cat([self.doubled[step](x), skips[step]], dim=1))
        return self.answer(x)


class PaperUNet(nn.Module):
    """The U-Net of the paper: unpadded convolutions, skips cut to what is left."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        widths = [recipe.width << step for step in range(recipe.depth + 1)]
        self.down = nn.ModuleList(map(_unpadded, [3, *widths[:-1]], widths))
        self.doubled = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in widths[:-1])
        self.up = nn.ModuleList(_unpadded(2 * width, width) for width in widths[:-1])
        self.answer = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x, skips = _contracted(self.down, x)
        for step in reversed(range(len(skips))):
            x = self.doubled[step](x)
            cut = (skips[step].shape[-1] - x.shape[-1]) // 2
            x = self.up[step](torch.cat([x, pad(skips[step], [-cut] * 4)], dim=1))
        return self.answer(x)


def _contracted(blocks: nn.ModuleList, x) -> tuple:
    """(the bottom, what each level above it hands across): halved after each block but the last."""
    skips = []
    for block in blocks[:-1]:
        x = block(x)
        skips.append(x)
        x = max_pool2d(x, 2)
    return blocks[-1](x), skips


def _unpadded(before: int, filters: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, filters, 3), nn.ReLU(), nn.Conv2d(filters, filters, 3), nn.ReLU())
