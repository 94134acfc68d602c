"""What is left out so that all is answered in time, and when."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.imaging.flips import SYMMETRIES
from pipeline.inference.ensemble import Ensemble, Member, Part
from pipeline.inference.shedding import Clock, Looks, plans
from pipeline.inference.spool import Spool
from pipeline.recipe import Recipe
from pipeline.training import trainer

FLIPS = SYMMETRIES["left-right"]
ALL = (Looks(FLIPS, (0.5, 2.0)), Looks(FLIPS, (0.5, 2.0)))


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_scales_go_first_then_flips_then_networks():
    found = plans(ALL)
    said = [plan.left_out for plan in found]
    assert said == [
        "",
        "scales but for 1 and 1",
        "scales but for 1",
        "scales but for 1, flips",
        "scales but for 1, flips, networks but for 1 of 2",
    ]
    # 2 networks x 2 flips x (1 + 1/4 + 4), …
    assert [plan.cost for plan in found] == [21, 5, 4, 2, 1]
    assert len(plans((Looks(FLIPS[:1], ()),))) == 1


def test_a_look_that_settles_the_size_is_never_left_out():
    assert [plan.cost for plan in plans((Looks(FLIPS, (0.5, 2.0), settling=1),))] == [11.5, 3.5, 3, 2]


def test_a_network_that_seeks_the_size_of_objects_looks_once_more(monkeypatch):
    recipes = [Recipe(object_radius=11.0), Recipe(), Recipe(object_radius=11.0, tta=False), Recipe(model="classical")]
    kind = SimpleNamespace(flips_for=lambda *_: FLIPS, scales_for=lambda _: ())
    monkeypatch.setattr(trainer, "of", lambda recipe: kind)
    members = [Member(None, recipe, "") for recipe in recipes]
    assert [one.settling for one in Ensemble(None, members, []).looks()] == [1, 0, 0, 0]


def clock(limit: float, total: int = 100) -> Clock:
    return Clock(plans(ALL), total, limit, 0.0, Time())


@pytest.mark.parametrize(("per_look", "cost"), [(0.3, 21), (0.5, 5), (1.7, 5), (2.0, 4), (4.5, 2), (8.0, 1), (50.0, 1)])
def test_the_dearest_plan_that_fits_is_taken(per_look, cost):
    # 900 s for 100 images, after what is kept free
    found = clock(limit=1000.0 / 0.95 * 0.9)
    assert found.end == pytest.approx(900, abs=1)
    found.looked(per_look, 1)
    assert bool(found.adjusted()) == (cost < 21)
    assert found.plan.cost == cost


def test_where_the_pace_worsens_more_is_left_out_and_less_again_where_there_is_room():
    found = clock(1000.0)
    found.looked(0.4, 1)
    assert found.adjusted() == ""
    found.done, found.now.now = 50, 475.0
    found.looked(4.0, 1)
    assert "scales but for 1" in found.adjusted() and found.plan.cost == 4
    # what fits by a hair is not taken up again
    found.per_look = 475 / 50 / 5 * 0.9
    assert found.adjusted() == "" and found.plan.cost == 4
    found.per_look = 475 / 50 / 5 * 0.7
    assert found.adjusted().startswith("time limit: left out are scales but for 1 and 1 (")
    found.per_look = 0.001
    assert "left out are no looks any more" in found.adjusted()


def test_what_goes_by_beside_looking_counts():
    found = clock(1000.0)
    found.looked(0.4, 1)
    found.went_by(100.0, 100)
    assert found.needed(found.plans[0]) == pytest.approx(100 * (1 + 0.4 * 21))
    assert found.adjusted() == ""
    found.went_by(400.0, 100)
    assert found.adjusted().startswith("time limit: left out are scales but for 1 and 1 (400 ms a look, 100 images")


def test_without_a_limit_nothing_is_left_out():
    found = clock(0.0)
    found.looked(1e9, 1)
    assert found.adjusted() == "" and not found.is_over()


class Flat:
    """A reader of equal answers in place of a network: `value` for each of `count` images, `step` seconds each."""

    def __init__(self, value: int, time: Time, step: float):
        self.value, self.time, self.step = value, time, step

    def __call__(self, prepared, rows, flips, scales):
        for row in rows:
            self.time.now += self.step
            answer = np.full((2, 3, 1), self.value, np.uint8)
            yield row, [(answer, answer)]


def test_images_that_a_network_does_not_reach_have_the_answer_of_the_others(tmp_path):
    competition = SimpleNamespace(task=SimpleNamespace(outputs=1))
    member = Member(tmp_path, None, "")
    ensemble = Ensemble(competition, [member, member], [[Part(0, 1)], [Part(1, 1)]])
    found = Clock(plans((Looks(FLIPS[:1], ()),) * 2), 5, 20.0, 0.0, Time())
    ensemble._loaded = {0: Flat(10, found.now, 1.0), 1: Flat(30, found.now, 2.0)}
    columns = {"id": list("abcde"), "height": np.full(5, 2), "width": np.full(5, 3)}
    bar = SimpleNamespace(update=lambda share: None)
    # all is to be done after 10 s: five images by the first, three by the second
    assert found.end == 10.0
    answers = list(ensemble.answered(SimpleNamespace(columns=columns), tmp_path, found, bar))
    assert [answer[0, 0, 0] for answer in answers] == [20, 20, 20, 10, 10]
    assert list(ensemble.answered(SimpleNamespace(columns=columns), tmp_path, found, bar)) == [None] * 5


def test_networks_are_mixed_by_their_weights_and_answers_count_alike(tmp_path):
    member = Member(tmp_path, None, "")
    answers = [[Part(0, 2), Part(1, 1)], [Part(2, 5)]]
    ensemble = Ensemble(SimpleNamespace(task=SimpleNamespace(outputs=1)), [member] * 3, answers)
    looks = (Looks(FLIPS[:1], ()),) * 3
    found = Clock(plans(looks), 1, 0.0, 0.0, Time())
    ensemble._loaded = {k: Flat(value, found.now, 0.0) for k, value in enumerate((10, 30, 40))}
    prepared = SimpleNamespace(columns={"id": ["a"], "height": np.full(1, 2), "width": np.full(1, 3)})
    bar = SimpleNamespace(update=lambda share: None)
    # (2 x 10 + 30) / 3 is 17; with 40 that is 28.5
    assert next(ensemble.answered(prepared, tmp_path, found, bar))[0, 0, 0] == 29
    # where the second is left out, its share is the first one's
    found.plans, found.at = [replace(found.plan, looks=looks[:1])], 0
    assert next(ensemble.answered(prepared, tmp_path, found, bar))[0, 0, 0] == 10


def test_a_spool_gives_back_in_any_order(tmp_path):
    texts = {f"{i}": [f"{i} 1", "ü\n"] * i for i in range(5)}
    with Spool(tmp_path / "texts") as spool:
        for name, own in texts.items():
            spool.add(name, own)
            assert spool.get("0") == []
        assert {name: spool.get(name) for name in reversed(texts)} == texts
        assert spool.get("nobody") is None
