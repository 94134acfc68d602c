"""Every layout, type and order of axes of the same predictions becomes the same run."""

from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest

from pipeline.competition import RawData
from pipeline.errors import UserError
from pipeline.imaging.sizes import from_network, to_network
from pipeline.imaging.tiles import stored
from pipeline.store.submission import Format
from pipeline.tasks.multiclass import MultiClass
from tests.adoption.written import adopted, drawn, expect, held_out, parts, pictures, stack
from tests.reporting.example_runs import LAYERS, SIDE, competition, job_of, square


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return job_of(tmp_path_factory.mktemp("binary"), competition(tests=[square(4), square(0), square(9)]))


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    tests = [square(4, layers=2), square(0, layers=2)]
    return job_of(tmp_path_factory.mktemp("layers"), competition(task=LAYERS, tests=tests, form=CLASSES))


CLASSES = Format("id", "rle", "class")


def share(array):
    return (array[..., 0] / 255).astype(np.float32)


def logit(array):
    p = array[..., 0].astype(np.float64) / 255
    return np.log(p / (1 - p))


def one_npz(change, **more):
    def write(folder, job, values):
        for role, ids in parts(job).items():
            np.savez(folder / f"{role}.npz", predictions=stack(values, ids, change), ids=ids)

    return write


def npy_with(ending):
    def write(folder, job, values):
        for role, ids in parts(job).items():
            np.save(folder / f"{role}_preds.npy", stack(values, ids, share))
            name = folder / f"{role}_ids{ending}"
            if ending == ".npy":
                np.save(name, ids)
            elif ending == ".csv":
                name.write_text("number,id\n" + "".join(f"{i},{one}\n" for i, one in enumerate(ids)))
            else:
                name.write_text("\n".join(ids) + "\n")

    return write


def h5(folder, job, values):
    for role, ids in parts(job).items():
        with h5py.File(folder / f"{role}.h5", "w") as file:
            file["pred"], file["ids"] = stack(values, ids, share), ids


def one_file_of_both(folder, job, values):
    found = {role: stack(values, ids) for role, ids in parts(job).items()}
    np.savez(folder / "all.npz", **found, **{f"{role}_ids": ids for role, ids in parts(job).items()})


def images(ending, change=lambda array: array[..., 0]):
    def write(folder, job, values):
        for role, word in (("oof", "out_of_fold"), ("test", "test")):
            pictures(folder / word, values, parts(job)[role], ending, change)

    return write


def arrays_of_one(folder, job, values):
    for role, ids in parts(job).items():
        (folder / role).mkdir()
        for name in ids:
            np.save(folder / role / f"{name}.npy", values[name])


def without_a_role(folder, job, values):
    pictures(folder / "a", values, parts(job)["oof"], ".png")
    np.savez(folder / "b.npz", p=stack(values, parts(job)["test"]), ids=parts(job)["test"])


WHOLE = {
    "npz, float32": one_npz(share),
    "npz, float16": one_npz(lambda array: share(array).astype(np.float16)),
    "npz, uint8": one_npz(lambda array: array[..., 0]),
    "npz, uint16": one_npz(lambda array: array[..., 0].astype(np.uint16) * 257),
    "npz, N x 1 x H x W": one_npz(lambda array: share(array)[None]),
    "npz, N x H x W x 1": one_npz(lambda array: share(array)[..., None]),
    "npz, a background before": one_npz(lambda array: np.stack([1 - share(array), share(array)])),
    "npy, ids.txt": npy_with(".txt"),
    "npy, ids.csv": npy_with(".csv"),
    "npy, ids.npy": npy_with(".npy"),
    "h5": h5,
    "one npz of both": one_file_of_both,
    "png, 8 bits": images(".png"),
    "png, 16 bits": images(".png", lambda array: array[..., 0].astype(np.uint16) * 257),
    "tiff, float": images(".tif", share),
    "npy of each": arrays_of_one,
    "roles told by ids": without_a_role,
}


