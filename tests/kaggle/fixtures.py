"""What the tests of Kaggle share: someone without credentials, the small server, a job."""

import os
import sys
import time
from dataclasses import replace

import pytest

from pipeline.competitions.tgs import competition as tgs
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.store.paths import Store
from tests.kaggle.server import KaggleServer


@pytest.fixture
def logged_out(tmp_path, monkeypatch):
    """A person without credentials, and the client as if it was never imported."""
    for name in [name for name in os.environ if name.startswith("KAGGLE") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".kaggle").mkdir(parents=True)
    return tmp_path / "home" / ".kaggle"


@pytest.fixture
def kaggle(logged_out, monkeypatch):
    """The server, and a token that it accepts."""
    from kagglesdk import kaggle_env

    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    with KaggleServer() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
        yield server


@pytest.fixture
def no_sleep(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def job_of(tmp_path):
    """Makes a TGS job below the test's folder; fields of the competition and of the job may differ."""

    def make(data=None, again=False, message="", **changes) -> Job:
        competition, store = replace(tgs, **changes), Store(tmp_path, "tgs", "quick")
        return Job(competition, Recipe(), "quick", store, data=data, again=again, message=message)

    return make
