"""Variants of a recipe from words, and what is no variant."""

import pytest

from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs import variants


def changed(word: str, base: Recipe | None = None) -> dict:
    """The fields that a word changes."""
    base = base or Recipe()
    (variant,) = variants.parse((word,), base)
    return {name: value for name, value in vars(variant.recipe).items() if value != getattr(base, name)}


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("width=24", {"width": 24}),
        ("late_loss=lovasz,late_share=0.5", {"late_loss": "lovasz", "late_share": 0.5}),
        ("late-loss=bce+lovasz", {"late_loss": "bce+lovasz"}),
        ("learning-rate=1", {"learning_rate": 1.0}),
        ("tta=off,flip=False", {"tta": False, "flip": False}),
        ("seed=1", {"seed": 1}),
    ],
)
def test_a_word_is_fields_and_values_of_their_types(word, fields):
    assert changed(word) == fields
    assert {name: type(value) for name, value in changed(word).items()} == {k: type(v) for k, v in fields.items()}


def test_a_blank_value_switches_off_and_a_switch_on_is_on():
    assert changed("late_loss=,tta=ON", Recipe(late_loss="dice", tta=False)) == {"late_loss": "", "tta": True}


def test_a_file_of_weights_gets_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert changed("encoder=resnet50,weights=./x.h5")["weights"] == str(tmp_path / "x.h5")


def test_variants_keep_their_order_and_their_words():
    found = variants.parse(("width=24", "seed=1", "late-loss=dice"), Recipe(epochs=3))
    assert [variant.label for variant in found] == ["width=24", "seed=1", "late-loss=dice"]
    assert all(variant.recipe.epochs == 3 for variant in found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["wdth=24"], "'wdth' is no recipe field"),
        (["width"], "'width' is not field=value"),
        (["width=24,"], "'' is not field=value"),
        (["width=many"], "'many' is not of type int"),
        (["width=2.5"], "'2.5' is not of type int"),
        (["tta=maybe"], "'maybe' is neither true (on) nor false (off)"),
        (["width=0"], "--width is 0; it must be from 1 to 1024"),
        (["folds=4"], "with other folds other images are held out"),
        (["trained_folds=1"], "with other trained_folds other images are held out"),
        (["width=24,width=25"], "gives width twice"),
        (["width=32"], "changes nothing"),
        (["seed=1", "seed=1"], "is the same recipe as seed=1"),
        (["late_loss=dice,width=24", "width=24,late-loss=dice"], "is the same recipe as late_loss=dice,width=24"),
    ],
)
def test_a_word_that_is_no_variant_is_refused_naming_it(words, says):
    with pytest.raises(UserError) as found:
        variants.parse(tuple(words), Recipe())
    assert str(found.value).startswith(f"--fields {words[-1]}") and says in str(found.value)
    assert len(str(found.value).splitlines()) == 1
