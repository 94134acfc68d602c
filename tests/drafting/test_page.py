"""The sizes that a new competition's recipes have, from those of its images."""

import re

import pytest

from pipeline.drafting import folders
from pipeline.drafting.draft import Draft
from pipeline.drafting.page import filled_in

SQUARES, OWN = ({"size": side, "fit": "resize"} for side in (96, 256)), {"size": 0, "fit": "pad"}
QUICK_SQUARES, DEFAULT_SQUARES = SQUARES


def sizes_of(smallest, largest, longest=None) -> list[dict]:
    """What the recipes quick and default say of sizes."""
    seen = folders.unseen()
    draft = Draft(seen.kind, seen.imports, seen.read, ("seen",), smallest, largest, longest)
    found = []
    for recipe in ("QUICK", "DEFAULT"):
        body = re.search(rf"^{recipe} = {{\n(.*?)^}}", filled_in("mine", draft), re.M | re.S)[1]
        fields = dict(re.findall(r'^    "(size|fit|crop)": (.+),$', body, re.M))
        found.append({name: value.strip('"') if name == "fit" else int(value) for name, value in fields.items()})
    return found


@pytest.mark.parametrize(
    ("sizes", "quick", "default"),
    [
        # nothing seen, squares, nearly squares
        ((None, None), QUICK_SQUARES, DEFAULT_SQUARES),
        (((90, 90), (90, 90)), OWN, OWN),
        (((101, 101), (101, 101)), QUICK_SQUARES, OWN),
        (((300, 400), (600, 800)), QUICK_SQUARES, DEFAULT_SQUARES),
        (((160, 256), (160, 256)), QUICK_SQUARES, OWN),
        # long: the whole where it costs no more than the square, otherwise windows no larger than the shorter side
        (((64, 512), (64, 512)), {**OWN, "crop": 64}, OWN),
        (((512, 64), (512, 64)), {**OWN, "crop": 64}, OWN),
        (((10, 200), (10, 200)), OWN, OWN),
        (((150, 900), (150, 900)), {**OWN, "crop": 96}, {**OWN, "crop": 160}),
        (((300, 900), (300, 900)), {**OWN, "crop": 96}, {**OWN, "crop": 256}),
        # of several sizes: the smallest, the largest or another one is long
        (((64, 512), (512, 64)), {**OWN, "crop": 64}, {**OWN, "crop": 64}),
        (((30, 300), (300, 300)), {**OWN, "crop": 96}, {**OWN, "crop": 256}),
        (((40, 40), (300, 300), (50, 500)), {**OWN, "crop": 96}, {**OWN, "crop": 256}),
        # of large ones windows show little: frames of films are squares, what is very long is not
        (((1080, 1920), (1080, 1920)), QUICK_SQUARES, DEFAULT_SQUARES),
        (((720, 1280), (720, 1280)), QUICK_SQUARES, {**OWN, "crop": 256}),
        (((1100, 9000), (1100, 9000)), {**OWN, "crop": 96}, {**OWN, "crop": 256}),
    ],
    ids=str,
)
def test_images_that_are_long_are_no_squares(sizes, quick, default):
    assert sizes_of(*sizes) == [quick, default]
