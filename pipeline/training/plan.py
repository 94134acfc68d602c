"""What a fold is made of, whoever learns it; the sizes it learns at; and what of it cannot be."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.competition import Competition
from pipeline.errors import UserError, shown
from pipeline.imaging.sizes import network_shape
from pipeline.models import catalogue as models
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe, option, parts
from pipeline.store.prepared import Prepared, View
from pipeline.training import catalogue
from pipeline.training.pseudo_labels import PseudoLabels


@dataclass(frozen=True)
class FoldPlan:
    """What a fold is made of.

    Attributes:
        number: -1 for `all`, otherwise the fold held out.
        learnt, held_out: row numbers of the prepared table; learnt are also those of the pseudo-labels.
        inputs: the fingerprints of all this, for checkpoint and records.
        folder: the only place written to.
        pseudo: what is learnt of test images, or None.
    """

    number: int
    learnt: np.ndarray
    held_out: np.ndarray
    inputs: dict
    folder: Path
    pseudo: PseudoLabels | None = None

    @property
    def name(self) -> str:
        """As a person types it: `2`, or `all`."""
        return "all" if self.number < 0 else str(self.number)


def network_window(prepared: Prepared, recipe: Recipe, frame: Frame, learnt: np.ndarray) -> tuple[int, int]:
    """Height and width of what the network sees while it learns, margin included: a crop, or the largest image of the
    train part and of what else is learnt."""
    if recipe.crop:
        answered = (frame.side(recipe.crop),) * 2
    else:
        table = prepared.table.iloc[np.union1d(prepared.train, learnt)]
        largest = int(table["height"].max()), int(table["width"].max())
        answered = network_shape(*largest, recipe.size, recipe.fit, frame.side)
    return answered[0] + 2 * frame.margin, answered[1] + 2 * frame.margin


def training_shape(window: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    """The one shape of all training batches: with a crop, what zooming out may show of an image around the window."""
    if not recipe.crop:
        return window
    return math.ceil(window[0] * (1 + recipe.scale)), math.ceil(window[1] * (1 + recipe.scale))


def steps_of(recipe: Recipe, learnt: int) -> int:
    """Batches of an epoch, where so many images are learnt from."""
    return recipe.steps or max(1, learnt // (recipe.batch_size * recipe.slices))


def late_from(recipe: Recipe) -> int:
    """The finished epochs after which the late loss is learnt; all of them without one."""
    return math.ceil(recipe.epochs * (1 - recipe.late_share)) if recipe.late_loss else recipe.epochs


def check_loss(recipe: Recipe, competition: Competition) -> None:
    """Raises UserError when the recipe's loss is none for this kind of answer."""
    if models.finds_objects(recipe):
        _check_objects(recipe, competition)
    known, losses = competition.task.losses, catalogue.losses()
    if recipe.border_weight:
        # only to ask: not every kind of answer has objects
        competition.task.apart(np.zeros((4, 4, competition.task.layers), np.uint8))
    for name, loss in (("loss", recipe.loss), ("late_loss", recipe.late_loss)):
        wrong = [part for part, _ in parts(loss) if losses[part].like not in known]
        if wrong:
            fitting = [part for part, one in losses.items() if one.like in known]
            raise UserError(
                f"{option(name)} {loss}: {competition.name} cannot learn by {wrong[0]}; its kind of answer learns by "
                f"sums of {', '.join(fitting)}"
            )
    used = [part for part, _ in parts(f"{recipe.loss}+{recipe.late_loss}")]
    if recipe.border_weight and "bce" not in used:
        raise UserError("--border-weight is of the loss bce, which this recipe does not use")
    if recipe.class_balance and "ce" not in used and not recipe.border_weight:
        raise UserError("--class-balance is of the loss ce, or of bce with a --border-weight; this recipe has neither")


def _check_objects(recipe: Recipe, competition: Competition) -> None:
    """Raises UserError where a network that finds objects is asked for what is of pixels."""
    if not competition.task.objects:
        raise UserError(
            f"--model {recipe.model} finds single objects, and {competition.name} asks for none; name another network"
        )
    for field, off in (("border_weight", "0"), ("class_balance", "0"), ("late_loss", "''")):
        if getattr(recipe, field):
            raise UserError(
                f"{option(field)} is of losses of pixels, and --model {recipe.model} has its own; give {option(field)} "
                f"{off}"
            )


def check_held_out(plan: FoldPlan, view: View, ids) -> None:
    """Raises UserError where images that are learnt together with others are held out."""
    if view.slices == 1:
        return
    seen = {int(member) for row in plan.learnt for member in view.members(row)}
    both = [ids[row] for row in plan.held_out if int(row) in seen]
    if both:
        raise UserError(
            f"fold {plan.number} holds out slices of volumes that it also learns from: {shown(sorted(both))}; with "
            "--slices all images of a group must be in one fold"
        )
