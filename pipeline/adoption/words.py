"""What the names of foreign files say: out-of-fold or test, which fold, ids, objects."""

import re

from pipeline.raw.places import names
from pipeline.raw.places.names import stem, tokens_of

OOF, TEST, TRAIN = "oof", "test", "train"
_ROLES = {
    OOF: {"oof", "oofs", "valid", "val", "validation", "cv", "heldout", "outoffold"},
    TEST: {"test", "tests", "testing", "tst", "submission"},
    # what was trained on
    TRAIN: {"train", "training"},
}
_FOLD = re.compile(r"(?:^|[_\-. /])(?:fold|cv|split)[_\-. ]?(\d{1,3})(?![0-9])", re.IGNORECASE)
# files and arrays that hold ids
_IDS = {"id", "ids", "names", "filenames", "keys", "cases"}
_LABELS = {"label", "labels", "instance", "instances", "objects"}
# what arrays that lie together are called as
PREDICTED, MASKS, BESIDE = "predictions", "masks", "beside"
_PREDICTED = {
    *("pred", "preds", "predicted", "prediction", "predictions", "prob", "probs", "probability", "probabilities"),
    *("proba", "probas", "probmap", "probmaps", "heatmap", "heatmaps", "softmax", "sigmoid", "logit", "logits"),
    *("output", "outputs", "score", "scores", "hat"),
}
_TRUTH = {"y", "true", "truth", "gt", "gts", "groundtruth", "target", "targets", "annotation", "annotations"}
# what was answered, or should have been
_MASKS = {"mask", "masks", "seg", "segs", "segmentation", "segmentations", *_LABELS}
# what a network saw, and how sure it was
_BESIDE = {
    *("x", "image", "images", "img", "imgs", "input", "inputs", "feature", "features", "box", "boxes", "bboxes"),
    *("uncertainty", "variance", "var", "std", "entropy", "weight", "weights"),
}


def role_of(name: str) -> str:
    """`oof`, `test`, `train`, or blank: what the file is called says most, then the folders above, inner ones first."""
    for word in _spelt(name):
        tokens = set(tokens_of(word))
        joined = "".join(tokens_of(word))
        for role, known in _ROLES.items():
            if tokens & known or (role == OOF and ("outoffold" in joined or "heldout" in joined)):
                return role
    return ""


def fold_of(name: str) -> int | None:
    """The number in `oof_fold0`, `fold_0/validation`; None where there is none."""
    found = (_FOLD.search(word) for word in _spelt(name))
    return next((int(match[1]) for match in found if match), None)


def counts_folds(name: str, count: int) -> bool:
    """Whether a number that is called as a fold's may be how many there are: `oof_cv5`."""
    return bool(re.search(rf"(?:^|[_\-. /])cv[_\-. ]?{count}(?![0-9])", stem(name), re.IGNORECASE))


def holds_ids(name: str) -> bool:
    """Whether a file or an array is called as ids are: `ids`, `test_ids`, `image_ids`."""
    tokens = tokens_of(name)
    return bool(tokens) and tokens[-1] in _IDS


def holds_labels(name: str) -> bool:
    """Whether it is called as maps of whole numbers are, each an object or a class."""
    return bool(set(tokens_of(name)) & _LABELS)


def array_called(name: str) -> str:
    """What an array of a file is called as: `predictions`; `masks`, which may be predicted or be the truth; `beside`,
    what is the truth for certain, or was seen, or says how sure a network was; blank where its name says nothing."""
    tokens = set(tokens_of(name))
    if tokens & _PREDICTED:
        return PREDICTED
    if tokens & _TRUTH:
        return BESIDE
    return MASKS if tokens & _MASKS else BESIDE if tokens & _BESIDE else ""


def _spelt(name: str) -> list[str]:
    """The stem, then the folders, the inner ones first."""
    folder = name.rpartition("/")[0]
    return [stem(name), *reversed(names.words(folder))]
