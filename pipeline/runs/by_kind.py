"""Folds by kind of picture (`--split kind`): each holds out kinds that its network has never seen.

A second, harsher out-of-fold: where test pictures are of other kinds than train pictures, it is nearer to the
leaderboard than folds that have their share of every kind. Kinds are those that the competition names; where it names
none, clusters of simple features (`clusters`) stand for them.
"""

import heapq
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.runs import clusters
from pipeline.store.disk import text_hash
from pipeline.store.fold_table import FoldTable
from pipeline.store.prepared import Prepared

if TYPE_CHECKING:
    from pipeline.runs.job import Job

NAMELESS = "no kind"


def are_named(prepared: Prepared) -> bool:
    """Whether any train image has a kind of its own; then blank is a kind, too."""
    kinds = prepared.columns["kind"]
    return any(kinds[row] for row in prepared.train)


def inputs_of(job: "Job") -> dict:
    """What folds by kind depend on besides the images; nothing for other folds."""
    if job.recipe.split != "kind":
        return {}
    kinds = [job.prepared.columns["kind"][row] for row in job.prepared.train]
    return {"split": "kind", "kinds": text_hash(*kinds) if any(kinds) else f"clusters {clusters.VERSION}"}


def table(job: "Job"):
    """The index of the prepared data, for a run by kind with what counts as kinds: named ones, or clusters."""
    prepared = job.prepared
    if job.recipe.split != "kind" or are_named(prepared):
        return prepared.table
    found = clusters.of(job)
    kinds = np.full(len(prepared.table), "", object)
    kinds[prepared.train] = [found.name(number) for number in found.of_train.tolist()]
    kinds[prepared.test] = [found.name(number) for number in found.of_test.tolist()]
    return prepared.table.assign(kind=kinds)


def folds(rows, count: int) -> np.ndarray:
    """A fold 0..count-1 for each row of the images table (columns id, group, kind): whole kinds, the two smallest
    joined until there are `count`; the largest is fold 0.

    Raises UserError: fewer kinds than folds, or groups that have images of several kinds.
    """
    kinds = rows["kind"].to_numpy(str)
    sizes = Counter(kinds.tolist())
    if len(sizes) == 1:
        raise UserError(
            f"--split kind: all {len(kinds)} images are of one kind ({_name(kinds[0])}): held out it leaves nothing to "
            "learn; leave out --split"
        )
    if len(sizes) < count:
        raise UserError(
            f"--split kind: there are {len(sizes)} kinds of pictures ({shown(map(_name, sorted(sizes)))}), fewer than "
            f"the {count} folds: --folds {len(sizes)}"
        )
    _refuse_split_groups(rows["group"].to_numpy(str), kinds)
    fold_of = {kind: fold for fold, joined in enumerate(_joined(sizes, count)) for kind in joined}
    return np.array([fold_of[kind] for kind in kinds.tolist()])


def of_one_fold(job: "Job", folds: list[int]) -> list[str]:
    """What to know where thresholds are chosen on a single fold by kind, which has only itself to choose them on."""
    if job.recipe.split != "kind" or len(folds) != 1:
        return []
    return [
        f"only fold {folds[0]} is trained: its thresholds are chosen on other images of the kinds that it holds out, "
        "so that its score is higher than of kinds never seen; train the other folds"
    ]


def refuse_always_learnt(rows) -> None:
    """Raises UserError where a kind that is to be held out also has images that every network learns."""
    always = rows["always_learnt"].to_numpy(bool)
    kinds = rows["kind"].to_numpy(str)
    both = set(kinds[always].tolist()) & set(kinds[~always].tolist())
    if both:
        count = int(np.isin(kinds[always], sorted(both)).sum())
        raise UserError(
            f"--split kind: {count} image(s) that are always learnt (valid_as=) are of kinds that would be "
            f'held out: {shown(map(_name, sorted(both)))}; with valid_as="folds" they are in the folds, too'
        )


def _refuse_split_groups(groups: np.ndarray, kinds: np.ndarray) -> None:
    pairs = {(group, kind) for group, kind in zip(groups.tolist(), kinds.tolist(), strict=True) if group}
    several = sorted(group for group, count in Counter(group for group, _ in pairs).items() if count > 1)
    if several:
        of_first = sorted(kind for group, kind in pairs if group == several[0])
        raise UserError(
            f"--split kind: {len(several)} group(s) have images of several kinds, and a fold would split "
            f"them: {shown(several)} (the first: {shown(map(_name, of_first))}); leave out --split, or give them one "
            "kind"
        )


def _joined(sizes: Counter, count: int) -> list[list[str]]:
    """The kinds in `count` parts: the two smallest are joined, again and again; the largest part first."""
    heap = [(size, [kind]) for kind, size in sizes.items()]
    heapq.heapify(heap)
    while len(heap) > count:
        (a, first), (b, second) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (a + b, sorted(first + second)))
    return [kinds for _, kinds in sorted(heap, key=lambda part: (-part[0], part[1]))]


def described(job: "Job", table_of_folds: FoldTable) -> list[str]:
    """What the folds hold out, which kinds they are and how many images each has; none for other folds."""
    if job.recipe.split != "kind":
        return []
    prepared, found = job.prepared, None if are_named(job.prepared) else clusters.of(job)
    kinds = table(job)["kind"].to_numpy(str)[prepared.train]
    if found is None:
        lines = [f"--split kind: by the {len(set(kinds.tolist()))} kinds that the data names"]
    else:
        lines = [
            f"--split kind: the data names no kinds; {len(found.telling)} clusters of simple features stand for them "
            "(size, brightness, contrast, edges, colours: what is in a picture they do not know)"
        ]
    for kind, count in sorted(Counter(kinds.tolist()).items(), key=lambda one: (-one[1], one[0])):
        held = sorted(set(table_of_folds.folds[kinds == kind].tolist()))
        apart = f" ({found.described(int(kind.split()[-1]))})" if found else ""
        where = f"held out by fold {held[0]}" if len(held) == 1 else f"in folds {', '.join(map(str, held))}"
        lines.append(f"{_name(kind)}: {count} image(s), {where}{apart}")
    split = sorted({kind for kind in kinds.tolist() if len(set(table_of_folds.folds[kinds == kind].tolist())) > 1})
    if split:
        lines.append(
            f"warning: {len(split)} kind(s) are in several folds: {shown(map(_name, split))}: their scores "
            "are not of kinds never seen"
        )
    else:
        lines.append(
            "the out-of-fold score is of kinds never seen: lower than with a share of each, and no run's of other folds"
        )
    return lines


def lacking(rows) -> dict[str, int]:
    """Kind -> test images of it, for kinds that no train image has, the most frequent first. `rows`: of `table`."""
    kinds, is_test = rows["kind"].to_numpy(str), (rows["part"] == "test").to_numpy()
    there = set(kinds[~is_test].tolist())
    if there == {""}:
        return {}
    return {_name(kind): count for kind, count in Counter(kinds[is_test].tolist()).most_common() if kind not in there}


def _name(kind: str) -> str:
    return kind or NAMELESS
