"""How many epochs fit into a given time, from how long the parts of a fold take. Arithmetic alone; `pace` measures."""

from dataclasses import dataclass

MOST = 1000  # epochs that a budget picks
# kept back for thresholds, submission and report: a share of the budget, and at least these seconds
SHARE, LEAST = 0.05, 10.0


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a fold take.

    Attributes:
        start: until a network learns: it is built, and its step compiled; and what is done once at its end.
        step: one batch, the mean over a training.
        save: a checkpoint, at the end of every epoch.
        ready: until a network predicts: it is built, and its answer compiled.
        image, flipped: to predict an image as it is, and averaged over the recipe's flips and scales.
        count: to score the answer to an image.
    """

    start: float
    step: float
    save: float
    ready: float
    image: float
    flipped: float
    count: float


@dataclass(frozen=True)
class Work:
    """What one fold has to do: steps of an epoch, images it holds out, images of the test part."""

    steps: int
    held_out: int
    test: int


def estimated(epochs: int, work: list[Work], pace: Pace, score_every: int) -> float:
    """Seconds to train folds for so many epochs, one after the other, and to predict with each."""
    return sum(_of_fold(epochs, fold, pace, score_every) for fold in work)


def epochs_within(seconds: float, work: list[Work], pace: Pace, score_every: int) -> int:
    """The most epochs, up to MOST, that are estimated to take no longer than this; 0 where one takes longer."""
    fitting = [epochs for epochs in range(1, MOST + 1) if estimated(epochs, work, pace, score_every) <= seconds]
    return max(fitting, default=0)


def folds_within(seconds: float, epochs: int, work: list[Work], pace: Pace, score_every: int) -> int:
    """How many of these folds, the first ones, can have so many epochs each in this time."""
    counts = range(1, len(work) + 1)
    return max((n for n in counts if estimated(epochs, work[:n], pace, score_every) <= seconds), default=0)


def usable(budget: float) -> float:
    """Seconds of a budget that are not kept back."""
    return budget - max(LEAST, SHARE * budget)


def needed(seconds: float) -> float:
    """The budget of which so many seconds are usable."""
    return max(seconds + LEAST, seconds / (1 - SHARE))


def _of_fold(epochs: int, work: Work, pace: Pace, score_every: int) -> float:
    # every so many epochs, and after the last
    scorings = -(-epochs // score_every)
    learning = pace.start + epochs * (work.steps * pace.step + pace.save)
    held_out = test = 0.0
    if work.held_out:
        # predicted while it learns; at the end once more, with flips, and both answers are scored
        each = scorings * (pace.image + pace.count) + pace.flipped + 2 * pace.count
        held_out = 2 * pace.ready + work.held_out * each
    if work.test:
        test = pace.ready + work.test * pace.flipped
    return learning + held_out + test
