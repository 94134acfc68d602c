"""What is left out so that every image is answered in time: scales first, then flips, then folds. No networks here."""

from dataclasses import dataclass, replace

from pipeline.imaging.flips import Flip

KEPT_FREE = 0.05  # share of the limit for what comes after the last image
SPARE = 0.8  # share of the time that a plan may need which is taken up again
LEAST_FREE = 20.0  # seconds of it, or half the limit where that is less


@dataclass(frozen=True)
class Looks:
    """How often one network looks at an image: in each of these flips, at its own size and at each of these scales.

    Attributes: settling: looks before these, at which size it is seen; they are never left out.
    """

    flips: tuple[Flip, ...]
    scales: tuple[float, ...]
    settling: int = 0

    @property
    def cost(self) -> float:
        """In looks at an image of its own size."""
        return self.settling + len(self.flips) * (1 + sum(scale**2 for scale in self.scales))


@dataclass(frozen=True)
class Plan:
    """Which networks answer, the first ones, and how each looks. Attributes: left_out: of the whole, in words."""

    looks: tuple[Looks, ...]
    left_out: str = ""

    @property
    def cost(self) -> float:
        return sum(one.cost for one in self.looks)


def plans(looks: tuple[Looks, ...]) -> list[Plan]:
    """From everything to one look by one network, beside what settles its size, each a little cheaper than the last."""
    found, now, words = [Plan(looks)], looks, {}

    def add() -> None:
        found.append(Plan(now, ", ".join(words.values())))

    for count in range(max(len(one.scales) for one in looks) - 1, -1, -1):
        now = tuple(replace(one, scales=one.scales[:count]) for one in now)
        words["scales"] = f"scales but for {count} and 1" if count else "scales but for 1"
        add()
    flips = max(len(one.flips) for one in looks)
    while flips > 1:
        flips //= 2
        now = tuple(replace(one, flips=one.flips[:flips]) for one in now)
        words["flips"] = f"flips but for {flips}" if flips > 1 else "flips"
        add()
    for count in range(len(looks) - 1, 0, -1):
        now = now[:count]
        words["folds"] = f"networks but for {count} of {len(looks)}"
        add()
    return found


@dataclass
class Clock:
    """Chooses among plans by the pace that is measured as the work goes on.

    Args:
        plans: from the dearest to the cheapest. total: images. limit: seconds for all of it; 0 is none.
        started: when the time began to run. now: the time, in the same seconds.
    """

    plans: list[Plan]
    total: int
    limit: float
    started: float
    now: object
    at: int = 0
    done: int = 0
    per_look: float = 0.0  # seconds of a look at an image
    beside: float = 0.0  # seconds for an image beside looking: read, decoded, encoded

    @property
    def plan(self) -> Plan:
        return self.plans[self.at]

    @property
    def end(self) -> float:
        """When the last image must be answered."""
        free = max(KEPT_FREE * self.limit, min(LEAST_FREE, self.limit / 2))
        return self.started + self.limit - free

    def is_over(self) -> bool:
        return bool(self.limit) and self.now() >= self.end

    def looked(self, seconds: float, looks: float) -> None:
        """So many seconds went into so many looks: what was last seen counts for half."""
        if looks:
            self.per_look = seconds / looks if not self.per_look else (self.per_look + seconds / looks) / 2

    def went_by(self, seconds: float, images: int) -> None:
        """So many seconds went by for images beside looking at them."""
        if images:
            self.beside = seconds / images if not self.beside else (self.beside + seconds / images) / 2

    def needed(self, plan: Plan) -> float:
        """Seconds for the images that are left."""
        return (self.total - self.done) * (self.beside + self.per_look * plan.cost)

    def adjusted(self) -> str:
        """Goes on by the dearest plan that fits into what is left; one that is dearer than the last one with room to
        spare. Returns what that leaves out, in words; blank where nothing changes."""
        if not self.limit:
            return ""
        left, before = self.end - self.now(), self.at
        room = [left * (SPARE if i < before else 1) for i in range(len(self.plans))]
        fitting = (i for i, plan in enumerate(self.plans) if self.needed(plan) <= room[i])
        self.at = next(fitting, len(self.plans) - 1)
        if self.at == before:
            return ""
        pace = f"{self.per_look * 1000:.3g} ms a look, {self.total - self.done} images and {max(left, 0):.0f} s left"
        return f"time limit: left out are {self.plan.left_out or 'no looks any more'} ({pace})"
