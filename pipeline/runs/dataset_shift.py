"""Whether test pictures look as train pictures do: a classifier that tells them apart by simple features.

Where it can, the test part is another sample than the train part, and a score of held-out train images is not that of
the leaderboard (covariate shift: Shimodaira 2000; the classifier as a test of it: Lopez-Paz and Oquab 2017,
arXiv:1610.06545; in competitions: adversarial validation). What it cannot see is what simple features do not say.
"""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging import evenly, simple_features
from pipeline.store import disk, records
from pipeline.store.prepared import Prepared
from pipeline.store.scaling import Scaling
from pipeline.tasks.ahead import in_order
from pipeline.tasks.scoring import error_of

if TYPE_CHECKING:
    from pipeline.runs.job import Job

MOST = 2000  # images of each part: of more, evenly spaced ones; the AUC then has a standard error of .01
FEWEST = 20  # of each part, below which nothing is said
FOLDS = 5  # of the cross-validation; a classifier never says anything of a picture, or a group, it has learnt
# Of two normal distributions one standard deviation apart: from there on the parts differ by as much as images do.
LIMIT = 0.76
SURE = 0.9  # of what likeness the classifier is sure
TELLING = 5  # features that are named
VERSION = 1  # of what is measured: another one is measured again


@dataclass(frozen=True)
class Shift:
    """What the classifier found; n images of both parts.

    Attributes:
        auc: the share of pairs of a test and a train image that it puts in the right order; .5 is chance, below is
            chance, too. error: its standard error, over groups.
        ids: of the images looked at; is_test: n bool.
        test_like: n, the probability that it is a test image, if there were as many of both; of a classifier that has
            not seen it or its group.
        telling: (feature, its AUC alone), those that tell most; above .5 where test images have more of it.
        left_out: part -> images that were not looked at.
    """

    auc: float
    error: float
    ids: list[str]
    is_test: np.ndarray
    test_like: np.ndarray
    telling: list[tuple[str, float]]
    left_out: dict[str, int]

    @property
    def is_large(self) -> bool:
        return self.auc - 2 * self.error > 0.5 and self.auc >= LIMIT

    @property
    def sure(self) -> list[str]:
        """The test images of which it is sure, the surest first."""
        return [name for name, likeness in self.least_like_train() if likeness > SURE]

    def least_like_train(self) -> list[tuple[str, float]]:
        """(id, likeness) of the test images, those least like train first."""
        order = np.flatnonzero(self.is_test)
        order = order[np.argsort(-self.test_like[order], kind="stable")]
        return [(self.ids[i], float(self.test_like[i])) for i in order]

    def warning(self) -> str | None:
        """A line where out-of-fold will not be the leaderboard."""
        if not self.is_large:
            return None
        sure = self.sure
        which = f"; of {len(sure)} test image(s) it is sure, first {sure[0]}" if sure else ""
        return (
            f"test images can be told from train images by simple features (AUC {self.auc:.2f} ± {self.error:.2f}, .5 "
            f"is chance; most by {self.telling[0][0]}){which}: expect another score on the leaderboard than out-of-fold"
        )


def why_not(prepared: Prepared) -> str:
    """What keeps the parts from being compared, in words; blank where nothing does, or where there is no test part."""
    for part, rows in (("train", prepared.train), ("test", prepared.test)) if len(prepared.test) else ():
        groups = prepared.groups(rows)
        if len(rows) < FEWEST:
            return f"the {part} part has {len(rows)} images, fewer than {FEWEST}"
        if groups is not None and "" not in groups and len(set(groups)) < FOLDS:
            return f"the images of the {part} part are of {len(set(groups))} group(s), fewer than {FOLDS}"
    return ""


def is_known(job: "Job") -> bool:
    """Whether nothing need be computed for `of`."""
    prepared = job.prepared
    if not len(prepared.test) or why_not(prepared):
        return True
    return records.state(job.store.dataset_shift, _inputs_of(prepared)) in ("current", "yours")


def of(job: "Job") -> Shift | None:
    """Read where it was found before, of the same images; None without a test part, or where they cannot be compared.

    Raises UserError for a file that somebody spoilt.
    """
    prepared, path = job.prepared, job.store.dataset_shift
    if not len(prepared.test) or why_not(prepared):
        return None
    if not is_known(job):
        rows = np.concatenate([part[evenly.places(len(part), MOST)] for part in (prepared.train, prepared.test)])
        with records.recorded(path, _inputs_of(prepared)) as part:
            disk.write_json(part, _to_json(found_in(prepared, rows)))
    return _from_json(disk.read_json(path), prepared, path)


def _inputs_of(prepared: Prepared) -> dict:
    return {part: prepared.fingerprint(part) for part in ("train", "test")} | {"version": VERSION}


def found_in(prepared: Prepared, rows: np.ndarray) -> Shift:
    """From the pixels of these rows of the prepared table, of both parts."""
    table, is_test = prepared.table, ~prepared.is_train[rows]
    features = np.stack(list(in_order(lambda row: look(prepared, row), rows.tolist(), "compare with test")))
    groups = table["group"].to_numpy()[rows]
    # an image without a group stands alone
    groups = np.array([group or f"image {row}" for group, row in zip(groups, rows, strict=True)])
    test_like, folds = classified(features, is_test, groups)
    auc, error = area_under(test_like, is_test, folds, groups)
    names = simple_features.names(prepared.info["channels"])
    alone = [area_under(column, is_test, np.zeros(len(rows), int), groups)[0] for column in features.T]
    telling = sorted(zip(names, alone, strict=True), key=lambda one: -abs(one[1] - 0.5))[:TELLING]
    left_out = {"train": len(prepared.train) - int((~is_test).sum()), "test": len(prepared.test) - int(is_test.sum())}
    return Shift(auc, error, table["id"].iloc[rows].tolist(), is_test, test_like, telling, left_out)


