"""A family of networks as PyTorch has them: how an encoder of it sees a picture, and begins with a file of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from pipeline.errors import UserError
from pipeline.models.pretrained import tensors

# of the pictures of ImageNet, as torchvision's and nearly all of timm's networks know them
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# what stands before the names where the network is a part of a larger one
INSIDE = ("", "module.", "encoder.", "model.", "backbone.", "model.encoder.")


@dataclass(frozen=True)
class Form:
    """Attributes:
    build: encoder, channels of what enters -> (a Keras input, stride -> the last features at that stride). Its layers
        that have weights are called as the tensors of the first naming.
    namings: encoder -> for each publisher the layers in their order, all lists of one length.
    left_out: how the names of layers begin that come behind the features: those of the classifier.
    mean, deviation: of each colour, by which the network's pictures are normalised.
    """

    build: Callable
    namings: Callable
    left_out: tuple[str, ...]
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION

    def features(self, image, encoder: str, strides: tuple[int, ...]) -> dict:
        """Stride -> features of an image B x H x W x C in 0..1, any C, by a model named `encoder`."""
        seen = self._normalised(image)
        found = self._network(encoder, seen.shape[-1], strides)(seen)
        return {int(stride): tensor for stride, tensor in found.items()}

    def start(self, network: keras.Model, encoder: str, path: Path) -> None:
        """Gives the model named `encoder` of a network the weights of a file. Raises UserError, with the network
        untouched, where the file is of something else."""
        within, channels = network.get_layer("encoder"), network.input.shape[-1]
        whole = self._network(encoder, within.input.shape[-1], None)
        file = _File(path, encoder, self.namings(encoder), self.left_out)
        for name, (theirs, parts) in file.layers(whole).items():
            layer = whole.get_layer(name)
            values = [file.numbers(theirs, part, turn) for part, turn in parts.items()]
            if name == file.first:
                values[0] = self._first(values[0], channels)
            layer.set_weights(values)
        kept = keras.Model(whole.input, {name: whole.output[name] for name in within.output})
        within.set_weights(kept.get_weights())

    def _network(self, encoder: str, entering: int, strides: tuple[int, ...] | None) -> keras.Model:
        """With the outputs at these strides, all with None; their keys are text."""
        image, found = self.build(encoder, entering)
        kept = {str(stride): tensor for stride, tensor in found.items() if strides is None or stride in strides}
        return keras.Model(image, kept, name="encoder")

    def _normalised(self, image):
        """What enters, in float32.

        Three channels are normalised as colours. Of any other count each is normalised as grey; where the colours
        differ in that, a channel of ones lies behind: with it `_first` is exact at the edges, too, where padding is 0
        in each colour's own units.
        """
        if image.shape[-1] == 3:
            return (image - np.float32(self.mean)) / np.float32(self.deviation)
        grey = (image - float(np.mean(self.mean))) / float(np.mean(self.deviation))
        return grey if self._is_one_scale() else ops.concatenate([grey, ops.ones_like(grey[..., :1])], axis=-1)

    def _is_one_scale(self) -> bool:
        return len(set(self.mean)) == len(set(self.deviation)) == 1

    def _first(self, kernel: np.ndarray, channels: int) -> np.ndarray:
        """The first kernel, h x w x 3 x O, for an image of so many channels, as `_normalised` brings it.

        Summed over the colours, it sees in one channel what it would see in three copies of it. Of several channels
        each has its share of the sum: at first the network sees their mean, and learns what each is for.
        """
        if channels == 3:
            return kernel
        mean, deviation = np.array(self.mean), np.array(self.deviation)
        grey = np.einsum("hwco,c->hwo", kernel, deviation.mean() / deviation)[:, :, None] / channels
        ones = np.einsum("hwco,c->hwo", kernel, (mean.mean() - mean) / deviation)[:, :, None]
        return np.concatenate([grey] * channels + ([] if self._is_one_scale() else [ones]), axis=2)


# PyTorch has kernels as outputs x inputs x height x width, Keras as height x width x inputs x outputs
_KERNEL, _DEPTHWISE, _AS_IT_IS = (2, 3, 1, 0), (2, 3, 0, 1), (0,)


def _parts(layer) -> dict[str, tuple[int, ...]]:
    """How PyTorch calls the weights of a layer, in Keras's order, and how their axes are to be turned."""
    if isinstance(layer, layers.BatchNormalization):
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), _AS_IT_IS)
    kernel = {"weight": _DEPTHWISE if isinstance(layer, layers.DepthwiseConv2D) else _KERNEL}
    return {**kernel, "bias": _AS_IT_IS} if layer.use_bias else kernel


class _File:
    """A file of weights, and which of its layers are whose.

    Args: namings, left_out: of a Form. Raises UserError where no naming is that of the file.
    """

    def __init__(self, path: Path, encoder: str, namings: list[list[str]], left_out: tuple[str, ...]):
        self.path, self.encoder, self.left_out = path, encoder, left_out
        self.found = tensors.read(path)
        self.first, known = namings[0][0], [(inside, naming) for naming in namings for inside in INSIDE]
        fitting = [(inside, naming) for inside, naming in known if f"{inside}{naming[0]}.weight" in self.found]
        if not fitting:
            called = " or ".join(dict.fromkeys(naming[0] for naming in namings))
            raise self._refused(f"its first layer is {_layer(next(iter(self.found)))}, not {called}")
        self.inside, naming = fitting[0]
        self.theirs = dict(zip(namings[0], naming, strict=True))

    def layers(self, whole: keras.Model) -> dict[str, tuple[str, dict]]:
        """Of each layer of ours that has weights: the name of the file's, and its parts. Raises UserError unless each
        has its twin and nothing is left but a classifier."""
        found = {name: (theirs, _parts(whole.get_layer(name))) for name, theirs in self.theirs.items()}
        for name, (theirs, parts) in found.items():
            shapes = [tuple(variable.shape) for variable in whole.get_layer(name).weights]
            for (part, turn), shape in zip(parts.items(), shapes, strict=True):
                # our first kernel may be of other channels
                wanted = (*shape[:2], 3, shape[3]) if name == self.first and part == "weight" else shape
                self._compare(f"{theirs}.{part}", tuple(wanted[turn.index(axis)] for axis in range(len(turn))))
        twins = {f"{self.inside}{theirs}.{part}" for theirs, parts in found.values() for part in parts}
        for name in self.found:
            if name.startswith(self.inside) and name not in twins and not self._is_left_out(name):
                raise self._refused(f"its {name.removeprefix(self.inside)} is no part of that")
        return found

    def numbers(self, layer: str, part: str, turn: tuple[int, ...]) -> np.ndarray:
        return tensors.numbers(self.path, self.found[f"{self.inside}{layer}.{part}"]).transpose(turn)

    def _compare(self, name: str, shape: tuple[int, ...]) -> None:
        tensor = self.found.get(self.inside + name)
        if tensor is None:
            raise self._refused(f"it has no {name}")
        if tensor.shape != shape:
            raise self._refused(f"its {name} is {_by(tensor.shape)}, not {_by(shape)}")

    def _is_left_out(self, name: str) -> bool:
        bare = name.removeprefix(self.inside)
        return bare.endswith(".num_batches_tracked") or f"{bare}.".startswith(tuple(f"{n}." for n in self.left_out))

    def _refused(self, why: str) -> UserError:
        return UserError(
            f"--weights {self.path} holds no weights of {self.encoder}: {why}; give a file of this encoder"
        )


def _layer(name: str) -> str:
    return name.rpartition(".")[0] or name


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"
