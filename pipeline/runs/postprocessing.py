"""What a competition's `postprocess` gains on held-out images, and whether it is kept.

Measured as everything is: on images decoded by thresholds chosen on the other folds, with and without, by what the
competition is scored by. Kept where it gains more than one paired standard error.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.runs import answers, official, tuning
from pipeline.runs.decoding import Decoder
from pipeline.runs.tuning import Apart, OutOfFold
from pipeline.tasks import scoring
from pipeline.tasks.scoring import Tally


def measures(decoder: Decoder, folds: list[int], plain_kept: bool) -> dict:
    """The fields of `OutOfFold` that images are decoded for, as this decoder decodes them."""
    job = decoder.job
    found: dict[str, Callable | None] = {"counted": None, "unflipped": None}
    if decoder.applies:
        found["counted"] = _Remembered(functools.partial(answers.counted, decoder, folds))
    if plain_kept:
        rows = answers.held_out(job, folds)
        everything, metric, groups = np.arange(len(rows)), job.competition.metric, job.prepared.groups(rows)
        found["unflipped"] = lambda rules: Tally(
            metric, answers.counted(decoder, folds, [(everything, rules)], "valid_no_tta"), groups
        )
    if job.competition.official is not None:
        found["official"] = _Remembered(functools.partial(official.of_answers, decoder, folds))
    return found


def processed(decoder: Decoder, folds: list[int], data: OutOfFold) -> OutOfFold:
    """The same images as this decoder decodes them."""
    return replace(data, **measures(decoder, folds, data.unflipped is not None)) if decoder.applies else data


@dataclass(frozen=True)
class Decided:
    """Attributes: decoder: the one to use. data: the held-out images as it decodes them. said: what thresholds.json
    keeps of the other, None where the competition has no `postprocess`."""

    decoder: Decoder
    data: OutOfFold
    said: dict | None = None


def decided(decoder: Decoder, folds: list[int], data: OutOfFold, apart: Apart) -> Decided:
    """Whether `postprocess` is kept.

    Args: decoder: of thresholds alone. data: as it decodes. apart: see `tuning.chosen_apart`.
    """
    if decoder.job.competition.postprocess is None:
        return Decided(decoder, data)
    if not len(apart):
        return Decided(decoder, data, UNKNOWN)
    other = replace(decoder, applies=True)
    with_it = processed(other, folds, data)
    said = measured(with_it, data, apart)
    return Decided(other, with_it, said) if said["kept"] else Decided(decoder, data, said)


def measured(other: OutOfFold, data: OutOfFold, chosen: Apart) -> dict:
    """What thresholds.json keeps: the scores with and without, the paired gain and its error, and of how many images
    the metric counts something else. `chosen`: the rules that each image is decoded by."""
    chosen = list(chosen)
    pair = [one.tally_of(chosen) if data.official is None else one.official(chosen) for one in (other, data)]
    gain, error = scoring.gain(*pair)
    counts = [one.tally_of(chosen).statistics.reshape(len(data.ids), -1) for one in (other, data)]
    return {
        "kept": tuning.is_evidence(gain, error, data.parts),
        "gain": gain,
        "error": error,
        "with": pair[0].score(),
        "without": pair[1].score(),
        "metric": pair[0].metric.name,
        "changed": int((counts[0] != counts[1]).any(axis=1).sum()),
        "n": len(data.ids),
    }


UNKNOWN = {"kept": False, "gain": None, "error": None}


def line(found: dict) -> str:
    """`postprocess: +0.0031 ± 0.0012 (mean Dice, …), kept`: what `tune` says."""
    if found["gain"] is None:
        return "postprocess: not kept, because what it gains cannot be cross-fitted on what is held out"
    is_few = found["gain"] > found["error"]
    why = "too few independent parts to tell" if is_few else "no more than one standard error"
    verdict = "kept" if found["kept"] else f"not kept: {why}"
    return f"postprocess: {_gain(found)}, {verdict}"


def line_by_hand(found: dict, applies: bool) -> str:
    """The same of thresholds made by hand, which say themselves whether it is applied."""
    how = 'applied ("postprocess": false leaves it out)' if applies else "not applied, as thresholds.json says"
    return f"postprocess: {_gain(found)} with these thresholds, {how}"


def _gain(found: dict) -> str:
    said = f"{found['gain']:+.4f} ± {found['error']:.4f} ({found['metric']}, {found['without']:.4f} without; "
    return said + f"{found['changed']} of {found['n']} images changed)"


class _Remembered:
    """A measure of places and rules, each taken once: pixels are read for it."""

    def __init__(self, measure: Callable):
        self.measure, self.known = measure, {}

    def __call__(self, chosen):
        key = tuple((np.asarray(places).tobytes(), tuple(rules)) for places, rules in chosen)
        if key not in self.known:
            self.known[key] = self.measure(chosen)
        return self.known[key]
