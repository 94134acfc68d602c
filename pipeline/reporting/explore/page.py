"""The page that shows the data before anything is trained: turns what was found into sections, and a summary."""

from pathlib import Path

import numpy as np

from pipeline.reporting.explore import gallery, sections
from pipeline.reporting.explore.facts import Explored
from pipeline.reporting.shared import pictures
from pipeline.reporting.shared.page import css, filled_in, number, percent
from pipeline.runs.job import Job

WARNINGS = 6  # on the terminal; the page holds all


def collect(job: Job, found: Explored) -> dict:
    """The content of the page, by section."""
    task, parts = job.competition.task, sections.parts(found)
    content = {
        "competition": job.competition,
        "parts": {name: int(mask.sum()) for name, mask in parts.items()},
        "empty": float(np.mean(found.coverage == 0)),
        "background": task.classes[0] if task.layers == 1 < len(task.classes) else "",
        "form": {"channels": job.prepared.info["channels"], "dtype": job.prepared.info["dtype"]},
        "sizes": sections.sizes(found),
        "values": sections.values(found),
        "coverage": sections.coverage(found, task.layers),
        "classes": sections.classes(found, task),
        "objects": sections.objects(found),
        "extra": sections.extra(found),
        "groups": sections.subsets(found, "group"),
        "kinds": sections.subsets(found, "kind"),
        "constant": sections.constant(found),
        "copies": sections.copies(found),
        "notes": job.prepared.notes,
    }
    content["warnings"] = [*content["notes"], *sections.warnings(found, content)]
    content["examples"] = gallery.examples(job.prepared, task, found.coverage, found.constant[found.is_train])
    content["pairs"] = gallery.pairs(job.prepared, task, content["copies"]["shown"])
    content["legend"] = [(name, css(colour)) for _, name, colour in gallery.legend(task)]
    content["outline"] = css(pictures.TRUTH)
    return content


def render(content: dict) -> str:
    """The page as html."""
    return filled_in(Path(__file__).with_name("page.html"), content)


def summary(content: dict) -> list[str]:
    """A dozen lines for the terminal."""
    form, table, copied = content["form"], content["coverage"], content["copies"]
    low, high = (pick(row[name] for row in content["values"]["rows"]) for pick, name in ((min, "low"), (max, "high")))
    sizes_shown = ", ".join(row["name"] for row in content["sizes"][:3]) + (", …" if len(content["sizes"]) > 3 else "")
    lines = [
        ("images", ", ".join(f"{count} {name}" for name, count in content["parts"].items())),
        ("pixels", f"{form['channels']} channel(s) of {form['dtype']}, {number(low)} to {number(high)}; {sizes_shown}"),
        ("coverage", f"{percent(content['empty'])} empty, mean {percent(table['mean'])}"),
    ]
    lines += [
        (row["name"], f"{percent(row['share'])} of the pixels, in {percent(row['held'])} of the images")
        for row in content["classes"]["rows"][:4]
    ]
    if len(content["classes"]["rows"]) > 4:
        lines.append(("…", f"{len(content['classes']['rows']) - 4} more classes"))
    if content["objects"]:
        entry = content["objects"]
        lines.append(("objects", f"{entry['total']}, median {number(entry['median'])} in an image"))
    for plural in ("groups", "kinds"):
        if content[plural]:
            lines.append((plural, f"{content[plural]['count']}, the largest of {content[plural]['largest']} images"))
    lines += [(entry["name"], f"correlation with coverage {entry['r']:+.3f}") for entry in content["extra"]]
    near = "too many images resemble each other" if copied["alike"] is None else f"{copied['near']} near pairs"
    lines.append(
        ("copies", f"{copied['exact']} exact pairs, {near}; {sum(content['constant'].values())} constant images")
    )
    told = content["warnings"][:WARNINGS]
    lines += [("warning", text) for text in told]
    if len(content["warnings"]) > len(told):
        lines.append(("…", f"{len(content['warnings']) - len(told)} more warnings on the page"))
    return [f"{name + ':':<12} {text}" for name, text in lines]