@pytest.mark.parametrize("layout", WHOLE)
def test_a_layout_of_all_folds_gives_the_same_run(job, tmp_path, layout, capsys):
    values = drawn(job)
    WHOLE[layout](tmp_path, job, values)
    expect(adopted(job, tmp_path, f"whole {layout.replace('/', '')}"), values)
    out = capsys.readouterr().out
    assert "18 pictures" in out and "3 pictures" in out
    assert ("taken for the background" in out) == ("background" in layout)


def test_logits_go_through_a_sigmoid_and_with_a_background_through_a_softmax(job, tmp_path):
    values = drawn(job, low=1, high=254)
    one_npz(logit)(tmp_path, job, values)
    expect(adopted(job, tmp_path, "logits", logits=True), values)
    both = tmp_path / "both"
    both.mkdir()
    # a softmax of (a, b) is the sigmoid of b - a
    one_npz(lambda array: np.stack([np.full((SIDE, SIDE), 3.0), logit(array) + 3], axis=2))(both, job, values)
    expect(adopted(job, both, "both logits", logits=True), values)


def test_huge_logits_do_not_overflow(job, tmp_path):
    values = {name: np.where(array > 127, 255, 0).astype(np.uint8) for name, array in drawn(job).items()}
    one_npz(lambda array: np.where(array[..., 0] > 127, 1e4, -1e4))(tmp_path, job, values)
    # what is next to nothing is nothing
    with np.errstate(all="raise", under="ignore"):
        expect(adopted(job, tmp_path, "huge", logits=True), values)


def of_folds(name, ids_of, write):
    def all_of_them(folder, job, values):
        for fold in range(3):
            path = folder / name.format(fold=fold)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, values, ids_of(job, fold))

    return all_of_them


def npz(path, values, ids):
    np.savez(path, predictions=stack(values, ids, share), ids=ids)


