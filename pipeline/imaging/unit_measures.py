"""What an `official.OfficialMetric` measures on a unit: functions of (volume, truth), and the scores made of them."""

import functools

import numpy as np

from pipeline.imaging.hausdorff import normalised_hausdorff
from pipeline.imaging.objects import overlaps
from pipeline.imaging.official import Part
from pipeline.imaging.surface_dice import surface_dice_of
from pipeline.imaging.variation_of_information import of_components


def dice_of_slices(volume: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Dice of each slice and class, but those in which there is nothing, found or true (UW-Madison GI Tract 2022)."""
    both, total = (volume & truth).sum((1, 2)), volume.sum((1, 2)) + truth.sum((1, 2))
    counted = total > 0
    return float((2 * both[counted] / total[counted]).sum()), float(counted.sum())


def nearness_of_volume(volume: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """1 - Hausdorff distance in a cube of side 1 by its diagonal, of all classes together; left out where nothing is
    found or true (UW-Madison GI Tract 2022)."""
    distance = normalised_hausdorff(volume.any(axis=-1), truth.any(axis=-1))
    return (0.0, 0.0) if np.isnan(distance) else (1.0 - distance, 1.0)


def surface_dice(volume: np.ndarray, truth: np.ndarray, tolerance: float = 0.0, spacing=(1.0, 1.0, 1.0)):
    """Surface Dice of each class, with a tolerance in the unit of the spacing of slices, rows and columns; of single
    images of their outlines; 1 where both are empty (SenNet 2024: tolerance 0; Vesuvius Surface 2025: 2)."""
    if len(volume) == 1:
        volume, truth, spacing = volume[0], truth[0], spacing[1:]
    scores = [surface_dice_of(volume[..., k], truth[..., k], tolerance, spacing) for k in range(truth.shape[-1])]
    return float(sum(scores)), float(len(scores))


def agreement_of_components(volume: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """1 / (1 + .3 VOI) of each class: the variation of information of its connected parts, neighbours by corners, too
    (Vesuvius Surface 2025)."""
    pairs = [(volume[..., k], truth[..., k]) for k in range(truth.shape[-1])]
    return float(sum(1 / (1 + 0.3 * of_components(*pair)) for pair in pairs)), float(len(pairs))


def optimal_f1(volume: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """F1 of pixels of objects paired for the largest sum (Kuhn 1955), by the larger number of objects, found or true;
    1 where there are none (Recod.ai forgery 2025). Of numbers of objects (`reads=object_numbers`)."""
    scores = [_optimal_f1(found, true) for found, true in zip(volume[..., 0], truth[..., 0], strict=True)]
    return float(sum(scores)), float(len(scores))


def _optimal_f1(found: np.ndarray, truth: np.ndarray) -> float:
    from scipy.optimize import linear_sum_assignment

    table = overlaps(found, truth)
    most = max(len(table.found_areas), len(table.truth_areas))
    if most == 0:
        return 1.0
    scores = np.zeros((len(table.found_areas), len(table.truth_areas)))
    areas = table.found_areas[table.found] + table.truth_areas[table.truth]
    scores[table.found, table.truth] = 2 * table.intersection / areas
    return float(scores[linear_sum_assignment(scores, maximize=True)].sum() / most)


DICE_AND_HAUSDORFF = (Part("Dice of slices", 0.4, dice_of_slices), Part("1 - Hausdorff", 0.6, nearness_of_volume))
SURFACE_AND_COMPONENTS = (
    Part("topology (Betti matching)", 0.30, None),
    Part("surface Dice at 2", 0.35, functools.partial(surface_dice, tolerance=2.0)),
    Part("1 / (1 + .3 VOI)", 0.35, agreement_of_components),
)
