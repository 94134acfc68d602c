"""The sections of the page: each function turns facts into what the template fills in. No file is read here."""

import numpy as np

from pipeline.competition import coverage_class
from pipeline.imaging.metrics import standard_error
from pipeline.reporting.run.facts import Facts
from pipeline.reporting.shared import charts, pictures
from pipeline.reporting.shared.page import css
from pipeline.runs import official as by_organisers
from pipeline.runs import postprocessing
from pipeline.tasks import scoring
from pipeline.tasks.task import Task

COVERAGE = [str(10 * tenth) for tenth in range(11)]  # names of the coverage classes
COVERAGE_AXIS = "coverage, up to … % of the image"


def scores(facts: Facts) -> dict:
    """The table and the chart of all scores of the run."""
    held, content = facts.held_out, facts.content if facts.ours else {}
    rows = []

    def add(name, score, error, note):
        if score is not None:
            rows.append({"name": name, "score": score, "error": error, "note": note})

    if facts.hidden:
        add("hidden truth", facts.hidden.score, facts.hidden.error, "the submission, scored as a leaderboard would")
    if held is not None:
        add("cross-fitted", content.get("cross_fitted"), content.get("standard_error"), _CROSS)
        tally, plain = held.tally, held.unflipped
        add("out-of-fold", tally.score(), tally.error(), "with the thresholds of the submission")
        add("at .5", content.get("oof_at_half"), None, "no threshold chosen at all")
        if plain is not None and not np.array_equal(plain.statistics, tally.statistics):
            add("not averaged", plain.score(), plain.error(), "the same, each image seen once")
    # the score to expect comes first; where nothing is hidden it is so already
    rows.sort(key=lambda row: row["name"] != "cross-fitted")
    chart = charts.dots([(row["name"], row["score"], row["error"]) for row in rows]) if len(rows) > 1 else ""
    kinds = {"mean_iou_at_half": "all images", "mean_iou_at_half_non_empty": "images with truth"}
    overlaps = [f"{content[key]:.4f} on {name}" for key, name in kinds.items() if content.get(key) is not None]
    return {"rows": rows, "chart": chart, "overlaps": overlaps}


def official(facts: Facts) -> dict:
    """The organisers' score and its parts, where the metric is another one; empty elsewhere. The first row is the
    whole score."""
    kept = facts.content.get("official", {}) if facts.ours else {}
    hidden = facts.submitted.official if facts.submitted else None
    metric = hidden.metric if hidden else None
    if not (kept or hidden):
        return {}
    rows = [
        {
            "name": kept.get("name", metric and metric.name),
            "cross_fitted": kept.get("cross_fitted"),
            "error": kept.get("standard_error"),
            "oof": kept.get("oof"),
            "hidden": hidden and hidden.score(),
            "hidden_error": hidden and hidden.error(),
        }
    ]
    scores = metric.part_scores(hidden.statistics.sum(axis=0)).tolist() if hidden else []
    names = [(part["name"], part["weight"]) for part in kept.get("parts", [])]
    for k, (name, weight) in enumerate(names or [(part.name, part.weight) for part in metric.measured]):
        part = kept["parts"][k] if kept else {}
        row = {"name": f"{name}, weight {weight:g}", "hidden": scores[k] if scores else None}
        rows.append(row | {key: part.get(key) for key in ("cross_fitted", "oof")})
    missing = by_organisers.missing(kept or {"left_out": metric.left_out})
    return {"rows": rows, "units": kept.get("units"), "incomplete": kept.get("incomplete"), "missing": missing}


_CROSS = "thresholds chosen on the other folds: what to expect on new images"