def nnunet(path, values, ids):
    path.mkdir()
    for name in ids:
        p = share(values[name])
        np.savez(path / f"{name}.npz", probabilities=np.stack([1 - p, p])[:, None])
        assert cv2.imwrite(str(path / f"{name}.png"), (p > 0.5).astype(np.uint8))
    (path / "summary.json").write_text("{}")
    # what else it leaves: a curve, and all masks once more
    assert cv2.imwrite(str(path.parent / "progress.png"), np.zeros((40, 50), np.uint8))
    pictures(path.parent.parent / "crossval_results_folds_0_1_2", values, ids, ".png", lambda a: a[..., 0] // 128)


FOLDS = {
    "oof_fold0.npz": of_folds("oof_fold{fold}.npz", held_out, npz),
    "fold0/valid.npz": of_folds("fold{fold}/valid.npz", held_out, npz),
    "fold_0/validation": of_folds("fold_{fold}/validation", held_out, nnunet),
    "fold_0/val/*.png": of_folds(
        "fold_{fold}/val", held_out, lambda path, values, ids: pictures(path, values, ids, ".png")
    ),
}


@pytest.mark.parametrize("layout", FOLDS)
def test_a_layout_with_files_of_each_fold_gives_the_same_run(job, tmp_path, layout):
    values = drawn(job)
    FOLDS[layout](tmp_path, job, values)
    np.savez(tmp_path / "test.npz", p=stack(values, parts(job)["test"]), ids=parts(job)["test"])
    expect(adopted(job, tmp_path, f"folds {layout.replace('/', ' ')}"), values)


def test_test_predictions_of_each_fold_stay_with_their_fold(job, tmp_path):
    values = drawn(job)
    FOLDS["fold0/valid.npz"](tmp_path, job, values)
    of_folds("fold{fold}/test.npz", lambda job, fold: parts(job)["test"], npz)(tmp_path, job, values)
    expect(adopted(job, tmp_path, "tests"), values, tests=(0, 1, 2))


def test_folds_that_are_numbered_from_one_are_found_by_their_images(job, tmp_path, capsys):
    values = drawn(job)
    for fold in range(3):
        npz(tmp_path / f"oof_fold{fold + 1}.npz", values, held_out(job, fold))
        npz(tmp_path / f"test_fold{fold + 1}.npz", values, parts(job)["test"])
    expect(adopted(job, tmp_path, "from one"), values, tests=(0, 1, 2))
    assert "numbered in another way than folds/tiny-3.csv: 1 is 0, 2 is 1, 3 is 2" in capsys.readouterr().out


def test_test_predictions_of_folds_from_one_beside_one_file_of_all_folds(job, tmp_path, capsys):
    values = drawn(job)
    npz(tmp_path / "oof.npz", values, parts(job)["oof"])
    for fold in range(3):
        npz(tmp_path / f"test_fold{fold + 1}.npz", values, parts(job)["test"])
    expect(adopted(job, tmp_path, "tests from one"), values, tests=(0, 1, 2))
    assert "folds of test predictions are taken to be numbered from 1: 1 is 0, …" in capsys.readouterr().out


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_of_folds_that_answer_everything_are_asked_about(job, tmp_path, capsys, first):
    """Of three folds, numbered from 1, the third is not there yet: each of the others answers all train images."""
    values = drawn(job)
    for fold in range(first, 2):
        npz(tmp_path / f"oof_fold{fold}.npz", values, parts(job)["oof"])
    adopted(job, tmp_path, f"everything {first}")
    said = "warning: fold(s) 1 are taken to be numbered from 0, as in folds/tiny-3.csv; if theirs begin with 1"
    assert (said in capsys.readouterr().out) == (first == 1)


def test_one_file_alone_is_a_run_without_test_predictions(job, tmp_path):
    values = drawn(job)
    one_npz(share)(tmp_path, job, values)
    expect(adopted(job, tmp_path / "oof.npz", "one file"), values, tests=())


def test_the_number_of_folds_in_a_name_is_no_fold(job, tmp_path, capsys):
    values = drawn(job)
    npz(tmp_path / "oof_cv3.npz", values, parts(job)["oof"])
    npz(tmp_path / "test_cv3.npz", values, parts(job)["test"])
    expect(adopted(job, tmp_path, "counted"), values)
    assert "answers every image: of all 3 folds together" in capsys.readouterr().out


def test_whole_folds_may_be_missing(job, tmp_path, capsys):
    values = drawn(job)
    ids = held_out(job, 2) + held_out(job, 0)
    npz(tmp_path / "oof.npz", values, ids)
    run = adopted(job, tmp_path, "partial")
    assert run.store.folds_holding("valid.npy") == [0, 2]
    assert "out-of-fold predictions of fold(s) 0, 2 of 3" in capsys.readouterr().out


LAID_OUT = {
    "first": lambda array: array.transpose(2, 0, 1),
    "last": lambda array: array,
    "background first": lambda array: np.concatenate([255 - array[..., :1], array], axis=2).transpose(2, 0, 1),
}


@pytest.mark.parametrize("axes", LAID_OUT)
def test_several_classes_with_channels_first_or_last(layers, tmp_path, axes):
    values = drawn(layers)
    one_npz(LAID_OUT[axes])(tmp_path, layers, values)
    expect(adopted(layers, tmp_path, f"axes {axes}"), values)


def test_softmax_of_exclusive_classes(tmp_path):
    task = MultiClass(("sky", "road", "tree"))
    chosen = competition(task=task, tests=[square(4)], form=CLASSES)
    job = job_of(tmp_path, chosen)
    rng = np.random.default_rng(1)
    logits = {name: rng.normal(0, 2, (SIDE, SIDE, 3)) for name in job.prepared.table["id"]}
    raised = {name: np.exp(array) for name, array in logits.items()}
    values = {name: stored(array / array.sum(axis=2, keepdims=True)) for name, array in raised.items()}
    folder = tmp_path / "theirs"
    folder.mkdir()
    one_npz(lambda array: array.transpose(2, 0, 1))(folder, job, logits)
    run = adopted(job, folder, "softmax", logits=True)
    for fold in range(3):
        found = np.load(run.store.fold(fold) / "valid.npy")
        wanted = np.concatenate([values[name].ravel() for name in held_out(job, fold)])
        # in single precision a value on the edge may fall to either side
        assert np.abs(found.astype(int) - wanted).max() <= 1 and np.mean(found != wanted) < 0.001


@pytest.fixture(scope="module")
def exclusive(tmp_path_factory):
    task = MultiClass(("sky", "road", "tree"))
    return job_of(tmp_path_factory.mktemp("exclusive"), competition(task=task, tests=[square(4)], form=CLASSES))


MAPS = {
    "N x H x W": one_npz(lambda array: array),
    "N x 1 x H x W": one_npz(lambda array: array[None].astype(np.int64)),
    "N x H x W x 1": one_npz(lambda array: array[..., None].astype(np.int32)),
    "png": lambda folder, job, maps: [
        pictures(folder / role, maps, ids, ".png", lambda a: a) for role, ids in parts(job).items()
    ],
    "npy of each": lambda folder, job, maps: [
        np.save(folder / "oof" / f"{name}.npy", maps[name][None]) for name in parts(job)["oof"]
    ],
}


@pytest.mark.parametrize("layout", MAPS)
def test_maps_of_exclusive_classes_with_one_channel_or_none(exclusive, tmp_path, layout, capsys):
    rng, names = np.random.default_rng(2), exclusive.prepared.table["id"]
    maps = {name: rng.integers(0, 3, (SIDE, SIDE)).astype(np.uint8) for name in names}
    (tmp_path / "oof").mkdir()
    MAPS[layout](tmp_path, exclusive, maps)
    values = {name: exclusive.competition.task.target(array[..., None]) for name, array in maps.items()}
    tests = () if layout == "npy of each" else "all"
    expect(adopted(exclusive, tmp_path, f"maps {layout}"), values, tests=tests)
    assert ": maps of labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fit", "shape"), [("pad", (32, 32)), ("pad", (31, 40)), ("double", (48, 50)), ("resize", (40, 16))]
)
def test_the_size_of_a_network_is_undone(job, tmp_path, fit, shape, capsys):
    values = drawn(job)
    seen = {name: to_network(array, shape, fit) for name, array in values.items()}
    one_npz(lambda array: array[..., 0])(tmp_path, job, seen)
    run = adopted(job, tmp_path, f"{fit} {shape}", fit=fit)
    back = {name: stored(from_network(a.astype(np.float32) / 255, (SIDE, SIDE), fit)) for name, a in seen.items()}
    expect(run, back)
    if fit == "pad":
        expect(run, values)
        top, left = (shape[0] - SIDE) // 2, (shape[1] - SIDE) // 2
        said = f"{top} pixels above, {shape[0] - SIDE - top} below, {left} left and {shape[1] - SIDE - left} right"
        assert said in capsys.readouterr().out


