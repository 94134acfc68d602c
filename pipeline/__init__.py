"""From a competition's raw files to a validated submission.

From a notebook, on arrays and without files: `pipeline.encode`, `decode`, `score`, `tune`, `check` (see
docs/how-to/from-a-notebook.md). They are loaded when they are asked for.
"""

import importlib

_OF_THE_NOTEBOOK = ("check", "decode", "encode", "score", "tune")


def __getattr__(name: str):
    if name in _OF_THE_NOTEBOOK:
        return getattr(importlib.import_module("pipeline.notebook.functions"), name)
    raise AttributeError(f"module 'pipeline' has no attribute '{name}'; it has {', '.join(_OF_THE_NOTEBOOK)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_OF_THE_NOTEBOOK])
