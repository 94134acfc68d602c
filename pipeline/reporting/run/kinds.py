"""Scores by kind of picture and by group, and what they come to with the kinds as frequent as in the test part."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import shown
from pipeline.reporting.run.facts import Facts
from pipeline.reporting.shared import charts
from pipeline.runs import by_kind as split_by_kind
from pipeline.runs import clusters
from pipeline.runs.job import Job

LOWEST = 10  # groups in the table
# as the recipe has them -> in words
SPLITS = {"": "kinds in every fold", "kind": "kinds never seen"}


@dataclass(frozen=True)
class Reweighted:
    """The score with the test part's mix of kinds.

    Attributes:
        score: the sum over kinds of share in test x score; error: its standard error, kinds taken for independent.
        covered: the share of the test images that are of these kinds; absent: the other kinds.
        unsure: kinds of one image or group, of whose scores no error is known.
    """

    score: float
    error: float
    covered: float
    absent: list[str]
    unsure: list[str]


def reweighted(measured: dict[str, tuple[float, float]], test: dict[str, int]) -> Reweighted | None:
    """From kind -> (score, its standard error) of held-out images, and kind -> images of the test part; None where no
    kind is in both. Kinds that nothing was held out of are left out, and the shares of the others then add up to 1."""
    known = [kind for kind in test if kind in measured]
    count = sum(test[kind] for kind in known)
    if not count:
        return None
    shares = np.array([test[kind] / count for kind in known])
    scores, errors = np.array([measured[kind] for kind in known]).T
    return Reweighted(
        score=float(shares @ scores),
        error=float(np.sqrt(np.square(shares * errors).sum())),
        covered=count / sum(test.values()),
        absent=sorted(test.keys() - measured.keys()),
        unsure=[kind for kind, error in zip(known, errors, strict=True) if error == 0],
    )


def by_kind(facts: Facts, table) -> dict:
    """The score of each kind of picture, the most frequent in the test part first; empty where there are no kinds.
    `table`: the index of the prepared data."""
    names = table["kind"].to_numpy()
    if facts.held_out is None or len(np.unique(names)) < 2:
        return {}
    here, test = names[facts.held_out.rows], names[(table["part"] == "test").to_numpy()]
    hidden = facts.submitted.tally if facts.submitted and facts.hidden else None
    rows, measured = [], {}
    for kind in np.unique(names):
        mine, count = np.flatnonzero(here == kind), int((test == kind).sum())
        row = {"name": kind or "no kind", "n": len(mine), "share": len(mine) / len(here), "test": count or None}
        row |= {"test_share": count / len(test) if len(test) else None, "score": None, "error": None, "hidden": None}
        if len(mine):
            tally = facts.held_out.tally.of(mine)
            measured[kind] = row["score"], row["error"] = tally.score(), tally.error()
        if hidden is not None and count:
            row["hidden"] = hidden.of(np.flatnonzero(names[facts.submitted.rows] == kind)).score()
        rows.append(row)
    rows.sort(key=lambda row: (-(row["test"] or 0), -row["n"]))
    drawn = [("all", facts.held_out.tally.score(), facts.held_out.tally.error())]
    drawn += [(row["name"], row["score"], row["error"]) for row in rows if row["n"]]
    counts = {kind: int((test == kind).sum()) for kind in np.unique(test)}
    return {"rows": rows, "chart": charts.dots(drawn), "reweighted": reweighted(measured, counts)}


def line(facts: Facts, table) -> str:
    """For the terminal: the reweighted score; blank where there is none."""
    found = by_kind(facts, table).get("reweighted")
    if found is None:
        return ""
    rest = f"; {1 - found.covered:.0%} of them are of kinds without a score: {', '.join(found.absent)}"
    return (
        f"out-of-fold with the test part's mix of kinds {found.score:.4f}"
        + (f" ± {found.error:.4f}" if found.error else "")
        + (rest if found.absent else "")
    )


def about(job: Job, facts: Facts, table) -> dict:
    """What is to be said of kinds besides their scores. `table`: as `by_kind.table`.

    Keys: any (whether there is something), by_kind (whether folds are by kind), clusters (how many stand for kinds, or
    0), lacking (a line), beside (run, folds, score, error, n, why: this run and those whose folds are made otherwise),
    once (each kind counted once: mean, error, number).
    """
    rows = by_kind(facts, table).get("rows", [])
    scores = np.array([row["score"] for row in rows if row["score"] is not None])
    is_by_kind = job.recipe.split == "kind"
    content = {
        "by_kind": is_by_kind,
        "clusters": job.recipe.folds if is_by_kind and not split_by_kind.are_named(job.prepared) else 0,
        "lacking": lacking_line(job, table),
        "beside": _beside(job, facts),
        "once": _once(scores) if is_by_kind and len(scores) > 1 else None,
    }
    return {**content, "any": any(content.values())}


def _once(scores: np.ndarray) -> dict:
    """The mean over kinds, however many images they have, and its standard error over kinds."""
    return {"score": float(scores.mean()), "error": float(scores.std(ddof=1) / np.sqrt(len(scores))), "n": len(scores)}


def _beside(job: Job, facts: Facts) -> list[dict]:
    """This run and those that differ from it in how their folds are made alone; empty where there is none."""
    if not facts.beside or facts.headline is None:
        return []
    here = facts.headline
    mine = {"score": here.score, "error": here.error, "n": here.n, "why": ""}
    rows = [{"run": job.store.run, "folds": SPLITS[job.recipe.split], **mine}]
    for run, (content, why) in facts.beside.items():
        known = {} if why else content
        row = {"score": known.get("cross_fitted"), "error": known.get("standard_error"), "n": known.get("n")}
        rows.append({"run": run, "folds": SPLITS["" if job.recipe.split else "kind"], **row, "why": why})
    return rows


def beside_lines(job: Job, facts: Facts) -> list[str]:
    """For the terminal: the scores of the runs beside this one."""
    rows = _beside(job, facts)[1:]
    return [
        f"beside it run '{row['run']}', {row['folds']}: "
        + (row["why"] or f"{row['score']:.4f}" + (f" ± {row['error']:.4f}" if row["error"] else ""))
        for row in rows
    ]


def lacking_line(job: Job, table) -> str:
    """Which kinds of test pictures train lacks, in words; blank where it has all. `table`: of `by_kind`."""
    found, count = split_by_kind.lacking(table), len(job.prepared.test)
    if not found:
        return ""
    of = sum(found.values())
    if job.recipe.split == "kind" and not split_by_kind.are_named(job.prepared):
        return (
            f"{of} of {count} test images are far from every cluster of train images (farther from its centre than "
            f"{clusters.FAR:.0%} of the train images are; {(1 - clusters.FAR) * count:.0f} would be so by chance)"
        )
    named = shown([f"{kind} ({n})" for kind, n in found.items()])
    return f"{of} of {count} test images are of kinds that no train image is of: {named}"


def by_group(facts: Facts) -> dict:
    """The lowest scores of groups of several images, and how far groups lie apart; empty where there are no two."""
    held = facts.held_out
    if held is None or held.groups is None:
        return {}
    names, counts = np.unique(held.groups, return_counts=True)
    rows = []
    for name, count in zip(names, counts, strict=True):
        if count > 1 and name:
            tally = held.tally.of(np.flatnonzero(held.groups == name))
            rows.append({"name": name, "n": int(count), "score": tally.score()})
    if len(rows) < 2:
        return {}
    scores = np.array([row["score"] for row in rows])
    rows.sort(key=lambda row: row["score"])
    return {"rows": rows[:LOWEST], "count": len(rows), "spread": float(scores.std(ddof=1))}
