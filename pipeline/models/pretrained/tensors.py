"""A file of PyTorch, in any of its forms, as a table of tensors."""

from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.models.pretrained import pytorch, safetensors
from pipeline.models.pretrained.stored import NotTensors, Stored


def read(path: Path) -> dict[str, Stored]:
    """Name -> tensor, whose numbers are not read yet. Raises UserError for a file that is none of tensors."""
    form = safetensors if path.suffix == ".safetensors" else pytorch
    try:
        return form.read(path)
    except NotTensors as error:
        raise _refused(path, error) from error
    except OSError as error:
        raise UserError(f"--weights {path} cannot be read: {error.strerror or error}") from error


def numbers(path: Path, tensor: Stored) -> np.ndarray:
    """Of a tensor of this file, float32. Raises UserError where they cannot be had, or are not finite."""
    try:
        return tensor.read(path)
    except NotTensors as error:
        raise _refused(path, error) from error
    except OSError as error:
        raise UserError(f"--weights {path} cannot be read: {error.strerror or error}") from error


def _refused(path: Path, why: NotTensors) -> UserError:
    return UserError(
        f"--weights {path} holds no tensors that are read here: {why}; give a state_dict of torch.save, or safetensors"
    )
