"""What the names of files say of predictions."""

import pytest

from pipeline.adoption import words


@pytest.mark.parametrize(
    ("name", "role", "fold"),
    [
        ("oof.npz", "oof", None),
        ("oof_fold0.npz", "oof", 0),
        ("out_of_fold_3.npy", "oof", 3),
        ("OOF_preds.npy", "oof", None),
        ("valPreds.npy", "oof", None),
        ("fold_0/validation/case.npz", "oof", 0),
        ("fold10/held_out/a.png", "oof", 10),
        ("cv2/valid/a.png", "oof", 2),
        ("test.h5", "test", None),
        ("test_fold-4.npz", "test", 4),
        ("oof/test.npz", "test", None),
        ("predictions/a.png", "", None),
        ("train_preds.npz", "train", None),
        ("fold0/preds.npz", "", 0),
        ("latest.npz", "", None),
        ("manifold3.npz", "", None),
    ],
)
def test_a_name_says_role_and_fold(name, role, fold):
    assert (words.role_of(name), words.fold_of(name)) == (role, fold)


@pytest.mark.parametrize(
    ("called", "names"),
    [
        (words.PREDICTED, ("probabilities", "prob_maps", "y_prob", "pred_masks", "oof_outputs", "logits", "proba")),
        (words.MASKS, ("masks", "labels", "oof_masks", "instance_map", "seg")),
        (words.BESIDE, ("y", "y_true", "gt_masks", "true_labels", "ground_truth", "targets", "images", "uncertainty")),
        ("", ("p", "oof", "salt")),
    ],
)
def test_a_name_of_an_array_says_whether_it_was_predicted(called, names):
    assert {words.array_called(name) for name in names} == {called}


def test_ids_and_labels_are_called_so():
    assert [words.holds_ids(name) for name in ("ids", "test_ids", "image_id", "filenames", "preds")] == [True] * 4 + [
        False
    ]
    assert [words.holds_labels(name) for name in ("labels", "instance_map", "predictions")] == [True, True, False]
