"""The sections of the page: each function turns what was found into what the template shows. No file is read."""

import numpy as np

from pipeline.competition import coverage_class
from pipeline.errors import shown
from pipeline.imaging import evenly
from pipeline.reporting.explore import gallery
from pipeline.reporting.explore.facts import Explored
from pipeline.reporting.shared import charts
from pipeline.reporting.shared.page import css
from pipeline.runs.copies import contradicted, in_both_parts, named

ROWS = 12  # of a table, before the rest is summed up
PAIRS = 6  # of copies shown
DOTS = 1500  # of a scatter: more are no clearer, and the page grows
QUANTILES = {"smallest": 0, "5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95, "largest": 100}
COVERAGE_NAMES = [str(10 * tenth) for tenth in range(11)]


def sizes(found: Explored) -> list[dict]:
    """How many images of each size, the most frequent first; many sizes end in one row for the rest."""
    table = found.table
    counted = table.groupby(["height", "width", "part"]).size().unstack("part", fill_value=0)
    rows = [
        {"name": f"{height} × {width}", **{part: int(counts.get(part, 0)) for part in ("train", "test")}}
        for (height, width), counts in counted.iterrows()
    ]
    rows.sort(key=lambda row: -row["train"] - row["test"])
    rest = rows[ROWS:]
    if len(rest) > 1:
        sums = {part: sum(row[part] for row in rest) for part in ("train", "test")}
        rows = [*rows[:ROWS], {"name": f"{len(rest)} more sizes", **sums}]
    return rows


def values(found: Explored) -> dict:
    """Least, mean, spread and largest value of each channel in each part, and how bright images are."""
    rows, brightness = [], []
    pixels = (found.table["height"] * found.table["width"]).to_numpy(float)
    for part, mask in parts(found).items():
        weights = pixels[mask] / pixels[mask].sum()
        low, high = found.values[mask, 0].min(axis=0), found.values[mask, 1].max(axis=0)
        mean, square = np.einsum("i,ijk->jk", weights, found.values[mask, 2:])
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        for k in range(min(len(mean), ROWS)):
            measured = {"low": low[k], "mean": mean[k], "spread": spread[k], "high": high[k]}
            rows.append({"part": part, "channel": k + 1, **{name: float(value) for name, value in measured.items()}})
        brightness.append((part, found.values[mask, 2].mean(axis=1)))
    edges = _edges(np.concatenate([numbers for _, numbers in brightness]), 32 if len(pixels) > 400 else 16)
    chart = charts.steps("images by brightness", edges, brightness, "mean value of an image")
    return {"rows": rows, "chart": chart, "channels": found.values.shape[2]}


def coverage(found: Explored, layers: int) -> dict:
    """How much of the images the truth covers, and of the images with any how many pixels, over all layers."""
    shares = found.coverage
    counts = np.bincount(coverage_class(shares), minlength=11).tolist()
    pixels = (found.table["height"] * found.table["width"]).to_numpy(float)[found.is_train]
    filled = shares > 0
    areas = np.round(shares * pixels * layers)[filled]
    rows = []
    if filled.any():
        for name, share in QUANTILES.items():
            measured = {"share": np.percentile(shares[filled], share), "pixels": np.percentile(areas, share)}
            rows.append({"name": name, **{key: float(value) for key, value in measured.items()}})
    chart = charts.columns("images by coverage", COVERAGE_NAMES, counts, "coverage, up to … % of the image")
    return {"chart": chart, "rows": rows, "mean": float(shares.mean()), "full": int((shares == 1).sum())}


def classes(found: Explored, task) -> dict:
    """For each class its share of the pixels that are not void, and of the images that hold it."""
    pixels, known = found.pixels, np.maximum(found.known, 1)
    total = max(int(found.known.sum()), 1)
    colours = {k: css(colour) for k, _, colour in gallery.legend(task)}
    rows = []
    for k, name in enumerate(task.classes):
        here = pixels[:, k] > 0
        rows.append(
            {
                "name": name,
                "colour": colours.get(k, ""),
                "share": float(pixels[:, k].sum() / total),
                "images": int(here.sum()),
                "held": float(here.mean()),
                "where": float((pixels[here, k] / known[here]).mean()) if here.any() else None,
                "smallest": int(pixels[here, k].min()) if here.any() else None,
                "median": float(np.median(pixels[here, k])) if here.any() else None,
            }
        )
    area = int((found.table["height"] * found.table["width"])[found.is_train].sum())
    some = int(pixels.sum()) - int(found.several.sum())
    return {
        "rows": rows,
        "void": 1 - found.known.sum() / area if task.void is not None else None,
        # of what carries a label at all; a pixel in three classes is counted a little less than it is
        "several": found.several.sum() / max(some, 1) if task.layers > 1 else None,
    }


def objects(found: Explored) -> dict:
    """How many objects images hold, and how large they are; empty where labels are no object numbers."""
    if found.objects is None:
        return {}
    counts, areas = np.array([len(part) for part in found.objects]), np.concatenate(found.objects)
    rows = [
        {"name": name, "count": float(np.percentile(counts, share)), "area": float(np.percentile(areas, share))}
        for name, share in QUANTILES.items()
    ]
    edges = 10 ** _edges(np.log10(areas), 28)
    # rounding must not leave the ends out
    edges[0], edges[-1] = min(edges[0], areas.min()), max(edges[-1], areas.max())
    drawn = []
    # of a single number there is nothing to draw
    if np.ptp(counts):
        by_image = charts.steps("images by objects", _edges(counts, 28), [("train", counts)], "objects in an image")
        drawn.append(("Objects in an image", by_image))
    if np.ptp(areas):
        by_area = charts.steps("objects by area", edges, [("train", areas)], "pixels of an object", log=True)
        drawn.append(("Their areas", by_area))
    return {
        "total": int(counts.sum()),
        "median": float(np.median(counts)),
        "rows": rows,
        "charts": drawn,
    }


def extra(found: Explored) -> list[dict]:
    """Each number known of the images against the coverage of their truth; nothing where fewer than three vary."""
    entries = []
    for name in [] if found.extra is None else found.extra.columns:
        given = found.extra[name].to_numpy(float)
        x, y = given[found.is_train], found.coverage
        known = np.isfinite(x)
        x, y = x[known], y[known]
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        drawn = evenly.places(len(x), DOTS)
        chart = charts.scatter(f"{name} and coverage", x[drawn], y[drawn], (name, "coverage"), _means(x, y))
        ranks = [np.unique(part, return_inverse=True)[1] for part in (x, y)]
        means = {part: _mean(given[mask]) for part, mask in parts(found).items()}
        entries.append(
            {
                "name": name,
                "n": len(x),
                "drawn": len(drawn),
                "r": float(np.corrcoef(x, y)[0, 1]),
                "ranks": float(np.corrcoef(*ranks)[0, 1]),
                "means": means,
                "chart": chart,
            }
        )
    return entries


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _means(x: np.ndarray, y: np.ndarray, count: int = 8) -> tuple | None:
    """Mean x, mean y and its standard error in parts of equally many images; None when they are few."""
    if len(x) < 10 * count:
        return None
    parts = np.array_split(np.argsort(x, kind="stable"), count)
    return tuple(
        np.array([measure(part) for part in parts])
        for measure in (lambda p: x[p].mean(), lambda p: y[p].mean(), lambda p: y[p].std(ddof=1) / np.sqrt(len(p)))
    )


def subsets(found: Explored, column: str) -> dict:
    """The groups or kinds of the images, the largest first; empty where there are none."""
    if column not in found.table or not (found.table[column] != "").any():
        return {}
    named = found.table[found.table[column] != ""]
    rows = []
    for name, members in named.groupby(column):
        shares = members["coverage"].to_numpy(float)[(members["part"] == "train").to_numpy()]
        entry = {part: int((members["part"] == part).sum()) for part in ("train", "test")}
        entry |= {"empty": _mean(shares == 0), "coverage": _mean(shares)}
        rows.append({"name": name, **entry})
    rows.sort(key=lambda row: -row["train"] - row["test"])
    counts = np.array([row["train"] + row["test"] for row in rows])
    return {
        "count": len(rows),
        "largest": int(counts.max()),
        "median": float(np.median(counts)),
        "smallest": int(counts.min()),
        "alone": int((counts == 1).sum()),
        "both": sum(row["train"] > 0 and row["test"] > 0 for row in rows),
        "test_only": [row["name"] for row in rows if not row["train"]],
        "rows": rows[:ROWS],
    }


def constant(found: Explored) -> dict[str, int]:
    """How many images of each part have one value alone."""
    return {part: int(found.constant[mask].sum()) for part, mask in parts(found).items()}


def copies(found: Explored) -> dict:
    """Pairs that are alike, by the parts of their images, and those of different labels."""
    parts, rows = found.table["part"].to_numpy(), []
    kinds = {"exact": found.copies.exact, "near": found.copies.near}
    for first, second in (("train", "train"), ("train", "test"), ("test", "test")):
        across = first != second
        row = {"name": f"one in {first}, one in {second}" if across else f"both in {first}", "across": across}
        for kind, pairs in kinds.items():
            mine = pairs[(parts[pairs[:, 0]] == first) & (parts[pairs[:, 1]] == second)]
            row |= {kind: len(mine), f"{kind}_images": len(np.unique(mine))}
        rows.append(row)
    if len(np.unique(parts)) < 2:
        rows = rows[:1]
    exact, near = found.contradictions()
    leaks = found.split_by_folds()
    pairs = [*exact.tolist(), *near.tolist(), *leaks.tolist(), *kinds["exact"].tolist(), *kinds["near"].tolist()]
    return {
        "rows": rows,
        "exact": len(kinds["exact"]),
        "near": len(kinds["near"]),
        "alike": found.copies.alike,
        "contradictions": {"exact": exact, "near": near},
        "leaks": leaks,
        "shown": list(dict.fromkeys(tuple(pair) for pair in pairs))[:PAIRS],
    }


def warnings(found: Explored, content: dict) -> list[str]:
    """What somebody should look at before training, each in one sentence."""
    ids, copied, lines = found.table["id"].to_numpy(), content["copies"], []
    broken = ids[found.finite < 1]
    if len(broken):
        lines.append(f"{len(broken)} image(s) hold values that are no finite numbers: {shown(broken)}.")
    filled = ids[found.is_train][found.constant[found.is_train] & (found.coverage > 0)]
    if len(filled):
        lines.append(f"{len(filled)} constant image(s) in train have labels, with nothing to see: {shown(filled)}.")
    exact, near = copied["contradictions"]["exact"], copied["contradictions"]["near"]
    lines += [f"{line}." for line in contradicted(ids, exact, near)]
    if len(copied["leaks"]):
        lines.append(
            f"{len(copied['leaks'])} pair(s) of copies in train are in no common group, so folds may split them: "
            f"{named(ids, copied['leaks'])}."
        )
    both = in_both_parts(ids, found.copies.pairs, len(found.truths))
    lines += [f"{line}." for line in both]
    absent = [row["name"] for row in content["classes"]["rows"] if not row["images"]]
    if absent:
        lines.append(f"In no train image: {', '.join(absent)}.")
    if content["kinds"] and content["kinds"]["test_only"]:
        lines.append(f"Kinds that are in the test part alone: {shown(content['kinds']['test_only'])}.")
    if content["groups"] and content["groups"]["both"]:
        lines.append(f"{content['groups']['both']} group(s) have images in train and in test.")
    return lines


def parts(found: Explored) -> dict[str, np.ndarray]:
    """part -> where its images are, n bool; without the test part where there is none."""
    masks = {"train": found.is_train, "test": ~found.is_train}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _edges(values: np.ndarray, count: int) -> np.ndarray:
    """Of at most `count` bins from the least to the largest value; of whole numbers each bin holds as many."""
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(values.dtype, np.integer):
        width = -(-int(high - low + 1) // count)
        return np.arange(low, high + width + 1, width) - 0.5
    return np.linspace(low, high if high > low else low + 1, count + 1)
