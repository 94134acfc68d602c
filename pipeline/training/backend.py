"""Which backend Keras uses, and what a fold was trained with. Imports Keras only when a stage needs it."""

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import sys
import tempfile
from pathlib import Path

from pipeline.errors import UserError, not_installed
from pipeline.store import disk

BACKENDS = ("tensorflow", "jax", "torch")
# files of training/ that do not change what is learnt
MEASURING = ("budget", "pace", "trainer", "history", "memory", "parallel", "proposals")
ENVIRONMENT = "environment.json"
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def chosen() -> str:
    """TensorFlow unless KERAS_BACKEND says otherwise, or another backend is all there is; nothing is loaded.

    Modules are looked for, whatever the package is called that brings them (tensorflow-cpu, tf-nightly). Raises
    UserError when Keras or a backend is missing.
    """
    if importlib.util.find_spec("keras") is None:
        raise UserError(f"networks need {not_installed('keras')}")
    name = os.environ.get("KERAS_BACKEND") or next((each for each in BACKENDS if importlib.util.find_spec(each)), None)
    if name is None:
        raise UserError(f"none of {', '.join(BACKENDS)} is there; networks need {not_installed(BACKENDS[0])}")
    if name not in BACKENDS:
        raise UserError(f"KERAS_BACKEND is '{name}'; known are: {', '.join(BACKENDS)}")
    if importlib.util.find_spec(name) is None:
        raise UserError(f"KERAS_BACKEND is {not_installed(name)}")
    return name


def choose() -> None:
    """Loads Keras with the chosen backend. Raises UserError when one of them is missing."""
    os.environ["KERAS_BACKEND"] = chosen()
    settle()
    # TensorFlow's Python side reports that a network sees pictures of several sizes
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _quiet_start():
        import keras  # noqa: F401


def settle() -> None:
    """What TensorFlow reads from the environment when it is loaded; what somebody has said there stays."""
    # its C++ side reports every missing GPU library as an error
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine() in ("x86_64", "AMD64"):
        # on Linux it takes oneDNN of its own accord where a processor has VNNI, bfloat16 or AMX; by AVX2 alone a step
        # takes half of the time with it, too
        os.environ.setdefault(ONEDNN, "1")


@contextlib.contextmanager
def _quiet_start():
    """Holds back what libraries print to the process's stderr while they load; shown when loading fails.

    Some of it is written before any log level is read. Python's own `sys.stderr` is not enough: it comes from C++.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def release() -> None:
    """Frees the memory of networks that are no longer used: their compiled steps and Keras's own record of them."""
    import keras

    _forget_gradients()
    keras.utils.clear_session(free_memory=True)


def _forget_gradients() -> None:
    """Takes the gradients of compiled steps out of TensorFlow's registry, where there is one.

    Keras's optimizer enters one for each training, and it keeps the whole step with its variables: TensorFlow does not
    let go of it (https://github.com/tensorflow/tensorflow/issues/97697). What was entered by name at import stays.
    """
    registry = getattr(sys.modules.get("tensorflow.python.framework.ops"), "gradient_registry", None)
    entries = getattr(registry, "_registry", {})
    for name in [name for name in entries if name.startswith("CustomGradient-")]:
        del entries[name]


def environment() -> dict:
    """What a fold was trained with: versions, hardware, and the code that made it."""
    import keras

    name = keras.backend.backend()
    version = importlib.import_module(name).__version__
    found = machine() | {"keras": keras.__version__, "backend": name, "backend_version": version}
    return found | ({"onednn": os.environ.get(ONEDNN, "")} if name == "tensorflow" else {})


def machine() -> dict:
    """The part of it that has nothing to do with Keras."""
    from pipeline.training import hardware

    return {"python": platform.python_version(), "hardware": hardware.described(), "code": code_fingerprints()}


def recorded(folder: Path) -> dict:
    """What the fold in `folder` was trained with, as `environment` said it then; empty where nothing is known.

    Raises UserError when its environment.json is not what a training wrote.
    """
    path = folder / ENVIRONMENT
    if not path.exists():
        return {}
    found = disk.read_json(path)
    parts = {"code": dict, "changed_meanwhile": list, "backend": str, "precision": str, "pretrained": str}
    wrong = [name for name, kind in parts.items() if not isinstance(found.get(name, kind()), kind)]
    texts = [] if wrong else [*found.get("code", {}).values(), *found.get("changed_meanwhile", [])]
    if wrong or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{path} is not what a training writes; delete it, or train the fold with --again")
    return found


def changed_code(folder: Path) -> list[str]:
    """The files that decide what is learnt and are not as they were when the fold in `folder` began to learn.

    Raises UserError as `recorded`.
    """
    saved, now = recorded(folder).get("code"), code_fingerprints()
    if not saved:
        return []
    # a file that is new changes nothing while no other one changed
    return sorted(name for name in saved if saved[name] != now.get(name))


def code_fingerprints() -> dict[str, str]:
    """Of the files that decide what a training gives."""
    package = Path(__file__).parents[1]
    files = [path for folder in ("models", "tasks", "training") for path in (package / folder).rglob("*.py")]
    files += [
        package / "imaging" / f"{name}.py"
        for name in ("border_weights", "flips", "otsu", "sizes", "thickness", "tiles", "tones")
    ]
    files += [package / "store" / f"{name}.py" for name in ("prepared", "scaling", "seen")]
    files = sorted(path for path in files if path.stem not in MEASURING)
    return {
        path.relative_to(package.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }
