"""What several test files use."""

import contextlib
import copy
import importlib.util
import io
import shutil

import numpy as np
import pytest

from pipeline.stages import tune
from pipeline.training import backend
from tests import made_runs, packed_runs
from tests.start import ROOT, run

# test files load Keras before anything chooses its backend
backend.settle()

if importlib.util.find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    # a busy machine is no failure, and what passed once passes again; test_fuzz.py is for fresh examples
    settings.register_profile(
        "unhurried", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def same_numbers(request):
    """A generator of a test file gives each of its tests the same numbers, whatever ran before it, and where."""
    for value in vars(request.module).values():
        if isinstance(value, np.random.Generator):
            start = _STARTS.setdefault(id(value), (value, copy.deepcopy(value.bit_generator.state)))[1]
            value.bit_generator.state = start


_STARTS = {}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A root with the demo drawn, prepared and split into three folds: made once, copied by whoever writes."""
    root = tmp_path_factory.mktemp("drawn")
    run("demo", "split", "--folds", "3", root=root)
    return root


@pytest.fixture(scope="session")
def packed_root(drawn, tmp_path_factory):
    """A root with the run `plain` of `packed_runs`: submitted and packed; made once, copied by whoever writes."""
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(drawn, root)
    packed_runs.make(root)
    run("demo", "submit", "--run", packed_runs.RUN, root=root)
    run("demo", "pack", "--run", packed_runs.RUN, root=root)
    return root


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """Nobody is logged in to Kaggle: what has to be drawn is drawn."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def demo_root(drawn, tmp_path):
    """A copy of `drawn` of one's own."""
    root = tmp_path / "root"
    shutil.copytree(drawn, root)
    return root


@pytest.fixture(scope="session")
def desk(drawn, tmp_path_factory):
    """A root with runs of the demo: `good`, `better`, `poor` (tuned, three folds), `part` (tuned, of fold 0 alone),
    `untuned`, `bare` (a recipe alone), `odd` (a recipe that is none); made once, copied by whoever writes."""
    root = tmp_path_factory.mktemp("desk") / "root"
    shutil.copytree(drawn, root)
    for name, miss, fields in (
        ("good", 0.3, {}),
        ("better", 0.15, {"width": 24}),
        ("poor", 0.8, {"width": 8, "late_loss": "lovasz"}),
        ("part", 0.3, {}),
        ("untuned", 0.3, {"seed": 1}),
    ):
        job = made_runs.job_of(root, name, **fields)
        made_runs.save_recipe(job)
        made_runs.hold_out(job, folds=[0] if name == "part" else range(3), miss=miss, seed=len(name))
        if name != "untuned":
            with contextlib.redirect_stdout(io.StringIO()):
                tune.run(job)
    made_runs.save_recipe(made_runs.job_of(root, "bare"))
    (root / "runs" / "demo" / "odd").mkdir()
    (root / "runs" / "demo" / "odd" / "recipe.json").write_text("{")
    return root


@pytest.fixture
def desk_root(desk, tmp_path):
    """A copy of `desk` of one's own."""
    root = tmp_path / "root"
    shutil.copytree(desk, root)
    return root


@pytest.fixture(scope="session")
def real_data():
    """The folder of real competition files beside the checkout, or a skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real competition files beside the checkout (../shared/data)")
    return folder