def folds(facts: Facts) -> list[dict]:
    """One row per trained fold; `all` and folds brought by hand have blanks."""
    held, rows = facts.held_out, []
    saved = {entry["name"]: entry for entry in facts.content.get("by_fold", [])} if facts.ours else {}
    for fold, history in facts.histories.items():
        mine = np.flatnonzero(held.folds == fold) if held is not None and fold != "all" else np.zeros(0, int)
        seconds = [row["seconds"] for row in history if row.get("seconds") is not None]
        row = {"name": fold, "n": len(mine) or None, "score": None, "cross_fitted": None, "error": None, "also": {}}
        row |= {"epochs": len(history) or None, "minutes": sum(seconds) / 60 if seconds else None}
        row |= {"loss": history[-1].get("loss") if history else None}
        if len(mine):
            tally = held.tally.of(mine)
            row |= {"score": tally.score(), "error": tally.error()}
            row["cross_fitted"] = saved.get(fold, {}).get("cross_fitted")
            row["also"] = saved.get(fold, {}).get("also", {})
        rows.append(row)
    return rows


def learning(facts: Facts) -> list[dict]:
    """A chart for each quantity that any history.csv holds; where no fold has two values, a line that says them."""
    titles = {"loss": "Loss", "accuracy": "Accuracy", "iou": "IoU", "score": "Held-out score"}
    found = []
    for column, title in titles.items():
        series = [(f"fold {fold}", *_known(rows, column)) for fold, rows in facts.histories.items()]
        series = [entry for entry in series if entry[2]]
        if any(len(values) > 1 for _, _, values in series):
            found.append({"title": title, "chart": charts.curves(title, series), "line": ""})
        elif series:
            said = [f"{values[0]:.4f} ({name}, epoch {epochs[0]:.0f})" for name, epochs, values in series]
            found.append({"title": title, "chart": "", "line": f"{title}: {', '.join(said)}."})
    return found


def _known(rows: list[dict], column: str) -> tuple[list, list]:
    """The epochs of a history that have a value in this column, and the values."""
    kept = [row for row in rows if row.get("epoch") is not None and row.get(column) is not None]
    return [row["epoch"] for row in kept], [row[column] for row in kept]


def thresholds(facts: Facts, task: Task) -> list[dict]:
    """For each class its rule, and the surface and curve of the search where they were kept. Classes that share one
    rule share an entry."""
    found, kept = [], facts.pictures
    error = facts.headline.error if facts.headline else 0.0
    shared = len(set(facts.rules)) == 1 and "surface1" not in kept
    for k, (name, rule) in enumerate(zip(task.classes, facts.rules, strict=True)):
        entry = {"name": ", ".join(task.classes) if shared else name, "sentence": task.in_words(rule)}
        entry |= {"surface": "", "curve": "", "titles": []}
        if f"surface{k}" in kept and kept[f"surface{k}"].size > 1:
            fields, titles = kept[f"fields{k}"].tolist(), kept[f"titles{k}"].tolist()
            chosen = tuple(getattr(rule, field) for field in fields)
            axes = kept[f"x{k}"], kept[f"y{k}"]
            entry["surface"] = charts.surface(kept[f"surface{k}"], *axes, titles, chosen, error)
            entry["titles"] = titles
        if f"curve{k}" in kept:
            entry["curve"] = charts.threshold_curve(kept[f"curve{k}"], rule.bottom, error)
        found.append(entry)
        if shared:
            break
    return found


def postprocess(facts: Facts) -> str:
    """What the competition's `postprocess` does for the labels, in a sentence; blank where there is none."""
    job, kept = facts.decoder.job, facts.content.get("postprocess") if facts.ours else None
    if job.competition.postprocess is None:
        return ""
    if kept is None:
        return f"Postprocess: {'applied' if facts.decoder.applies else 'not applied'}, with thresholds made by hand."
    line = postprocessing.line(kept)
    return f"{line[0].upper()}{line[1:]}."


