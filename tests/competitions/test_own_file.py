"""A competition's file of one's own that cannot be imported: a line that names it."""

import shutil
import subprocess
import sys

import pytest

from tests.start import ROOT, environment


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package, to which a file is added."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys\nsys.exit(3)\n", ", line 2: SystemExit: 3"),
        ("exit()\n", ", line 1: SystemExit"),
        ("competition = None\n", " wants a competition = Competition(…) at its end, and has none"),
        ("x = 1\n", " wants a competition = Competition(…) at its end, and has none"),
        ("competition = 'tgs'\n", " wants a competition = Competition(…) at its end, and has one of the type str"),
        ("import os\nimport nowhere.to_be\n", ", line 2 imports 'nowhere', which this Python lacks: "),
        ("import os\nimport pipeline.nothing\n", ", line 2 imports 'pipeline.nothing', which is no file of ours; "),
        ("class Own(BaseException):\n    pass\n\n\nraise Own('so')\n", ", line 5: Own: so"),
        ("from pipeline.raw import nothing\n", ", line 1: ImportError: cannot import name 'nothing'"),
        ("def f(:\n", ", line 1: SyntaxError: "),
        ("x = 1 / 0\n", ", line 1: ZeroDivisionError: division by zero"),
        ("open('/nowhere')\n", ", line 1: FileNotFoundError: "),
        ("x = 'a\0b'\n", ": "),
    ],
)
def test_a_file_that_cannot_be_imported_is_a_line_with_its_name(copy, text, says):
    (copy / "pipeline" / "competitions" / "broken.py").write_text(text)
    command = [sys.executable, "-P", "-m", "pipeline", "broken", "prepare", "--root", str(copy)]
    surroundings = environment(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, cwd=copy, env=surroundings, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: pipeline/competitions/broken.py{says}")
