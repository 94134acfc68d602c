"""The floor plan, read from the code: imports point one way, and nothing knows what it need not know."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.command import names
from tests.start import ROOT, environment

PACKAGE = ROOT / "pipeline"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
ROOMS = (
    "adoption",
    "command",
    "competitions",
    "drafting",
    "imaging",
    "inference",
    "kaggle",
    "machines",
    "models",
    "notebook",
    "packing",
    "raw",
    "rehearsal",
    "reporting",
    "runs",
    "stages",
    "store",
    "tasks",
    "tools",
    "training",
)
HALL = {"__init__", "__main__", "competition", "errors", "recipe", "source"}
# too heavy for a command that only prints a line
HEAVY = (
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "sklearn",
    "scipy",
    "skimage",
    "pandas",
    "matplotlib",
    "kaggle",
    "requests",
)


def _imports(tree: ast.AST) -> set[str]:
    """Everything imported anywhere in a file, at the top or within a function, with its full name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inside & FILES.keys()
            found |= modules
            if modules != inside:
                found.add(node.module)
    return found


def _for_type_checkers(tree: ast.AST) -> set[str]:
    """Imports that never happen while the program runs."""
    blocks = (n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return {name for block in blocks for name in _imports(ast.Module(block.body, []))}


IMPORTS = {name: _imports(tree) - _for_type_checkers(tree) for name, tree in TREES.items()}
OURS = {name: {other for other in imports if other in FILES} for name, imports in IMPORTS.items()}


def part(module: str) -> str:
    """`pipeline.stages.tune` -> `stages`; `pipeline.recipe` -> `recipe`; `pipeline` itself is blank."""
    return (module.split(".") + [""])[1]


def importers(*packages: str) -> dict[str, set[str]]:
    """module -> which of the packages outside of this one it imports."""
    found = {name: {i for i in imports if i.split(".")[0] in packages} for name, imports in IMPORTS.items()}
    return {name: imports for name, imports in found.items() if imports}


def test_the_reader_of_imports_sees_every_kind():
    code = "import keras\ndef f():\n from pipeline import recipe\n from pipeline.imaging.rle import parse\n import os"
    assert _imports(ast.parse(code)) == {"keras", "pipeline.recipe", "pipeline.imaging.rle", "os"}
    assert "pipeline.training.fit" in OURS["pipeline.training.trainer"]
    assert len(FILES) > 40


def test_every_room_is_on_the_floor_plan_and_the_hall_is_small():
    assert {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))} == set(ROOMS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == HALL


def test_no_file_is_called_as_its_room_is():
    """`store/flat.py`, not `store/store_flat.py`: a name says what the room does not say already."""
    for path in FILES.values():
        room = path.parent.name
        assert room in ("pipeline", "__init__") or not path.stem.startswith((f"{room}_", f"{room.rstrip('s')}_")), path


def test_rooms_of_one_kind_use_the_same_names():
    for page in ("run", "explore"):
        files = {path.name for path in (PACKAGE / "reporting" / page).iterdir()}
        assert {"page.py", "page.html", "facts.py", "sections.py", "gallery.py"} <= files


def test_there_is_no_circle():
    done: set[str] = set()

    def visit(module, way):
        assert module not in way, " -> ".join([*way, module])
        if module not in done:
            for other in sorted(OURS[module]):
                visit(other, [*way, module])
            done.add(module)

    for module in OURS:
        visit(module, [])


def test_there_is_no_circle_between_rooms():
    arrows = {}
    for module, others in OURS.items():
        arrows.setdefault(part(module), set()).update(part(other) for other in others)
    left = {room: others - {room, ""} for room, others in arrows.items()}
    while left:
        free = [room for room, others in left.items() if not others & left.keys()]
        assert free, f"each of these needs another: {left}"
        for room in free:
            del left[room]


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("errors", set()),
        ("imaging", {"imaging"}),
        ("recipe", {"errors"}),
        ("store", {"store", "imaging", "errors"}),
        ("source", {"errors"}),
        ("models", {"models", "imaging", "recipe", "errors", "source"}),
        ("tasks", {"tasks", "imaging", "errors"}),
        ("competition", {"errors", "imaging", "recipe", "store", "tasks"}),
        ("raw", {"raw", "competition", "errors", "imaging", "source", "store", "tasks"}),
        ("kaggle", {"kaggle", "errors", "store"}),
        ("adoption", {"adoption", "errors", "imaging", "raw", "store", "tasks"}),
        ("drafting", {"drafting", "competition", "errors", "imaging", "raw", "store"}),
    ],
)
def test_the_ground_floor_imports_only_what_lies_below_it(folder, allowed):
    for module, others in OURS.items():
        if part(module) == folder:
            assert {part(other) for other in others} <= allowed, module


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("training", {"machines", "stages", "tools", "competitions", "runs", "reporting", "raw"}),
        ("machines", {"stages", "tools", "competitions", "command", "models", "reporting", "raw", "kaggle"}),
        ("runs", {"machines", "stages", "tools", "competitions", "reporting", "kaggle"}),
        ("reporting", {"stages", "tools", "competitions", "models"}),
        ("competitions", {"stages", "tools", "runs", "training", "models", "reporting"}),
        ("stages", {"stages", "tools", "competitions", "models"}),
    ],
)
def test_the_upper_floors_do_not_import_what_lies_beside_or_above_them(folder, forbidden):
    for module, others in OURS.items():
        if part(module) == folder:
            assert not {part(other) for other in others} & forbidden, module


