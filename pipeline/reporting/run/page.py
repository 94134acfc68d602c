"""The report of a run as one self-contained html page: collects what its files say, and fills in page.html."""

from pathlib import Path

from pipeline.imaging.flips import SYMMETRIES
from pipeline.recipe import scales
from pipeline.reporting.run import gallery, kinds, proposals, reproduce, sections, test_part, why
from pipeline.reporting.run.facts import Facts, agreement
from pipeline.reporting.shared import pictures
from pipeline.reporting.shared.page import css, filled_in
from pipeline.runs import adopted, by_kind, own_groups, trained, tuning
from pipeline.runs.job import Job
from pipeline.training import trainer

SHOWN = 6  # tiles in each part of the gallery
GALLERY = {
    "worst": "Lowest score first, then most wrong pixels: what to fix, or what no one can.",
    "typical": "Truth not empty, and the score nearest to the median of such images.",
    "best": "The highest scores where the truth is not empty, from little to much of it.",
}


def collect(job: Job, facts: Facts) -> dict:
    """The content of the page, by section."""
    competition, folds = job.competition, trained.folds(job)
    shown = _gallery(job, facts)
    train = job.prepared.table["coverage"].to_numpy(float)[job.prepared.train]
    return {
        "competition": competition,
        "run": job.store.run,
        "recipe_name": job.recipe_name,
        "metric": competition.metric.name,
        "headline": facts.headline,
        "hidden": facts.hidden,
        "agreement": agreement(facts.headline, facts.hidden) if facts.headline and facts.hidden else "",
        "ours": facts.ours,
        "notes": notes(job, facts),
        "fold_count": job.fold_table.count,
        "trained": folds,
        "scores": sections.scores(facts),
        "official": sections.official(facts),
        "folds": sections.folds(facts),
        "learning": sections.learning(facts),
        "thresholds": sections.thresholds(facts, competition.task),
        "postprocess": sections.postprocess(facts),
        "classes": sections.classes(facts, competition.task),
        "units": sections.units(facts),
        "also": list(competition.also),
        "searched": bool(facts.pictures),
        "coverage": sections.coverage(facts),
        **_why(job, facts),
        "gallery": shown,
        "proposals": proposals.cards(job),
        "void": any(tile["void"] for group in shown for tile in group["tiles"]),
        "flips": sections.flips(facts, *_views(job), job.recipe.object_radius),
        "submission": sections.submission(facts, train),
        "submission_file": job.store.shown(job.store.submission),
        "origin": reproduce.origin(job),
        "recipe": reproduce.recipe_fields(job),
        "environments": reproduce.environments(job),
        "changed_code": reproduce.changed_code(job),
        "commands": reproduce.commands(job),
        "commit": reproduce.git_commit(),
        "fingerprints": reproduce.fingerprints(job),
        "colours": {"truth": css(pictures.TRUTH), "found": css(pictures.FOUND)},
        "mistake_colours": [*map(css, pictures.MISTAKES)],
        "legend": [
            (name, css(colour))
            for name, colour in zip(competition.task.classes, pictures.palette(competition.task), strict=False)
        ],
    }


def _why(job: Job, facts: Facts) -> dict:
    """Not only how much, but what is wrong, of which pictures, and whether the test part is like them."""
    task, table = job.competition.task, by_kind.table(job)
    return {
        "has_objects": task.objects,
        "has_groups": facts.held_out is not None and facts.held_out.groups is not None,
        "confusion": why.confusion(facts, task),
        "pixels": why.pixels(facts, task),
        "objects": why.objects(facts, task),
        "average_precisions": why.average_precisions(facts),
        "fates": why.fates(facts),
        "reliability": why.reliability(facts, task),
        "expected": why.expected(facts),
        "kinds": kinds.by_kind(facts, table),
        "of_kinds": kinds.about(job, facts, table),
        # listed with the scores where they are what is scored
        "groups": {} if sections.units(facts) else kinds.by_group(facts),
        "test_part": test_part.content(job, facts),
    }


def render(content: dict) -> str:
    """The page as html."""
    return filled_in(Path(__file__).with_name("page.html"), content)


def notes(job: Job, facts: Facts) -> list[str]:
    """What a reader must know before believing the numbers."""
    found, numbered = [], [fold for fold in facts.histories if fold != "all"]
    count = job.fold_table.count
    if facts.held_out is None:
        found.append("Nothing was held out: there is no score to expect, and thresholds were not chosen by one.")
    elif len(numbered) < count:
        found.append(f"{len(numbered)} of {count} folds are trained; the scores are of the images these held out.")
    if len(numbered) == 1 and facts.ours and facts.content.get("cross_fitted") is not None:
        found.append("With one fold, cross-fitting chooses thresholds on four fifths of it and scores the last fifth.")
    warning = _collapsed(job, facts)
    if warning:
        found.append(warning[0].upper() + warning[1:] + ".")
    found += [line[0].upper() + line[1:] + "." for line in _doubts(job, facts)]
    if facts.shift and (shifted := facts.shift.warning()):
        found.append(shifted[0].upper() + shifted[1:] + ".")
    found += [f"{line[0].upper()}{line[1:]}." for line in own_groups.described(job.prepared, job.store.own_groups.name)]
    found += [*job.competition.remarks, *job.prepared.notes]
    if not facts.ours:
        found.append("thresholds.json was made or edited by hand: the scores were counted anew with its thresholds.")
    return found


def _doubts(job: Job, facts: Facts) -> list[str]:
    """Of predictions that another program made: what makes one ask whether they are out-of-fold."""
    origin = adopted.read(job.store)
    if origin is None:
        return []
    return [*origin.get("warnings", []), *(adopted.doubts(facts.content) if facts.ours else [])]


def _collapsed(job: Job, facts: Facts) -> str | None:
    held = facts.held_out
    if held is None:
        return None
    empty = job.competition.task.is_empty(held.tally.metric, held.tally.statistics)
    return tuning.collapsed(empty, held.coverage)


def _views(job: Job) -> tuple[list[str], list[str]]:
    """What predictions are averaged over: the names of flips, and of scales."""
    if not trainer.averages(job.recipe):
        return [], []
    larger = [f"{scale:g}" for scale in scales(job.recipe.tta_scales)]
    seen = ["1", *larger] if larger or job.recipe.object_radius else []
    return [flip.name for flip in SYMMETRIES[job.competition.symmetry]], seen


def _gallery(job: Job, facts: Facts) -> list[dict]:
    held, found = facts.held_out, facts.submitted
    if held is not None:
        chosen = gallery.choose(held.scores, held.wrong, held.coverage, SHOWN)

        def tiles(indices):
            return gallery.tiles(facts.decoder, held, facts.rules, indices)
    elif found is not None and found.tally is not None:
        scores = found.tally.image_scores()
        chosen = gallery.choose(scores, 1 - scores, found.truth_coverage, SHOWN)

        def tiles(indices):
            return gallery.tiles_of_test(job, found, indices)
    else:
        return []
    groups = ((name, indices) for name, indices in chosen.items() if len(indices))
    return [{"name": name, "note": GALLERY[name], "tiles": tiles(indices)} for name, indices in groups]
