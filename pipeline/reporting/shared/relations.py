"""Charts of runs among each other: who beats whom, by how much, and what was uploaded."""

import numpy as np

from pipeline.reporting.shared.charts import CARD, COLOURS, INK, MUTED, svg


def gains(names: list[str], values: list[float], errors: list[float], axis: str) -> str:
    """Differences of parts of the images, above and below nothing, with standard errors."""

    def draw(figure, axes):
        places = np.arange(len(names))
        axes.axhline(0, color=MUTED, linewidth=1)
        axes.errorbar(places, values, yerr=errors, fmt="o", color=COLOURS[0], elinewidth=1.6, markersize=5)
        axes.set_xticks(places, names, fontsize=9.5)
        axes.margins(x=0.06)
        axes.set_xlabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)

    return svg("difference by coverage of the truth", draw, height=2.9)


def shares(names: list[str], values: np.ndarray) -> str:
    """r x r shares 0..1, of row against column, as a map with the per cent written in it; nothing on the diagonal."""
    count = len(names)
    labels = [name if len(name) <= 18 else f"{name[:17]}…" for name in names]

    def draw(figure, axes):
        for row in range(count):
            for column in range(count):
                if row == column:
                    continue
                share = float(values[row, column])
                colour = COLOURS[0] if share >= 0.5 else COLOURS[1]
                corner = column - 0.5, row - 0.5
                box = {"alpha": 0.05 + 1.3 * abs(share - 0.5), "linewidth": 0}
                axes.add_patch(_rectangle(corner, colour, box))
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=INK, fontsize=9.5)
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_xticks(range(count), [str(number + 1) for number in range(count)])
        axes.set_yticks(range(count), [f"{label}  {number}" for number, label in enumerate(labels, 1)])
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)

    return svg("how often a run beats another on the private part", draw, height=max(1.4, 0.6 + 0.3 * count))


def _rectangle(corner: tuple[float, float], colour: str, style: dict):
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, color=colour, **style)


def uploads(points: list[tuple[float, float]], line, expected: list[tuple[float, float]]) -> str:
    """Public scores over cross-fitted ones, with the line through them and a band of one standard error of a new score;
    runs that are not uploaded lie on the line, hollow. `line`: a `runs.expected.Line`, or None."""

    def draw(figure, axes):
        across = np.array([x for x, _ in [*points, *expected]])
        reach = max(np.ptp(across), 1e-3)
        places = np.linspace(across.min() - 0.08 * reach, across.max() + 0.08 * reach, 60)
        if line is not None:
            heights = np.array([line.at(x) for x in places])
            if line.spread is not None:
                band = np.array([line.band(x) for x in places])
                axes.fill_between(places, heights - band, heights + band, color=COLOURS[0], alpha=0.13, linewidth=0)
            axes.plot(places, heights, color=COLOURS[0], linewidth=1.4)
        if expected:
            axes.plot(*zip(*expected, strict=True), "o", color=COLOURS[1], markerfacecolor=CARD, markersize=5)
        if points:
            axes.plot(*zip(*points, strict=True), "o", color=COLOURS[0], markersize=5.5)
        axes.set_xlabel("cross-fitted score")
        axes.set_ylabel("public score")
        axes.tick_params(length=0)

    return svg("public scores over cross-fitted ones", draw, height=3.1)