def test_stages_are_started_by_the_command_line_and_the_tools_alone():
    users = {part(module) for module, others in OURS.items() if any(part(other) == "stages" for other in others)}
    assert users <= {"tools", "command"}


def test_tools_and_the_command_line_are_imported_by_nobody():
    for module, others in OURS.items():
        allowed = {"tools"} if part(module) == "tools" else set()
        assert not ({part(other) for other in others} & {"tools", "__main__"}) - allowed, module


def test_one_file_imports_tensorflow_within_functions():
    only = "pipeline.models.on_tensorflow"
    assert set(importers("tensorflow", "tensorflow_io", "tf_keras", "jax", "torch")) == {only}
    body = TREES[only].body
    at_the_top = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not [name for name in _imports(ast.Module(at_the_top, [])) if name.startswith("tensorflow")]


def test_only_models_and_training_import_keras():
    assert {part(module) for module in importers("keras", "keras_hub")} <= {"models", "training"}
    assert importers("keras")


def test_only_kaggle_site_talks_to_kaggle():
    assert set(importers("kaggle", "kagglesdk", "kagglehub")) == {"pipeline.kaggle.site"}


def test_the_kaggle_client_is_imported_within_functions_alone():
    at_the_top = [node for node in TREES["pipeline.kaggle.site"].body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = _imports(ast.Module(at_the_top, []))
    assert not [name for name in names if name.startswith("kaggle")]


# a competition's name that is also the word for scores over two axes of a search, and a key of what is kept of it
ALSO_WORDS = {"surface": {"pipeline.tasks.candidates", "pipeline.reporting.run.sections"}}


@pytest.mark.parametrize("name", names.competitions())
def test_no_file_but_its_own_knows_a_competition_by_name(name):
    for module, tree in TREES.items():
        if module not in {f"pipeline.competitions.{name}", *ALSO_WORDS.get(name, ())}:
            strings = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value == name]
            assert not strings, f"{module}, line {strings[0].lineno}"


@pytest.mark.parametrize("name", names.competitions())
def test_a_competition_is_called_as_its_file_is(name):
    assert names.competition(name).name == name


def test_the_name_of_a_task_is_no_string_to_test():
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                words = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
                assert not words & {"binary", "multiclass", "multilabel", "instances", "volume"}, (
                    f"{module}, {node.lineno}"
                )


KINDS = ("binary", "multiclass", "multilabel", "instances", "volume")


def test_only_a_competition_names_its_kind_of_answer():
    modules = {f"pipeline.tasks.{kind}" for kind in KINDS}
    users = {part(module) for module, others in OURS.items() if others & modules}
    assert users <= {"competitions", "tasks"}
    assert {"competitions", "tasks"} <= users


def test_no_object_is_asked_what_kind_it_is():
    """`isinstance(task, …)`, `type(task) is …`: what differs is a method of the task."""
    names = {"Binary", "MultiClass", "MultiLabel", "Instances", "Volume", "CountMetric", "ObjectMetric", "Task"}
    names |= {"ObjectCountMetric", "OfficialMetric", "Part"}
    for module, tree in TREES.items():
        if part(module) == "tasks":
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Compare, ast.Match)) or (
                isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass")
            ):
                words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                assert not words & names, f"{module}, line {node.lineno}"


