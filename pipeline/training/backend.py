"""Which backend Keras uses, and what a fold was trained with. Imports Keras only when asked what it is."""

import hashlib
import importlib.util
import os
from pathlib import Path

from pipeline.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")


def choose() -> None:
    """Chooses TensorFlow unless KERAS_BACKEND says otherwise, or another backend is all there is.

    Raises UserError when Keras or a backend is missing.
    """
    if importlib.util.find_spec("keras") is None:
        raise UserError("Keras is not installed for this Python; pip install -r requirements.txt")
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen is None:
        chosen = next((name for name in BACKENDS if importlib.util.find_spec(name)), None)
        if chosen is None:
            raise UserError("none of tensorflow, jax and torch is installed; pip install tensorflow")
        os.environ["KERAS_BACKEND"] = chosen
    if chosen not in BACKENDS:
        raise UserError(f"KERAS_BACKEND is '{chosen}'; known are: {', '.join(BACKENDS)}")
    if importlib.util.find_spec(chosen) is None:
        raise UserError(f"KERAS_BACKEND is '{chosen}', which is not installed; pip install {chosen}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def environment() -> dict:
    """What a fold was trained with: versions, hardware, and the code that made it."""
    import platform
    from importlib import metadata

    import keras

    from pipeline.training import hardware

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": metadata.version(backend),
        "hardware": hardware.described(),
        "code": code_fingerprints(),
    }


def code_fingerprints() -> dict[str, str]:
    """Of the files that decide what a training gives."""
    package = Path(__file__).parents[1]
    files = sorted([*(package / "models").glob("*.py"), *(package / "training").glob("*.py")])
    return {
        path.relative_to(package.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }
