"""A finished run as a folder of benchmarks/: README.md, thresholds.json, the submission, a picture of what was found.

    python -m benchmarks.record COMPETITION RUN --root DIR [--note "..."]

The picture shows answers alone: images and truth belong to the competitions and are not ours to pass on.
"""

import argparse
import gzip
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from pipeline.command.names import competition
from pipeline.reporting.run import facts, reproduce
from pipeline.reporting.run.submitted import labels_of_rows
from pipeline.runs.identity import resolve_run
from pipeline.runs.job import Job
from pipeline.store import disk
from pipeline.store.paths import Store

HERE = Path(__file__).parent
LARGE = 400_000  # bytes from which a csv is packed
SHOWN, SIDE = 12, 160  # answers in the picture, and the longer side of each in pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("competition")
    parser.add_argument("run")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--note", default="")
    options = parser.parse_args()
    job = job_of(options)
    folder = HERE / options.competition / options.run
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(job.store.thresholds, folder / "thresholds.json")
    keep_submission(job, folder)
    keep_picture(job, folder)
    (folder / "README.md").write_text("\n".join(lines(job, options.note)) + "\n", encoding="utf-8")
    print(f"wrote {folder}", file=sys.stderr)


def job_of(options: argparse.Namespace) -> Job:
    chosen = competition(options.competition)
    run, name, recipe = resolve_run(chosen, options.root, options.run, None, {})
    return Job(chosen, recipe, name, Store(options.root, chosen.name, run))


def keep_submission(job: Job, folder: Path) -> None:
    content = job.store.submission.read_bytes()
    for old in folder.glob("submission.csv*"):
        old.unlink()
    if len(content) < LARGE:
        (folder / "submission.csv").write_bytes(content)
        return
    with (folder / "submission.csv.gz").open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(content)


def keep_picture(job: Job, folder: Path) -> None:
    """Answers to images evenly spread over those of the csv."""
    found = facts.gather(job).submitted
    filled = np.flatnonzero(found.coverage > 0)
    if not len(filled):
        return
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, min(SHOWN, len(filled))).astype(int))]
    tiles = [tile(labels, job.competition.task) for _, labels in labels_of_rows(job, found.rows[chosen])]
    rows = [np.concatenate(tiles[i : i + 6], axis=1) for i in range(0, len(tiles) - len(tiles) % 6, 6)] or [
        np.concatenate(tiles, axis=1)
    ]
    cv2.imwrite(str(folder / "answers.png"), np.concatenate(rows)[..., ::-1])


def tile(labels: np.ndarray, task) -> np.ndarray:
    """SIDE x SIDE x 3: classes in their colours, objects in colours of their own, a mask in white."""
    numbers = labels[..., 0].astype(np.int64)
    if task.colours:
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(task.colours)] = task.colours
    elif numbers.max() > 1:
        colours = np.random.default_rng(0).integers(60, 256, (numbers.max() + 1, 3)).astype(np.uint8)
        colours[0] = 0
    else:
        colours = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)
    picture = colours[numbers]
    scale = (SIDE - 4) / max(picture.shape[:2])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    framed = np.full((SIDE, SIDE, 3), 128, np.uint8)
    framed[2 : 2 + size[1], 2 : 2 + size[0]] = small
    return framed


def lines(job: Job, note: str) -> list[str]:
    content, gathered = disk.read_json(job.store.thresholds), facts.gather(job)
    form, info = job.competition, job.prepared
    command = reproduce.commands(job)[0].replace(f" --run {job.store.run}", "", 1)
    data = "" if form.draw and not form.slug else " --data DIR"
    found = [f"# {form.title}: recipe `{job.recipe_name}`", "", f"    {command}{data}", ""]
    machines = {entry["hardware"]: entry for entry in reproduce.environments(job)}
    machine = "; ".join(
        e["hardware"] + (f", Keras {e['keras']} on {e['backend']}" if e["keras"] else "") for e in machines.values()
    )
    groups = info.groups(info.train)
    parts = f"{len(info.train)} train images" + (f" in {len(set(groups))} groups" if groups is not None else "")
    found += [f"{parts}, {len(info.test)} test images. {machine}.", *([note] if note else []), ""]
    found += ["| score: " + form.metric.name + " | |", "|---|---|"]
    error = f" ± {content['standard_error']:.4f}" if content.get("standard_error") else ""
    rows = [
        ("**cross-fitted**", content.get("cross_fitted"), error),
        ("out-of-fold, thresholds chosen on all", content.get("oof"), ""),
        ("out-of-fold at .5", content.get("oof_at_half"), ""),
        ("out-of-fold, not averaged over flips", content.get("oof_no_tta"), ""),
    ]
    if gathered.hidden:
        rows.append((f"test part, {gathered.hidden.n} images", gathered.hidden.score, ""))
    found += [f"| {name} | {value:.4f}{more} |" for name, value, more in rows if value is not None]
    found += ["", f"n = {content['n']} images, {content.get('units', 0)} unit(s).", ""]
    found += _table("class", _classes(content, gathered, form.task), ("score", "cross_fitted", "test"))
    found += _table("group", content.get("by_unit", []), ("n", "score", "cross_fitted"))
    found += _folds(job, content)
    return [*found, "![answers](answers.png)", "", "`thresholds.json` and the submission are those of this run."]


def _classes(content: dict, gathered, task) -> list[dict]:
    rows = content.get("by_class") or [{"name": name} for name in task.classes if len(task.classes) > 1]
    if gathered.submitted and gathered.submitted.tally and rows:
        rows = [{**row, "test": value} for row, value in zip(rows, gathered.submitted.tally.by_class(), strict=True)]
    return rows


def _folds(job: Job, content: dict) -> list[str]:
    rows = {row["name"]: row for row in content.get("by_fold", [])}
    found = []
    for fold, history in facts.gather(job).histories.items():
        row = rows.get(fold, {"name": fold})
        seconds = sum(entry.get("seconds") or 0 for entry in history)
        found.append(
            {**row, **row.get("also", {}), "epochs": len(history), "minutes of learning": f"{seconds / 60:.1f}"}
        )
    columns = ("n", "score", "cross_fitted", *job.competition.also, "epochs", "minutes of learning")
    return _table("fold", found, columns)


def _table(title: str, rows: list[dict], columns) -> list[str]:
    kept = [column for column in columns if any(row.get(column) is not None for row in rows)]
    if not rows:
        return []
    head = [
        f"| {' | '.join([title, *(column.replace('_', '-') for column in kept)])} |",
        "|---" * (len(kept) + 1) + "|",
    ]
    body = [f"| {' | '.join([str(row['name']), *(_shown(row.get(column)) for column in kept)])} |" for row in rows]
    return [*head, *body, ""]


def _shown(value) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) and abs(value) <= 1 else str(value)


if __name__ == "__main__":
    main()
