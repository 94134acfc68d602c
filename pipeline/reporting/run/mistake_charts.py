"""Charts of what is wrong and what was promised, in the style of `shared.charts`."""

import numpy as np

from pipeline.reporting.shared.charts import COLOURS, LINE, MUTED, svg


def stacked(title: str, names: list[str], series: list[tuple[str, list[float]]], axis: str) -> str:
    """Shares that add up to one, one upon the other, the first at the bottom: (name, share in each class)."""
    colours = (COLOURS[2], COLOURS[0], COLOURS[1], MUTED)

    def draw(figure, axes):
        places, bottom = np.arange(len(names)), np.zeros(len(names))
        for number, (name, values) in enumerate(series):
            colour = colours[number % len(colours)]
            axes.bar(places, values, 0.78, bottom=bottom, color=colour, alpha=0.8, label=name, linewidth=0)
            bottom = bottom + values
        axes.set_xticks(places, names, fontsize=9.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_ylim(0, 1)
        axes.set_xlabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9.5, labelcolor=MUTED, handlelength=1.2)

    return svg(title, draw, height=3.2)


def reliability(series: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Against what was said (name, x) what came true (y) with its standard error; on the diagonal they are the same."""

    def draw(figure, axes):
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.4, linestyle=(0, (4, 2)))
        for number, (name, said, seen, errors) in enumerate(series):
            known = np.isfinite(said)
            colour = COLOURS[number % len(COLOURS)]
            bars = {"elinewidth": 1.2, "marker": "o", "markersize": 4}
            axes.errorbar(said[known], seen[known], errors[known], color=colour, label=name, **bars)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("probability that was said")
        axes.set_ylabel("share that came true")
        axes.tick_params(length=0)
        if len(series) > 1:
            axes.legend(fontsize=9.5, labelcolor=MUTED, handlelength=1.2)

    return svg("reliability of the probabilities", draw, height=3.2)
