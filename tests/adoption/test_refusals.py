"""What cannot be a run is refused in one line that names the way out, and nothing is written."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.adoption import turned
from pipeline.command import trial
from pipeline.errors import UserError
from pipeline.runs.adopted import job_of as job_after
from pipeline.store import disk
from pipeline.store.predictions import Predictions
from pipeline.tasks.multiclass import MultiClass
from tests.adoption.test_layouts import CLASSES, npz, share
from tests.adoption.written import adopted, drawn, held_out, parts, stack
from tests.reporting.example_runs import LAYERS, SIDE, competition, job_of, square


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return job_of(tmp_path_factory.mktemp("binary"), competition(tests=[square(4), square(0)]))


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    return job_of(tmp_path_factory.mktemp("layers"), competition(task=LAYERS, form=CLASSES))


def refused(job, folder, **options) -> str:
    """The line; nothing of the run is there."""
    with pytest.raises(UserError) as error:
        adopted(job, folder, "refused", **options)
    assert not (job.store.runs / "refused").exists()
    assert [path.name for path in job.store.runs.glob("refused*")] == []
    assert "\n" not in str(error.value)
    return str(error.value)


def whole(folder, job, predictions, ids=None, name="oof"):
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{name}.npz", predictions=predictions, ids=parts(job)["oof"] if ids is None else ids)


def shares(job, count=18):
    return stack(drawn(job), parts(job)["oof"], share)[:count]


def spoilt(job, value, dtype=np.float32):
    found = shares(job).astype(dtype)
    found[3, 5, 5] = value
    return found


VALUES = {
    "not a number": (lambda job: spoilt(job, np.nan), {}, r"NaN\) in 1 of 18 pictures, the first in .*, t14; predict"),
    "infinite": (lambda job: spoilt(job, np.inf), {"logits": True}, "infinite or no numbers"),
    "logits": (lambda job: spoilt(job, -3), {}, "Logits are read with --logits"),
    "more than one": (lambda job: shares(job) * 255, {}, "divide by 255 or save uint8"),
    "no logits": (shares, {"logits": True}, "these are probabilities; leave out --logits"),
    "whole logits": (lambda job: (shares(job) * 255).astype(np.uint8), {"logits": True}, "which are no logits"),
    "16 bits to 255": (lambda job: (shares(job) * 255).astype(np.uint16), {}, "none reaches above 255; save uint8"),
    "32 bits": (lambda job: (shares(job) * 255).astype(np.int32), {}, "uint8 to 255 or uint16 to 65535"),
    "texts": (lambda job: shares(job).astype(str), {}, "which are no numbers"),
    "another size": (
        lambda job: shares(job)[:, :20, :20],
        {},
        r"is of 20 x 20 pixels .* 24 x 24.*--fit resize or --fit pad",
    ),
    "smaller than padded": (lambda job: shares(job)[:, :20, :20], {"fit": "pad"}, "--fit pad makes nothing smaller"),
    "three channels": (
        lambda job: np.stack([shares(job)] * 3, -1),
        {},
        "24 x 24 x 3, in which no axis holds the 1 channel",
    ),
    "five axes": (lambda job: shares(job)[:, None, None, None], {}, "not H x W"),
    "one picture": (lambda job: shares(job)[0], {}, "not of many pictures"),
    "too few": (lambda job: shares(job, 17), {}, "holds 17 pictures, and there are 18 ids"),
}


@pytest.mark.parametrize("what", VALUES)
def test_values_and_shapes(job, tmp_path, what):
    make, options, says = VALUES[what]
    whole(tmp_path / "x", job, make(job))

    line = refused(job, tmp_path / "x", **options)
    assert re.search(says, line), line


def test_masks_beside_probabilities_of_whole_numbers_do_not_vanish(job, tmp_path, capsys):
    masks, ids = stack(drawn(job), parts(job)["test"]) > 127, parts(job)["test"]
    whole(tmp_path / "x", job, stack(drawn(job), parts(job)["oof"]))
    for dtype in (bool, np.int64):
        whole(tmp_path / "x", job, masks.astype(dtype), ids, "test")
        run = adopted(job, tmp_path / "x", f"beside {dtype.__name__}")
        found = Predictions(run.store.fold("all"), "test", 1)
        assert found[0].max() == 255 and "these are masks" in capsys.readouterr().out
    whole(tmp_path / "x", job, masks.astype(np.uint8), ids, "test")
    assert "holds 0 and 1 alone, and other files here reach 255: are these masks?" in refused(job, tmp_path / "x")


@pytest.mark.parametrize(("most", "dtype", "said"), [(100, np.uint8, True), (200, np.uint8, False), (1e4, "u2", True)])
def test_whole_numbers_of_little_range_are_asked_about(job, tmp_path, capsys, most, dtype, said):
    whole(tmp_path / "x", job, (shares(job) * most).astype(dtype))
    adopted(job, tmp_path / "x", f"range {most:g} {np.dtype(dtype)}")
    assert ("are these percent, or numbers of classes" in capsys.readouterr().out) == said


@pytest.mark.parametrize("odd", [lambda a: a[..., 0], lambda a: np.repeat(a, 3, 2), lambda a: a.transpose(2, 0, 1)])
def test_pictures_whose_axes_are_not_the_same_are_refused(job, tmp_path, odd):
    (tmp_path / "oof").mkdir()
    values = drawn(job)
    for name in parts(job)["oof"]:
        np.save(tmp_path / "oof" / f"{name}.npy", odd(values[name]) if name == "t07" else values[name])
    line = refused(job, tmp_path)
    assert ", t07 is an array of " in line and "and the first one there of 24 x 24 x 1" in line


@pytest.mark.parametrize("ids", ["beside", "within"])
def test_two_files_of_the_same_are_refused_for_that(job, tmp_path, ids):
    names = parts(job)["oof"]
    for name in ("oof_preds", "oof_masks"):
        if ids == "beside":
            np.save(tmp_path / f"{name}.npy", shares(job))
            np.save(tmp_path / "oof_ids.npy", names)
        else:
            whole(tmp_path, job, shares(job), name=name)
    line = refused(job, tmp_path)
    assert "several out-of-fold predictions of the same" in line and "oof_preds.np" in line
    adopted(job, tmp_path / ("oof_preds.npy" if ids == "beside" else "oof_preds.npz"), f"one of two, ids {ids}")


def test_a_stack_without_pictures_is_refused_for_that(job, tmp_path):
    whole(tmp_path, job, shares(job))
    whole(tmp_path, job, np.zeros((0, SIDE, SIDE), np.float32), ids=[], name="test")
    assert "is an array of no pictures" in refused(job, tmp_path)


def test_axes_that_may_be_two_things_want_an_option(layers, tmp_path):
    odd = np.zeros((18, 2, 24, 2), np.uint8)
    odd[:, :, 3] = 200
    whole(tmp_path / "x", layers, odd)
    line = refused(layers, tmp_path / "x")
    assert "which axis of 2 x 24 x 2 holds the channels" in line and "--channels first or --channels last" in line
    whole(tmp_path / "last", layers, np.zeros((18, SIDE, SIDE, 2), np.uint8))
    line = refused(layers, tmp_path / "last", channels="first")
    assert "the first axis of 24 x 24 x 2 does not hold the 2 channel(s) that are answered here (or 3)" in line
    # what it says is taken: the size is wrong either way
    assert "is of 24 x 2 pixels" in refused(layers, tmp_path / "x", channels="first")
    assert "is of 2 x 24 pixels" in refused(layers, tmp_path / "x", channels="last")


def test_one_channel_of_several_classes(layers, tmp_path):
    whole(tmp_path / "x", layers, np.zeros((18, SIDE, SIDE), np.float32))
    assert "holds pictures of one channel; 2 are answered here: a, b" in refused(layers, tmp_path / "x")


def test_one_channel_of_exclusive_classes_is_a_map_of_their_numbers(tmp_path):
    job = job_of(tmp_path, competition(task=MultiClass(("sky", "road", "tree")), form=CLASSES))
    maps = np.zeros((18, 1, SIDE, SIDE), np.uint8)
    maps[2:, 0, 3] = 127
    whole(tmp_path / "x", job, maps)
    assert "holds the numbers 127; the classes are 0 to 2" in refused(job, tmp_path / "x")
    whole(tmp_path / "shares", job, maps / np.float32(255))
    assert "in which no axis holds the 3 channel(s)" in refused(job, tmp_path / "shares")
    whole(tmp_path / "two", job, np.repeat(maps, 2, 1))
    assert "in which no axis holds the 3 channel(s) that are answered here (or 1)" in refused(job, tmp_path / "two")


def test_ids(job, tmp_path):
    ids = parts(job)["oof"]
    whole(tmp_path / "unknown", job, shares(job), [*ids[:-1], "zz"])
    assert "1 of 18 ids are of no such image: zz" in refused(job, tmp_path / "unknown")
    whole(tmp_path / "twice", job, shares(job), [*ids[:-1], ids[0]])
    assert f"1 id(s) are there more than once: {ids[0]}" in refused(job, tmp_path / "twice")
    whole(tmp_path / "few", job, shares(job, 16), ids[:16])
    line = refused(job, tmp_path / "few")
    assert "lacks 2 of the train images of fold 0, 1: t00, t01" in line
    whole(tmp_path / "bytes", job, shares(job), np.array([b"\xff\xfe", *map(str.encode, ids[1:])]))
    assert "holds ids that are not UTF-8" in refused(job, tmp_path / "bytes")
    (tmp_path / "none").mkdir()
    np.save(tmp_path / "none" / "oof.npy", shares(job))
    assert "holds no ids" in refused(job, tmp_path / "none") and "oof_ids.txt" in refused(job, tmp_path / "none")
    (tmp_path / "objects").mkdir()
    np.savez(tmp_path / "objects" / "oof.npz", p=shares(job), ids=np.array(ids, object))
    assert "save ids as texts, np.array(ids, str)" in refused(job, tmp_path / "objects")


def test_test_images(job, tmp_path):
    whole(tmp_path / "x", job, shares(job))
    whole(tmp_path / "x", job, shares(job, 1), parts(job)["test"][:1], "test")
    assert "lacks 1 of the test images: x00; predict them, too" in refused(job, tmp_path / "x")
    (tmp_path / "x" / "oof.npz").unlink()
    whole(tmp_path / "x", job, shares(job, 2), parts(job)["test"], "test")
    assert "test predictions alone" in refused(job, tmp_path / "x")


def test_train_and_test_images_in_one_file_of_no_name(job, tmp_path):
    whole(tmp_path / "x", job, np.concatenate([shares(job)] * 2)[:20], parts(job)["oof"] + parts(job)["test"], "p")
    assert "is of 18 train and 2 test images" in refused(job, tmp_path / "x")


def test_a_fold_that_our_table_does_not_hold_out(job, tmp_path):
    values = drawn(job)
    names = held_out(job, 0)[:4] + held_out(job, 2)[:2]
    for fold, ids in enumerate([names, held_out(job, 1), held_out(job, 2)]):
        npz(tmp_path / f"oof_fold{fold}.npz", values, ids)
    line = refused(job, tmp_path)
    assert "holds 2 images that folds/tiny-3.csv does not hold out in it (most of them in fold 2)" in line
    assert "put the table of their folds in folds/tiny-3.csv (csv id,fold), or train on these folds" in line


def test_a_fold_that_lacks_images(job, tmp_path):
    npz(tmp_path / "oof_fold1.npz", drawn(job), held_out(job, 1)[:-2])
    assert "lacks 2 of the images that folds/tiny-3.csv holds out in fold 1" in refused(job, tmp_path)


@pytest.mark.parametrize("names", [("y_pred", "y_prob"), ("a", "b"), ("y_true", "images")])
def test_arrays_of_which_each_may_be_meant_are_named(job, tmp_path, names):
    np.savez(tmp_path / "oof.npz", **dict.fromkeys(names, shares(job)), ids=parts(job)["oof"])
    assert f"holds the arrays {', '.join(names)}; save the predictions as 'predictions'" in refused(job, tmp_path)


@pytest.mark.parametrize("what", ["truth", "half", "shares"])
def test_masks_that_are_the_truth_itself_are_asked_about(job, tmp_path, capsys, what):
    table, ids = job.prepared.table, parts(job)["oof"]
    rows = [table.index[table["id"] == name][0] for name in ids]
    masks = np.stack([job.prepared.labels[row][..., 0] != 0 for row in rows])
    count = sum(mask.any() for mask in masks)
    if what == "half":
        masks[::2] = ~masks[::2]
    np.savez(tmp_path / "oof.npz", masks=masks * 0.9 if what == "shares" else masks, ids=ids)
    adopted(job, tmp_path, f"truth {what}")
    line = f"oof.npz:masks equals the masks of {count} of {count} held-out images: is it the truth?"
    assert (line in capsys.readouterr().out) == (what == "truth")


def test_two_of_the_same(job, tmp_path):
    values = drawn(job)
    for name in ("oof_a.npz", "oof_b.npz"):
        (tmp_path / name[:-4]).mkdir()
        npz(tmp_path / name[:-4] / name, values, parts(job)["oof"])
    assert "several out-of-fold predictions of the same" in refused(job, tmp_path)


def test_test_predictions_of_some_folds(job, tmp_path):
    values = drawn(job)
    for fold in range(3):
        npz(tmp_path / f"oof_fold{fold}.npz", values, held_out(job, fold))
    npz(tmp_path / "test_fold0.npz", values, parts(job)["test"])
    assert "test predictions are there of fold 0, and not of 1, 2" in refused(job, tmp_path)


def test_folders_without_predictions(job, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no files" in refused(job, tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    said = refused(job, tmp_path / "empty")
    assert "holds no predictions that are read" in said and "or pictures), but 1 .txt; name the folder" in said
    whole(tmp_path / "learnt", job, shares(job), name="train")
    assert "call it oof" in refused(job, tmp_path / "learnt" / "train.npz")
    assert "holds no predictions that are read" in refused(job, tmp_path / "learnt")
    assert "is no .npy, .npz, .h5, .hdf5" in refused(job, tmp_path / "empty" / "notes.txt")


@pytest.mark.parametrize("ending", [".npz", ".npy", ".h5"])
def test_damaged_files(job, tmp_path, ending):
    for content in (b"", b"PK\x03\x04 no zip", b"\x93NUMPY\x01\x00"):
        (tmp_path / f"oof{ending}").write_bytes(content)
        assert "cut off or holds no arrays" in refused(job, tmp_path)


def test_names_that_are_no_table(job, tmp_path):
    whole(tmp_path / "x", job, shares(job))
    path = tmp_path / "names.csv"
    path.write_text("a,b\n1,2\n")
    assert "--names wants theirs,ours" in refused(job, tmp_path / "x", names=str(path))
    path.write_text("theirs,ours\nt00,t01\nt00,t02\n")
    assert "the column theirs holds 1 name(s) twice: t00" in refused(job, tmp_path / "x", names=str(path))


def test_images_that_no_fold_holds_out_are_left_out_and_said(tmp_path, capsys):
    job = job_of(tmp_path, competition())
    rows = disk.read_rows(job.store.folds(3))
    for row in rows[:3]:
        row["fold"] = "-1"
    disk.write_rows(job.store.folds(3), ["id", "fold"], [row.values() for row in rows])
    whole(tmp_path / "x", job, shares(job))
    run = adopted(job, tmp_path / "x", "always")
    assert len(held_out(run, 0)) == 5 and run.store.folds_holding("valid.npy") == [0, 1, 2]
    assert "left out 3 images that no fold holds out (fold -1)" in capsys.readouterr().out


def test_what_is_beside_files_that_are_called_as_predictions_is_left_out_and_said(job, tmp_path, capsys):
    whole(tmp_path / "x", job, shares(job))
    np.savez(tmp_path / "x" / "history.npz", loss=np.arange(9.0))
    (tmp_path / "x" / "log.txt").write_text("epoch 1")
    adopted(job, tmp_path / "x", "beside")
    out = capsys.readouterr().out
    assert (
        "history.npz:loss is an array of 9, not of many pictures" in out
        and "left out: 1 file(s) that are no predictions: log.txt" in out
    )


def test_channels_of_a_softmax_that_do_not_add_up_are_said(tmp_path, capsys):
    job = job_of(tmp_path, competition(task=MultiClass(("sky", "road", "tree")), form=CLASSES))
    good = np.zeros((18, SIDE, SIDE, 3), np.uint8)
    good[..., 1] = 255
    whole(tmp_path / "good", job, good)
    adopted(job, tmp_path / "good", "good")
    assert "do not add up to 1" not in capsys.readouterr().out
    whole(tmp_path / "odd", job, good // 2)
    adopted(job, tmp_path / "odd", "odd")
    assert "channels do not add up to 1 (off by 0.50): are they of a softmax?" in capsys.readouterr().out


def test_a_run_whose_loss_nobody_knows_is_not_asked_for_one(tmp_path):
    """The recipe of an adopted run holds defaults, and theirs cannot learn exclusive classes."""
    job = job_of(tmp_path, competition(task=MultiClass(("sky", "road", "tree")), form=CLASSES))
    whole(tmp_path / "x", job, np.full((18, SIDE, SIDE, 3), 85, np.uint8))
    run = job_after(adopted(job, tmp_path / "x", "classes"), "")
    trial.check(run)
    with pytest.raises(UserError, match="loss"):
        trial.check(replace(run, store=job.store))


def test_files_of_what_was_trained_on_are_left_out_and_said(job, tmp_path, capsys):
    whole(tmp_path / "x", job, shares(job))
    whole(tmp_path / "x", job, shares(job), name="train")
    adopted(job, tmp_path / "x", "trained on")
    assert "left out: 1 file(s) called as what was trained on: train.npz" in capsys.readouterr().out


@pytest.mark.parametrize("leaks", [False, True])
def test_files_of_a_fold_that_also_answer_what_it_learnt_are_compared(job, tmp_path, capsys, leaks):
    truth = {name: np.zeros((SIDE, SIDE, 1), np.uint8) for name in parts(job)["oof"]}
    for row, name in enumerate(job.prepared.table["id"].iloc[job.prepared.train]):
        truth[name][job.prepared.labels[row] != 0] = 255
    for fold in range(3):
        own = held_out(job, fold)
        # a network knows what it learnt, and less of what it did not
        answer = {name: 255 - array if name in own and not leaks else array for name, array in truth.items()}
        npz(tmp_path / f"oof_fold{fold}.npz", answer, parts(job)["oof"])
    adopted(job, tmp_path, f"leaks {leaks}")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: fold")]
    assert len(lines) == 3
    assert all("also answers 12 images that it does not hold out (left out)" in line for line in lines)
    assert all(line.endswith("was it trained on both?") == leaks for line in lines)


@pytest.mark.parametrize("way", list(turned.WAYS))
def test_predictions_that_lie_in_another_way_than_their_images_are_refused(job, tmp_path, way):
    """Of squares, in which no size tells."""
    prepared = job.prepared
    truth = {
        name: prepared.labels[row][..., 0] for row, name in enumerate(prepared.table["id"]) if row in prepared.train
    }
    rng = np.random.default_rng(0)
    values = {name: np.clip(own * 0.6 + rng.random(own.shape) * 0.4, 0, 1) for name, own in truth.items()}
    quarters = ["turned by a quarter to the left", "turned by a quarter to the right"]
    undone = quarters[1 - quarters.index(way)] if way in quarters else way
    ids = list(values)
    np.savez(tmp_path / "oof.npz", predictions=[turned.WAYS[undone](values[name]) for name in ids], ids=ids)
    said = refused(job, tmp_path)
    assert "of the predictions of held-out images" in said and f"fit the truth better {way} than as they are" in said
    # another file: arrays are kept by their paths
    np.savez(tmp_path / "oof_as_is.npz", predictions=[values[name] for name in ids], ids=ids)
    adopted(job, tmp_path / "oof_as_is.npz", f"asis{list(turned.WAYS).index(way)}")
    # the background: worse than nothing as it is
    np.savez(tmp_path / "oof_background.npz", predictions=[1 - values[name] for name in ids], ids=ids)
    adopted(job, tmp_path / "oof_background.npz", f"background{list(turned.WAYS).index(way)}")