def look(prepared: Prepared, row: int) -> np.ndarray:
    """The simple features of one image, as a network sees it: 0..1 as 0..255."""
    image = prepared.images[row]
    part, scaling = simple_features.part_of(image), prepared.scaling
    if scaling is not None:
        part = _of_channels(scaling, simple_features.looked_at(image.shape[2])).seen(part)
    elif part.dtype != np.uint8:
        part = part.astype(np.float32) / prepared.info["range"]
    if part.dtype != np.uint8:
        part = (np.nan_to_num(part).clip(0, 1) * 255).round().astype(np.uint8)
    return simple_features.measured(part, image.shape[:2])


def classified(features: np.ndarray, is_test: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of n images the probability that it is of the test part, as found by those of other folds, and its fold.

    A logistic regression on standardised features and their squares: pictures may be darker and brighter than those of
    the other part. Whole groups are held out.

    Args: features: n x d. is_test: n bool. groups: of each image; one may have images of both parts.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    test_like = np.zeros(len(is_test))
    folds = _folds(is_test, groups)
    for fold in np.unique(folds):
        learner = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
        classifier = make_pipeline(StandardScaler(), FunctionTransformer(_and_squares), learner)
        inside = folds == fold
        classifier.fit(features[~inside], is_test[~inside])
        test_like[inside] = classifier.predict_proba(features[inside])[:, 1]
    return test_like, folds


def area_under(values: np.ndarray, is_test: np.ndarray, folds: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The area under the ROC curve (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747) of n values that
    should be larger for the test part, and its standard error.

    Values are compared within a fold: each fold has a classifier of its own. Error: by the places of each image among
    those of the other part (DeLong et al. 1988), added up within groups (Obuchowski 1997).
    """
    counts = np.zeros(2)
    places = np.full(len(values), np.nan)
    for fold in np.unique(folds):
        for part in (False, True):
            mine = np.flatnonzero((folds == fold) & (is_test == part))
            others = np.sort(values[(folds == fold) & (is_test != part)])
            if len(others) and len(mine):
                below, at_most = (np.searchsorted(others, values[mine], side) for side in ("left", "right"))
                share = (below + at_most) / (2 * len(others))
                places[mine] = share if part else 1 - share
                counts[int(part)] += len(mine)
    compared = ~np.isnan(places)
    area = places[compared & is_test].mean()
    weights = np.where(is_test, 1 / counts[1], 1 / counts[0])
    deviations = np.zeros(len(values))
    for part in (False, True):
        mine = compared & (is_test == part)
        deviations[mine] = (places[mine] - places[mine].mean()) * weights[mine]
    by_group = np.bincount(np.unique(groups, return_inverse=True)[1], weights=deviations)
    return float(area), error_of(by_group)


def _folds(is_test: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """A fold of each image: whole groups, dealt out one by one, those with test images first, large ones before small
    ones. So no fold has all groups of a part that has several."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    holds_test = np.bincount(number, weights=is_test) > 0
    # their order in the table may be one of place or time
    order = np.random.default_rng(0).permutation(len(sizes))
    order = order[np.lexsort((-sizes[order], ~holds_test[order]))]
    of_group = np.zeros(len(sizes), int)
    for part in (order[holds_test[order]], order[~holds_test[order]]):
        of_group[part] = np.arange(len(part)) % FOLDS
    return of_group[number]


def _and_squares(features: np.ndarray) -> np.ndarray:
    """n x d standardised features, those far out cut, and their squares: n x 2 d."""
    cut = features.clip(-4, 4)
    return np.concatenate([cut, cut**2], axis=1)


def _of_channels(scaling: Scaling, chosen: np.ndarray) -> Scaling:
    columns = {name: tuple(getattr(scaling, name)[k] for k in chosen) for name in ("low", "high", "mean", "std")}
    return replace(scaling, **columns)


def _to_json(found: Shift) -> dict:
    plain = {"is_test": found.is_test.tolist(), "test_like": found.test_like.round(4).tolist()}
    return {**asdict(found), **plain}


def _from_json(content: dict, prepared: Prepared, path: Path) -> Shift:
    """Raises UserError where it is not what was written, or of other images."""
    names = [field.name for field in fields(Shift)]
    try:
        found = Shift(*(content[name] for name in names))
        found = replace(found, is_test=np.array(found.is_test, bool), test_like=np.array(found.test_like, float))
        found = replace(found, telling=[(str(name), float(area)) for name, area in found.telling])
        fits = set(found.ids) <= set(prepared.table["id"]) and np.isfinite([found.auc, found.error]).all()
        fits = fits and len(found.ids) == len(found.is_test) == len(found.test_like) and len(found.telling) > 0
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not as it was written ({error}); delete it to have it made again") from error
    if not fits or not found.is_test.any():
        raise UserError(f"{path} is of other images, or was edited; delete it to have it made again")
    return found
