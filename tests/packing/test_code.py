"""The project's files, copied: all that runs, nothing else."""

import subprocess
import sys

from pipeline import source
from pipeline.packing import code
from tests.start import ROOT, environment


def test_all_that_git_keeps_of_the_package_is_copied_and_nothing_else(tmp_path):
    copied = {path.as_posix() for path in code.copy_into(tmp_path)}
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {path for path in source.PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert copied == there == {path.relative_to(ROOT).as_posix() for path in wanted}
    assert {"pipeline/__main__.py", "pipeline/reporting/shared/page.css"} <= copied


def test_the_copy_starts_where_nothing_else_is(tmp_path):
    code.copy_into(tmp_path)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pipeline", "--help"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "competitions:" in done.stdout
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_fingerprint_is_of_the_content(tmp_path, monkeypatch):
    before = code.fingerprint()
    code.copy_into(tmp_path)
    monkeypatch.setattr(source, "PACKAGE", tmp_path / "pipeline")
    assert code.fingerprint() == before
    (tmp_path / "pipeline" / "recipe.py").write_text("epochs = 3\n")
    assert code.fingerprint() != before
    (tmp_path / "pipeline" / ".notes.txt").write_text("hidden")
    (tmp_path / "pipeline" / "recipe.part-12-0a1b2c.py").write_text("half")
    assert not {".notes.txt", "recipe.part-12-0a1b2c.py"} & {path.name for path in code.files()}
