"""What TensorFlow reads from the environment when it is loaded."""

import platform

import pytest

from pipeline.training import backend


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