def classes(facts: Facts, task: Task) -> list[dict]:
    """The score of each class, out-of-fold and on the hidden truth; empty where there is one class."""
    names = task.classes
    tallies = {"score": facts.held_out and facts.held_out.tally, "hidden": facts.submitted and facts.submitted.tally}
    columns = {key: tally.by_class() for key, tally in tallies.items() if tally is not None and len(names) > 1}
    columns = {key: values for key, values in columns.items() if values is not None}
    if not columns:
        return []
    saved = {entry["name"]: entry for entry in facts.content.get("by_class", [])} if facts.ours else {}
    painted = [css(colour) for colour in pictures.palette(task)] or [""] * len(names)
    rows = []
    for k, name in enumerate(names):
        row = {"name": name, "colour": painted[k], "cross_fitted": saved.get(name, {}).get("cross_fitted")}
        rows.append(row | {key: float(columns[key][k]) if key in columns else None for key in tallies})
    return rows


def units(facts: Facts) -> list[dict]:
    """The score of each unit where units are groups of images, the lowest first; empty elsewhere."""
    rows = facts.content.get("by_unit", []) if facts.ours else []
    return sorted(rows, key=lambda row: row["score"])


def coverage(facts: Facts) -> dict:
    """Scores by how much of the image the truth covers; empty without held-out images."""
    held = facts.held_out
    if held is None:
        return {}
    keys, rows = coverage_class(held.coverage), []
    for key in np.unique(keys):
        mine = np.flatnonzero(keys == key)
        score, wrong = float(held.scores[mine].mean()), float(held.wrong[mine].mean())
        rows.append(
            {"name": COVERAGE[key], "n": len(mine), "score": score, "error": _error(held, mine), "wrong": wrong}
        )
    # the points of the whole score that are lost in the class: where there is something to gain
    alone = len(np.unique(held.tally.units())) == len(keys)
    for row in rows:
        row["lost"] = (1 - row["score"]) * row["n"] / len(keys) if alone else None
    columns = [[row[name] for row in rows] for name in ("name", "score", "error")]
    return {"rows": rows, "chart": charts.bars(*columns, COVERAGE_AXIS) if len(rows) > 1 else ""}


def flips(facts: Facts, names: list[str], scales: list[str], radius: float) -> dict:
    """What averaging over views gave, image by image; empty where predictions without were not kept.

    `radius`: in pixels, of the objects that scales are counted from; 0 where it is the picture's own size.
    """
    held = facts.held_out
    if held is None or held.unflipped is None:
        return {}
    each = held.scores - held.unflipped.image_scores()
    counts = {"better": each > 0, "worse": each < 0, "same": each == 0}
    gain, error = scoring.gain(held.tally, held.unflipped)
    return {
        "names": names,
        "scales": scales,
        "radius": radius,
        "views": len(names) * max(1, len(scales)),
        "gain": gain,
        "error": error,
        "with": held.tally.score(),
        "without": held.unflipped.score(),
        **{name: int(chosen.sum()) for name, chosen in counts.items()},
    }


def submission(facts: Facts, train_coverage: np.ndarray) -> dict:
    """What the csv holds beside what truth and out-of-fold predictions hold; empty without a submission."""
    found, held = facts.submitted, facts.held_out
    if found is None:
        return {}
    parts = [("truth of train", train_coverage)]
    if held is not None:
        parts.append(("out-of-fold", held.found))
    parts.append(("submission", found.coverage))
    series = [
        (name, (np.bincount(coverage_class(values), minlength=11) / len(values)).tolist()) for name, values in parts
    ]
    rows = [
        {"name": name, "n": len(values), "empty": float(np.mean(values == 0)), "coverage": float(np.mean(values))}
        for name, values in parts
    ]
    return {
        "summary": found.summary,
        "is_test": found.is_test,
        "rows": rows,
        "chart": charts.shares(COVERAGE, series, COVERAGE_AXIS),
    }


def _error(held, mine: np.ndarray) -> float:
    return standard_error(held.scores[mine], None if held.groups is None else held.groups[mine])
