"""What TensorFlow reads from the environment when it is loaded."""

import platform
import subprocess
import sys

import pytest

from pipeline.training import backend
from tests.start import ROOT, environment

ASKED = """
from pipeline.training import backend
backend.choose()
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not a processor of Intel's kind")
@pytest.mark.parametrize(("asked", "is_used"), [({}, "True"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "False")])
def test_onednn_is_used_on_every_processor_unless_somebody_says_otherwise(asked, is_used):
    pytest.importorskip("tensorflow")
    known = {name: value for name, value in environment().items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], cwd=ROOT, env={**known, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == is_used


@pytest.mark.parametrize(("machine", "asked"), [("x86_64", "1"), ("AMD64", "1"), ("aarch64", None), ("arm64", None)])
def test_onednn_is_asked_for_on_processors_of_intels_kind(monkeypatch, machine, asked):
    environment = {}
    monkeypatch.setattr(backend.os, "environ", environment)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    backend.settle()
    assert environment.get("TF_ENABLE_ONEDNN_OPTS") == asked and environment["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_what_somebody_has_said_stays(monkeypatch):
    said = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "0"}
    monkeypatch.setattr(backend.os, "environ", dict(said))
    backend.settle()
    assert backend.os.environ == said