def test_the_stages_are_those_of_the_folder():
    files = {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"}
    assert set(names.stages()) == files


@pytest.mark.parametrize("name", names.stages())
def test_a_stage_says_what_it_reads_and_writes_and_can_be_asked_and_run(name):
    module = importlib.import_module(f"pipeline.stages.{name}")
    assert "->" in module.__doc__.splitlines()[0]
    assert callable(module.is_current) and callable(module.run)
    earlier = names.stages()[: names.stages().index(name)]
    assert isinstance(module.READS, tuple) and set(module.READS) <= set(earlier)


@pytest.mark.parametrize("name", names.tools())
def test_a_tool_has_a_line_for_the_help_and_a_run(name):
    tree = TREES[f"pipeline.tools.{name}"]
    assert ast.get_docstring(tree).splitlines()[0].strip()
    assert "run" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name not in names.stages() and name not in names.competitions()


@pytest.mark.parametrize("module", sorted(FILES))
def test_every_file_begins_with_what_it_is(module):
    assert (ast.get_docstring(TREES[module]) or "").strip()


def test_there_is_no_drawer_for_odds_and_ends():
    names = {path.stem for path in FILES.values()}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


@pytest.mark.parametrize("module", sorted(FILES))
def test_nothing_happens_at_import_but_definitions(module):
    """A call may stand there to make a value; a loop, a file or a print may not."""
    main = "__name__ == '__main__'"
    for node in TREES[module].body:
        assert not isinstance(node, (ast.For, ast.While, ast.With, ast.Try)), f"{module}, line {node.lineno}"
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"{module}, line {node.lineno}"
        if isinstance(node, ast.If):
            assert ast.unparse(node.test) in (main, "TYPE_CHECKING"), f"{module}, line {node.lineno}"


LOADED = """
import sys
{code}
heavy = sorted(name for name in {heavy!r} if name in sys.modules)
print("loaded:", *heavy, file=sys.stderr)
"""


def _loaded(code: str, heavy=HEAVY) -> tuple[set[str], str]:
    """Which of the heavy packages a fresh Python has loaded after this code, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code, heavy=heavy)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("loaded:")]
    return set(line.split()[1:]), done.stdout


AS_A_PROGRAM = """
import runpy
sys.argv = ["pipeline", *{arguments!r}]
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
"""


def test_the_check_of_what_is_loaded_can_see_something():
    assert _loaded("import scipy.ndimage")[0] == {"scipy"}


def test_the_command_line_alone_loads_nothing_heavy():
    loaded, out = _loaded("import pipeline.command.help as m; print(m.text([]))")
    assert loaded == set()
    assert "competitions:" in out


@pytest.mark.parametrize("arguments", [[], ["tgs", "--help"], ["tgs", "train", "--help"], ["--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    loaded, out = _loaded(AS_A_PROGRAM.format(arguments=arguments))
    assert loaded == set()
    assert ("examples:" if arguments in ([], ["--help"]) else "--data DIR") in out


def test_every_stage_can_be_asked_whether_it_is_current_without_loading_anything_heavy():
    stages = ", ".join(f"pipeline.stages.{name}" for name in names.stages())
    loaded, _ = _loaded(f"import {stages}, pipeline.runs.trained, pipeline.runs.tuning, pipeline.store.submission")
    assert loaded == set()


@pytest.mark.parametrize(
    "arguments", [["runs"], ["compare", "good", "nobody"], ["picks", "good"], ["ledger", "good"]], ids=" ".join
)
def test_tools_that_read_runs_load_nothing_heavy_before_they_draw(desk_root, arguments):
    given = ["demo", *arguments, "--root", str(desk_root)]
    # what is refused ends with 2
    code = AS_A_PROGRAM.format(arguments=given).replace("not end.code", "end.code in (None, 0, 2)")
    assert _loaded(code, (*HEAVY, "tqdm"))[0] == set()


def test_files_of_the_tests_are_named_after_something_in_the_pipeline_or_what_they_share():
    assert not [path.name for path in Path(__file__).parent.glob("*.py") if path.stem in ("utils", "helpers")]