def test_masks_are_taken_and_said(job, tmp_path, capsys):
    values = {name: np.where(array > 127, 255, 0).astype(np.uint8) for name, array in drawn(job).items()}
    for number, change in enumerate([lambda a: a[..., 0], lambda a: a[..., 0] // 255, lambda a: a[..., 0] > 0]):
        folder = tmp_path / str(number)
        folder.mkdir()
        one_npz(change)(folder, job, values)
        expect(adopted(job, folder, f"masks {number}"), values)
        assert "these are masks: thresholds cannot be tuned on them" in capsys.readouterr().out


def test_a_file_of_names_tells_which_is_which(job, tmp_path):
    values = drawn(job)
    theirs = {name: f"case_{i:03}" for i, name in enumerate(job.prepared.table["id"])}
    (tmp_path / "names.csv").write_text("theirs,ours\n" + "".join(f"{t},{o}\n" for o, t in theirs.items()))
    folder = tmp_path / "preds"
    for role, ids in parts(job).items():
        pictures(folder / role, {theirs[n]: values[n] for n in ids}, [theirs[n] for n in ids], ".png")
    expect(adopted(job, folder, "named", names=str(tmp_path / "names.csv")), values)
    with pytest.raises(UserError, match=r"are of no such image: case_0.*--names FILE\.csv with the columns"):
        adopted(job, folder, "not named")


@pytest.mark.parametrize("change", ["{}.png", "train/images/{}.tif", "{}_pred", "{}_0000.png"])
def test_endings_and_folders_in_ids_are_left_out_and_said(job, tmp_path, change, capsys):
    values = drawn(job)
    for role, ids in parts(job).items():
        np.savez(tmp_path / f"{role}.npz", p=stack(values, ids), ids=[change.format(name) for name in ids])
    expect(adopted(job, tmp_path, change.replace("/", " ")), values)
    assert "ids are matched without" in capsys.readouterr().out


def test_images_may_be_called_as_parts_are(tmp_path):
    """`train_07` in a folder of out-of-fold predictions is no prediction of what was trained on."""
    chosen = competition(train=6)
    images = [replace(image, id=f"train_{i}") for i, image in enumerate(chosen.read(None).images)]
    job = job_of(tmp_path, replace(chosen, read=lambda raw: RawData(images)))
    values = drawn(job)
    pictures(tmp_path / "x" / "oof", values, parts(job)["oof"], ".png")
    expect(adopted(job, tmp_path / "x", "pictures"), values, tests=())
    (tmp_path / "y" / "oof").mkdir(parents=True)
    for name in parts(job)["oof"]:
        np.save(tmp_path / "y" / "oof" / f"{name}.npy", values[name])
    expect(adopted(job, tmp_path / "y", "arrays"), values, tests=())


def test_arrays_that_are_not_read_are_said(job, tmp_path, capsys):
    values, ids = drawn(job), parts(job)["oof"]
    more = {"truth": np.zeros((18, SIDE, SIDE)), "epoch": 3, "class_names": ["salt"], "scores": np.zeros(18)}
    np.savez(tmp_path / "oof.npz", **more, predictions=stack(values, ids), ids=ids)
    expect(adopted(job, tmp_path, "beside"), values, tests=())
    wanted = f"left out: the array(s) truth, epoch, class_names, scores beside {tmp_path / 'oof.npz'}:predictions"
    assert wanted in capsys.readouterr().out
    adopted(job, tmp_path / "oof.npz", "beside in a file")
    assert wanted in capsys.readouterr().out
    (tmp_path / "singles" / "oof").mkdir(parents=True)
    for name in ids:
        np.savez(tmp_path / "singles" / "oof" / f"{name}.npz", probabilities=values[name], uncertainty=values[name])
    expect(adopted(job, tmp_path / "singles", "beside in files"), values, tests=())
    assert "left out: the array(s) uncertainty beside " in capsys.readouterr().out


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A job whose images are called 0, 1, …"""
    chosen = competition(train=9)
    images = [replace(image, id=str(i)) for i, image in enumerate(chosen.read(None).images)]
    return job_of(tmp_path_factory.mktemp("numbered"), replace(chosen, read=lambda raw: RawData(images)))


ROWS = {
    "id_code\n": "{id}",
    "": "{id}",
    ",image_name\n": "{row},{id}",
    "Unnamed: 0,ImageName\n": "{row},{id}.png",
    "index,code\n": "{row},{id}",
    "number,id,fold\n": "{row},{id},0",
    "id,image,path\n": "{id},{id}.png,train/{id}.png",
    "epoch,which\n": "7,{id}",
    "nr;id\n": "{row};{id}",
    ",stem\n": "{row},{id}",
    "id\tnr\n": "{id}\t{row}",
}


@pytest.mark.parametrize("header", ROWS)
def test_the_column_of_a_csv_that_holds_ids_is_found(numbered, tmp_path, header, capsys):
    values, ids = drawn(numbered), parts(numbered)["oof"]
    np.save(tmp_path / "oof.npy", stack(values, ids, share))
    rows = [ROWS[header].format(row=row, id=name) for row, name in enumerate(ids)]
    (tmp_path / "oof_ids.csv").write_text(header + "\n".join(rows) + "\n")
    expect(adopted(numbered, tmp_path, f"column {list(ROWS).index(header)}"), values, tests=())
    several = len(ROWS[header].split("{")) + ROWS[header].startswith("7") > 2
    assert ("oof_ids.csv: ids are those of the column " in capsys.readouterr().out) == several


@pytest.mark.parametrize("row", ["{row},{id}", "{row},{id}.png", "{id},{row}"])
def test_two_columns_of_ids_of_other_images_are_refused(numbered, tmp_path, row):
    values, ids = drawn(numbered), parts(numbered)["oof"]
    np.save(tmp_path / "oof.npy", stack(values, ids, share))
    rows = [row.format(row=number, id=name) for number, name in enumerate(ids)]
    (tmp_path / "oof_ids.csv").write_text("id,image\n" + "\n".join(rows))
    with pytest.raises(UserError, match=r"oof_ids\.csv: the columns id, image hold ids of ours each, of other images"):
        adopted(numbered, tmp_path, "two columns")


BESIDE = {
    "outputs": "masks",
    "prob_maps": "labels",
    "y_prob": "y_true",
    "pred_masks": "gt_masks",
    "heat": "masks",
    "scores": "labels",
    "masks": "targets",
    "softmax": "pred_labels",
    "oof_preds": "oof_masks",
    "preds": "oof_masks",
}


@pytest.mark.parametrize("meant", BESIDE)
@pytest.mark.parametrize("layout", ["stack", "files", "h5"])
def test_the_truth_beside_predictions_is_not_taken_for_them(job, tmp_path, meant, layout, capsys):
    values, ids, odd = drawn(job), parts(job)["oof"], BESIDE[meant]
    more = {"loss": np.zeros(3, np.float32), "images": np.zeros((len(ids), SIDE, SIDE), np.float32)}
    truth = (stack(values, ids) > 127).astype(np.uint8)
    if layout == "stack":
        np.savez(tmp_path / "oof.npz", **{odd: truth, meant: stack(values, ids, share)}, **more, ids=ids)
    elif layout == "files":
        (tmp_path / "oof").mkdir()
        for name, mask in zip(ids, truth, strict=True):
            held = {odd: mask, meant: share(values[name]), "images": more["images"][0], "loss": more["loss"]}
            np.savez(tmp_path / "oof" / f"{name}.npz", **held)
    else:
        with h5py.File(tmp_path / "oof.h5", "w") as file:
            for key, array in {odd: truth, meant: stack(values, ids, share), **more, "ids": ids}.items():
                file[key] = array
    expect(adopted(job, tmp_path, f"{meant} {odd} {layout}"), values, tests=())
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert odd in line and "images" in line


def test_logits_are_read_beside_the_truth(job, tmp_path):
    values, ids = drawn(job, low=1, high=254), parts(job)["oof"]
    truth = stack(values, ids) > 127
    np.savez(tmp_path / "oof.npz", logits=stack(values, ids, logit), masks=truth, ids=ids)
    expect(adopted(job, tmp_path, "logits, masks", logits=True), values, tests=())


def test_ids_of_another_fold_are_not_taken(job, tmp_path):
    values = drawn(job)
    for fold in range(3):
        np.save(tmp_path / f"oof_fold{fold}.npy", stack(values, held_out(job, fold)))
        (tmp_path / f"fold{fold}_ids.txt").write_text("\n".join(held_out(job, fold)))
    expect(adopted(job, tmp_path, "their own ids"), values, tests=())
    (tmp_path / "fold1_ids.txt").unlink()
    with pytest.raises(UserError, match=r"oof_fold1\.npy holds no ids, and there are none beside it"):
        adopted(job, tmp_path, "no ids")
    (tmp_path / "ids.txt").write_text("\n".join(held_out(job, 1)))
    (tmp_path / "names.txt").write_text("\n".join(held_out(job, 1)[::-1]))
    with pytest.raises(UserError, match=r"several files of ids beside it: .*keep the one that is in the order"):
        adopted(job, tmp_path, "which ids")


@pytest.mark.parametrize("name", ["val_preds_{}", "f{}_valid"])
def test_folds_that_no_name_says_are_told_by_their_images(job, tmp_path, capsys, name):
    values = drawn(job, 5)
    for fold in (2, 0, 1):
        ids = held_out(job, fold)
        np.savez(tmp_path / f"{name.format('abc'[fold])}.npz", predictions=stack(values, ids, share), ids=ids)
    expect(adopted(job, tmp_path, f"named{len(name)}"), values, tests=())
    assert "3 files are of the folds whose images they hold" in capsys.readouterr().out


def test_ids_that_were_saved_without_a_name(job, tmp_path):
    values = drawn(job, 6)
    for role, ids in parts(job).items():
        np.savez(tmp_path / f"{role}.npz", stack(values, ids, share), np.array(ids))
    expect(adopted(job, tmp_path, "unnamed"), values)
