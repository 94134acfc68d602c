"""What a finished run was scored by: today's runs stay true, and what is added counts where it is used."""

import functools
import importlib
import linecache
import sys
from dataclasses import dataclass, replace

import pytest

from pipeline.command import names
from pipeline.imaging.f_beta import f2
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.imaging.object_counts import ObjectCountMetric, object_f2
from pipeline.imaging.official import OfficialMetric, Part, by_group
from pipeline.imaging.unit_measures import DICE_AND_HAUSDORFF, dice_of_slices
from pipeline.runs import scored_by
from pipeline.tasks.binary import Binary

# Finished runs have recorded these. Whoever changes on purpose how one of them is decoded or scored changes its value,
# and says in the log that its thresholds are searched again.
RECORDED = {
    "camvid": "54acc69e552dff33",
    "demo": "12fac3fe977ee625",
    "dsb2018": "415c2663bec9744f",
    "isbi2012": "d2ff545c13c6946b",
    "lgg": "177a7cd302e51a67",
    "nerve": "7fe583c1b955d9fc",
    "organs": "af410e98f15f51d2",
    "tgs": "12fac3fe977ee625",
}
ADDED = '''"""Added later."""

from pipeline.imaging.metrics import iou
from pipeline.imaging import {other}


def added(intersection, predicted, truth):
    """Added."""
    return iou(intersection, predicted, truth)
'''


@pytest.mark.parametrize("name", RECORDED)
def test_what_runs_have_recorded_is_what_is_asked_for_today(name):
    assert scored_by.fingerprint(names.competition(name)) == RECORDED[name]


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A copy of the rooms' texts, to which files can be added that are imported from there."""
    for folder in scored_by.ROOMS:
        (tmp_path / "pipeline" / folder).mkdir(parents=True)
        for path in (scored_by.PACKAGE / folder).glob("*.py"):
            (tmp_path / "pipeline" / folder / path.name).write_text(path.read_text())
        package = importlib.import_module(f"pipeline.{folder}")
        monkeypatch.setattr(package, "__path__", [str(tmp_path / "pipeline" / folder), *package.__path__])
    monkeypatch.setattr(scored_by, "PACKAGE", tmp_path / "pipeline")
    yield tmp_path / "pipeline"
    for name in [name for name in sys.modules if name.rpartition(".")[2].startswith("added_")]:
        del sys.modules[name]


def test_a_file_that_is_added_counts_where_it_is_used_alone(room):
    chosen = names.competition("tgs")
    (room / "imaging" / "added_later.py").write_text(ADDED.format(other="added_below"))
    (room / "imaging" / "added_below.py").write_text('"""Below."""\n')
    (room / "tasks" / "added_task.py").write_text('"""Another task."""\n')
    assert scored_by.fingerprint(chosen) == RECORDED["tgs"]
    module = importlib.import_module("pipeline.imaging.added_later")
    mine = replace(chosen, metric=CountMetric("mine", module.added))
    held = replace(chosen, metric=CountMetric("mine", lambda *counts: module.added(*counts)))
    before = scored_by.fingerprint(mine), scored_by.fingerprint(held)
    # its own text, and that of what it imports
    for name in ("added_later", "added_below"):
        path = room / "imaging" / f"{name}.py"
        path.write_text(path.read_text() + "# another line\n")
        after = scored_by.fingerprint(mine), scored_by.fingerprint(held)
        assert before[0] != after[0]
        before = after
    assert scored_by.fingerprint(chosen) == RECORDED["tgs"]


def test_the_file_of_a_task_counts_for_its_competitions(room):
    (room / "tasks" / "added_kind.py").write_text(
        '"""A kind."""\nfrom dataclasses import dataclass\nfrom pipeline.tasks.binary import Binary\n\n\n'
        "@dataclass(frozen=True)\nclass Kind(Binary):\n    pass\n"
    )
    module = importlib.import_module("pipeline.tasks.added_kind")
    mine = replace(names.competition("tgs"), task=module.Kind(("salt",)))
    before = scored_by.fingerprint(mine)
    path = room / "tasks" / "added_kind.py"
    path.write_text(path.read_text() + "# another line\n")
    assert scored_by.fingerprint(mine) != before


def test_each_number_and_function_of_a_metric_counts():
    chosen = names.competition("dsb2018")
    metrics = [
        ObjectCountMetric("m"),
        ObjectCountMetric("m", object_f2),
        ObjectCountMetric("m", object_f2, thresholds=(0.6,)),
        ObjectCountMetric("m", object_f2, thresholds=(0.65,)),
    ]
    found = {scored_by.fingerprint(replace(chosen, metric=metric)) for metric in metrics}
    assert len(found) == len(metrics)
    assert scored_by.fingerprint(replace(chosen, metric=metrics[2])) in found


def test_so_does_an_official_metric():
    chosen = names.competition("organs")
    officials = [
        None,
        OfficialMetric("m", DICE_AND_HAUSDORFF),
        OfficialMetric("m", DICE_AND_HAUSDORFF, unit_of=by_group),
        OfficialMetric("m", DICE_AND_HAUSDORFF, classes=("stomach",)),
        OfficialMetric("m", DICE_AND_HAUSDORFF, unit_of=lambda name, group: name[:3]),
        OfficialMetric("m", [Part("Dice", 0.4, dice_of_slices), DICE_AND_HAUSDORFF[1]]),
        OfficialMetric("m", [Part("Dice of slices", 0.5, dice_of_slices), DICE_AND_HAUSDORFF[1]]),
    ]
    assert len({scored_by.fingerprint(replace(chosen, official=one)) for one in officials}) == len(officials)


OWN = """SMALLEST = {smallest}
UNUSED = {unused}


def kept(labels):
    return labels * (labels.sum() >= SMALLEST)


def clean(labels, row):
    return kept(labels)
"""


def test_a_postprocess_counts_with_what_of_its_file_it_uses(tmp_path):
    chosen = names.competition("tgs")

    def fingerprint(**values):
        path = tmp_path / "own.py"
        path.write_text(OWN.format(**values))
        space = {"__name__": "own"}
        exec(compile(path.read_text(), path, "exec"), space)
        linecache.checkcache()
        return scored_by.fingerprint(replace(chosen, postprocess=space["clean"]))

    first = fingerprint(smallest=30, unused=1)
    assert first not in (RECORDED["tgs"], fingerprint(smallest=31, unused=1))
    assert first == fingerprint(smallest=30, unused=2)
    parts = [functools.partial(without_small, smallest=size) for size in (3, 4, 4)]
    found = [scored_by.fingerprint(replace(chosen, postprocess=one)) for one in parts]
    assert found[0] != found[1] == found[2]


def without_small(labels, row, smallest):
    return labels * (labels.sum() >= smallest)


def test_of_a_function_elsewhere_what_it_names_counts(monkeypatch):
    chosen = replace(names.competition("tgs"), metric=CountMetric("mine", lambda *counts: f2(*counts)))
    assert scored_by.PACKAGE / "imaging" / "f_beta.py" in scored_by._added(chosen)
    plain = replace(chosen, metric=CountMetric("mine", lambda *counts: dice(*counts)))
    assert scored_by._added(plain) == []


def test_a_task_of_a_competitions_own_is_none_of_the_rooms():
    @dataclass(frozen=True)
    class Mine(Binary):
        pass

    assert scored_by._added(replace(names.competition("tgs"), task=Mine(("salt",)))) == []
