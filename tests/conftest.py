"""What several test files use."""

import importlib.util
import shutil

import pytest

from tests.start import ROOT, run

if importlib.util.find_spec("hypothesis"):
    from hypothesis import settings

    # a busy machine is no failure
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A root with the demo drawn, prepared and split into three folds: made once, copied by whoever writes."""
    root = tmp_path_factory.mktemp("drawn")
    run("demo", "split", "--folds", "3", root=root)
    return root


@pytest.fixture
def demo_root(drawn, tmp_path):
    """A copy of `drawn` of one's own."""
    root = tmp_path / "root"
    shutil.copytree(drawn, root)
    return root


@pytest.fixture(scope="session")
def real_data():
    """The folder of real competition files beside the checkout, or a skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real competition files beside the checkout (../shared/data)")
    return folder
