"""Networks of PyTorch made short, weights that a name decides, and what PyTorch itself saw with them.

`torch_files/seen.json` and the files beside it were written with PyTorch 2.13, torchvision 0.29 and timm 1.0: networks
of the shapes below, weights of `weight`, the picture of `picture`, in float32 on a CPU.
"""

import contextlib
import json
import zlib
from pathlib import Path
from unittest import mock

import keras
import numpy as np

from pipeline.models import encoders
from pipeline.models.encoders import inverted_residuals, resnet, vgg
from pipeline.recipe import Recipe
from tests.models.torch_files_written import FILES, write_safetensors

SEEN = json.loads((FILES / "seen.json").read_text())
# as in the papers, with one block or two in each stage
RESNETS = {"resnet18": (2, (1, 2, 1, 1)), "resnet34": (2, (1, 2, 2, 1)), "resnet50": (3, (1, 2, 1, 1))}
VGG = {"vgg16": (1, 1, 2, 1, 1)}
# which block of each stage is left
COUNTS = (1, 2, 1, 1, 1, 1, 1)


def shortened(stages):
    return tuple((*stage[:2], count, *stage[3:]) for stage, count in zip(stages, COUNTS, strict=True))


@contextlib.contextmanager
def short():
    """Inside, the encoders of PyTorch are these."""
    lite, mobile = shortened(inverted_residuals._LITE), shortened(inverted_residuals._MOBILE)
    with (
        mock.patch.object(resnet, "NETWORKS", RESNETS),
        mock.patch.object(vgg, "NETWORKS", VGG),
        mock.patch.multiple(inverted_residuals, _LITE=lite, _MOBILE=mobile),
    ):
        yield


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of a name, in PyTorch's shape, float32: about as large as keeps numbers in range."""
    numbers = np.random.default_rng(zlib.crc32(name.encode())).random(shape)
    if len(shape) > 1:
        return ((numbers - 0.5) * np.sqrt(24 / np.prod(shape[1:]))).astype("float32")
    if name.endswith(("running_var", ".weight")):
        return (0.5 + numbers).astype("float32")
    return ((numbers - 0.5) / 3).astype("float32")


def picture(channels: int = 3) -> np.ndarray:
    """1 x 64 x 96 x channels in 0..1, smooth, with an edge; five channels have one channel, which is grey, as mean."""
    y, x = np.mgrid[:64, :96] / 64
    grey = 0.5 + 0.3 * np.sin(5 * y + 3 * x * x) + 0.2 * (y > x)
    if channels == 3:
        return np.stack([grey, grey**2, np.roll(grey, 9, 1)], -1)[None].clip(0, 1).astype("float32")
    apart = np.linspace(-0.1, 0.1, channels) if channels > 1 else np.zeros(1)
    return (grey[..., None] + apart)[None].astype("float32")


def places(height: int, width: int, channels: int) -> list[tuple[int, int, int]]:
    """Where features are looked at: corners, edges, the middle."""
    ys, xs = (0, height // 2, height - 1), (0, width // 2, width - 1)
    return [(y, x, (7 * i) % channels) for i, (y, x) in enumerate((y, x) for y in ys for x in xs)]


def looked_at(features: np.ndarray) -> list[float]:
    """Of 1 x h x w x C features."""
    return [float(features[0][place]) for place in places(*features.shape[1:])]


def network(encoder: str, weights, channels: int = 3, strides=encoders.STRIDES) -> keras.Model:
    """Its answers are the encoder's features, by stride, before it is given its weights."""
    image = keras.Input((None, None, channels))
    found = encoders.features(image, Recipe(encoder=encoder, weights=str(weights)), strides)
    return keras.Model(image, {str(stride): tensor for stride, tensor in found.items()})


def begun(encoder: str, weights, channels: int = 3) -> keras.Model:
    """`network` with the weights of a file."""
    found = network(encoder, weights, channels)
    encoders.start(found, Recipe(encoder=encoder, weights=str(weights)))
    return found


def file_of(case: str, folder: Path) -> Path:
    """The file of weights with which PyTorch saw what is in SEEN."""
    shapes = SEEN[case]["shapes"]
    return write_safetensors(folder / f"{case}.safetensors", {n: weight(n, tuple(s)) for n, s in shapes.items()})
