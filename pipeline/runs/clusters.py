"""Clusters of pictures that look alike by simple features: what stands for kinds where the data names none.

k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489; begun as in Arthur and Vassilvitskii 2007, k-means++) on standardised
features of the train images; a group goes as a whole, by the mean of its images. What simple features do not say (what
is in a picture) no cluster tells apart.
"""

import warnings
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging import simple_features
from pipeline.runs import dataset_shift
from pipeline.store import disk, records
from pipeline.store.prepared import Prepared
from pipeline.tasks.ahead import in_order

if TYPE_CHECKING:
    from pipeline.runs.job import Job

SEED = 2015  # fixed, as that of the folds
STARTS = 10  # of k-means, of which the best is kept
CUT = 4  # standard deviations beyond which a feature counts no more: one odd picture is no cluster
FAR = 0.99  # share of the train images that lie nearer to a centre than what is called far
TELLING = 2  # features that are named of a cluster
VERSION = 1  # of how they are found: others are found again


@dataclass(frozen=True)
class Clusters:
    """Attributes:
    of_train: the cluster 0, 1, … of each train image, the largest first.
    telling: of each cluster (feature, by how many standard deviations of all train images its mean is above theirs),
        those that set it apart most.
    of_test: the nearest cluster of each test image, -1 where it is far from all of them.
    limit: the distance from the nearest centre, in standard deviations, from which on an image is far: FAR of the train
        images are nearer.
    """

    of_train: np.ndarray
    telling: list[list[tuple[str, float]]]
    of_test: np.ndarray
    limit: float

    def name(self, number: int) -> str:
        """`cluster 1`; of -1 what is far from all."""
        return f"cluster {number}" if number >= 0 else "far from every cluster"

    def described(self, number: int) -> str:
        """What sets a cluster apart, in words."""
        return ", ".join(f"{name} {above:+.1f} sd" for name, above in self.telling[number])


def of(job: "Job") -> Clusters:
    """As many as the recipe has folds; read where they were found before, in the same images.

    Raises UserError: there are not so many groups, or images, that differ, or somebody spoilt the file.
    """
    prepared, path = job.prepared, job.store.clusters(job.recipe.folds)
    inputs = {part: prepared.fingerprint(part) for part in ("train", "test")}
    inputs |= {"count": job.recipe.folds, "version": VERSION, "groups": prepared.own_groups}
    if records.state(path, inputs) not in ("current", "yours"):
        with records.recorded(path, inputs) as part:
            disk.write_json(part, _to_json(found_in(prepared, job.recipe.folds)))
    return _from_json(disk.read_json(path), prepared, path, job.recipe.folds)


def found_in(prepared: Prepared, count: int) -> Clusters:
    """From the pixels of all images."""
    rows = np.concatenate([prepared.train, prepared.test])
    features = np.stack(list(in_order(lambda row: dataset_shift.look(prepared, row), rows.tolist(), "clusters")))
    groups = prepared.table["group"].to_numpy()[prepared.train]
    groups = np.array([group or f"image {row}" for group, row in zip(groups, prepared.train, strict=True)])
    names = simple_features.names(prepared.info["channels"])
    train, test = np.split(features, [len(prepared.train)])
    return clustered(train, test, groups, count, names)


def clustered(train: np.ndarray, test: np.ndarray, groups: np.ndarray, count: int, names: list[str]) -> Clusters:
    """`count` clusters of n x d train features, and where m x d of the test part lie. groups: n, which go as a whole.

    Raises UserError where there are not so many that differ.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    # what all images have alike differs by rounding alone
    spread[spread <= 1e-9 * (1 + np.abs(mean))] = 1
    seen, seen_test = (((part - mean) / spread).clip(-CUT, CUT) for part in (train, test))
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    whole = np.stack([np.bincount(number, weights=column) / sizes for column in seen.T], axis=1)
    differ = len(np.unique(whole, axis=0))
    if differ < count:
        raise UserError(
            f"--split kind: the images name no kinds, and by simple features there are {differ} group(s) of images "
            f"that differ, fewer than the {count} folds: " + (f"--folds {differ}" if differ > 1 else "leave it out")
        )
    of_group, centres = _k_means(whole, sizes, count)
    of_train = of_group[number]
    order = np.argsort(-np.bincount(of_train, minlength=count), kind="stable")
    of_train, centres = np.argsort(order)[of_train], centres[order]
    limit = float(np.quantile(_nearest(seen, centres)[1], FAR))
    nearest, distance = _nearest(seen_test, centres)
    means = np.stack([seen[of_train == k].mean(axis=0) for k in range(count)])
    telling = [
        [(names[j], float(row[j])) for j in np.argsort(-np.abs(row), kind="stable")[:TELLING].tolist()] for row in means
    ]
    return Clusters(of_train, telling, np.where(distance > limit, -1, nearest), limit)


def _k_means(features: np.ndarray, sizes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(the cluster of each row, count x d centres); a row counts as often as it has images."""
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        # of memory that some builds leak on other systems
        warnings.simplefilter("ignore", UserWarning)
        found = KMeans(count, n_init=STARTS, random_state=SEED).fit(features, sample_weight=sizes)
    return found.labels_.astype(int), found.cluster_centers_


def _nearest(features: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the nearest centre of each row, its distance)."""
    distances = np.stack([np.linalg.norm(features - centre, axis=1) for centre in centres], axis=1)
    return distances.argmin(axis=1), distances.min(axis=1)


def _to_json(found: Clusters) -> dict:
    return {**asdict(found), "of_train": found.of_train.tolist(), "of_test": found.of_test.tolist()}


def _from_json(content: dict, prepared: Prepared, path: Path, count: int) -> Clusters:
    """Raises UserError where it is not what was written, or of other images."""
    try:
        found = Clusters(*(content[field.name] for field in fields(Clusters)))
        found = replace(found, of_train=np.array(found.of_train, int), of_test=np.array(found.of_test, int))
        telling = [[(str(name), float(above)) for name, above in one] for one in found.telling]
        found = replace(found, telling=telling, limit=float(found.limit))
        fits = found.of_train.shape == prepared.train.shape and found.of_test.shape == prepared.test.shape
        fits = fits and len(telling) == count and set(found.of_train.tolist()) == set(range(count))
        fits = fits and set(found.of_test.tolist()) <= set(range(-1, count))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not as it was written ({error}); delete it to have it made again") from error
    if not fits:
        raise UserError(f"{path} is of other images, or was edited; delete it to have it made again")
    return found
