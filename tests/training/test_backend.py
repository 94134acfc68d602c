"""What is settled before Keras is loaded."""

import platform
import subprocess
import sys

import pytest

from tests.start import ROOT, environment

pytestmark = pytest.mark.slow
pytest.importorskip("tensorflow")

ASKED = """
from pipeline.training import backend
backend.choose()
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not a processor of Intel's kind")
@pytest.mark.parametrize(("asked", "is_used"), [({}, "True"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "False")])
def test_onednn_is_used_on_every_processor_unless_somebody_says_otherwise(asked, is_used):
    known = {name: value for name, value in environment().items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], cwd=ROOT, env={**known, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == is_used
