"""The house's residual U-Net (`pipeline.models.unet`) in PyTorch, layer for layer, for its speed alone."""

import torch
from torch import nn

from pipeline.recipe import Recipe


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


class UNet(nn.Module):
    """Of the recipe's width, depth and stem; three channels to one."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        stem, widths = recipe.stem, [recipe.width << step for step in range(recipe.depth + 1)]
        self.stem = nn.Conv2d(3, widths[0], 2 * stem, stem, padding=stem // 2) if stem > 1 else nn.Identity()
        before = widths[0] if stem > 1 else 3
        self.down = nn.ModuleList(
            Block(first, second) for first, second in zip([before, *widths[:-1]], widths, strict=True)
        )
        self.doubled = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in widths[:-1])
        self.up = nn.ModuleList(Block(2 * width, width) for width in widths[:-1])
        if stem > 1:
            self.answer = nn.ConvTranspose2d(widths[0], 1, 2 * stem, stem, padding=stem // 2)
        else:
            self.answer = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x, skips = self.stem(x), []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.down[-1](x)
        for step in reversed(range(len(skips))):
            x = self.up[step](torch.cat([self.doubled[step](x), skips[step]], dim=1))
        return self.answer(x)
