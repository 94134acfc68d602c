"""Charts as inline SVG. Colours are CSS variables of the page, so one chart serves light and dark.

Matplotlib draws with sentinel colours, which are replaced in the SVG; text stays text in the page's own font. A chart
is about as large as a phone is wide and scales with its box.
"""

import io
import re
from html import escape
from itertools import pairwise

import numpy as np

INK, MUTED, LINE, CARD = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
COLOURS = tuple(f"#0a0c{number:02x}" for number in range(1, 6))
_CSS = {INK: "ink", MUTED: "muted", LINE: "line", CARD: "card"} | {
    colour: f"c{number}" for number, colour in enumerate(COLOURS, 1)
}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    # numbers are written out: no 1e-6 beside an axis
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-7, 7),
    # the lowest label of one axis stays clear of the first one of the other
    "xtick.major.pad": 7,
    "ytick.major.pad": 5,
}
APART = 0.6  # of the letters' height: what labels of an axis keep between them
LONGEST = 40  # letters of a title that comes from the data


def dots(rows: list[tuple[str, float, float | None]]) -> str:
    """Scores one below the other: (label, score, standard error or None); bars are one standard error. The first
    row is the one that counts."""

    def draw(figure, axes):
        for place, (_, score, error) in enumerate(rows):
            colour = COLOURS[0] if place == 0 else MUTED
            if error:
                axes.plot([score - error, score + error], [place, place], color=colour, linewidth=2.2)
            axes.plot(score, place, "o", color=colour, markersize=7.5 if place == 0 else 5.5)
        low, high = rows[0][1] - (rows[0][2] or 0), rows[0][1] + (rows[0][2] or 0)
        axes.axvspan(low, high, color=COLOURS[0], alpha=0.10, linewidth=0)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.margins(x=0.08)
        axes.grid(axis="y", visible=False)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)

    return svg("scores with their standard errors", draw, height=0.75 + 0.28 * len(rows))


def curves(title: str, series: list[tuple[str, list, list]]) -> str:
    """Lines over epochs: (name, epochs, values); a blank value (None) is no point."""

    def draw(figure, axes):
        for number, (name, epochs, values) in enumerate(series):
            kept = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
            if kept:
                marker = "o" if len(kept) <= 15 else None
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(*zip(*kept, strict=True), color=colour, label=name, marker=marker, markersize=3.5)
        axes.set_xlabel("epoch")
        _whole_numbers(axes.xaxis)
        if axes.dataLim.y0 >= 0:
            # what is never below 0 gets no axis below it
            axes.set_ylim(bottom=max(0, axes.get_ylim()[0]))
        if len(series) > 1:
            axes.legend(fontsize=9.5, labelcolor=MUTED, ncols=1 + (len(series) > 3), handlelength=1.2)

    return svg(title, draw, width=4.0, height=2.6)


def surface(means: np.ndarray, x: np.ndarray, y: np.ndarray, titles: list[str], chosen, error: float) -> str:
    """The score over two numbers of a rule (x, n; y, m): means n x m. `chosen` is what was chosen of both; the line
    is where the score is one standard error below the best."""

    def draw(figure, axes):
        low = max(float(means.min()), float(means.max()) - max(8 * error, 0.02))
        shown = axes.imshow(
            means.T, origin="lower", aspect="auto", interpolation="none", cmap="viridis", vmin=low, vmax=means.max()
        )
        border = float(means.max()) - error
        if error > 0 and means.min() < border and min(means.shape) > 1:
            axes.contour(means.T, levels=[border], colors="white", linewidths=1)
        place = np.interp(chosen[0], x, np.arange(len(x))), np.interp(chosen[1], y, np.arange(len(y)))
        axes.plot(*place, "o", markersize=9, markerfacecolor="none", markeredgecolor="white", markeredgewidth=3.5)
        axes.plot(*place, "o", markersize=9, markerfacecolor="none", markeredgecolor="#d03a00", markeredgewidth=1.8)
        axes.set_xticks(*_ticks(x))
        axes.set_yticks(*_ticks(y))
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        axes.grid(visible=False)
        bar = figure.colorbar(shown, ax=axes, pad=0.02, aspect=26, extend="min" if low > means.min() else "neither")
        bar.outline.set_visible(False)

    return svg(f"score by {titles[0]} and {titles[1]}", draw, height=2.9)


def _ticks(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Places and words for some of the values, evenly spaced along their number."""
    places = np.unique(np.linspace(0, len(values) - 1, 6).round().astype(int))
    whole = np.array_equal(values, np.round(values)) and values.max() > 1
    return places, [f"{values[place]:.0f}" if whole else f"{values[place]:.2f}" for place in places]


def threshold_curve(means: np.ndarray, chosen: float, error: float) -> str:
    """The mean score at the plain levels 1..255 (means, 255), with a band of one standard error and a line where
    the mask is drawn (`chosen`, 0..1)."""

    def draw(figure, axes):
        levels = np.arange(1, 256) / 255
        axes.fill_between(levels, means - error, means + error, color=COLOURS[0], alpha=0.14, linewidth=0)
        axes.plot(levels, means, color=COLOURS[0])
        axes.axvline(chosen, color=COLOURS[1], linewidth=1.4, linestyle=(0, (4, 2)))
        axes.set_xlim(0, 1)
        # the ends, where everything or nothing is salt, would flatten what is worth seeing
        axes.set_ylim(max(float(means.min()), float(means.max()) - 0.25) - error)
        axes.set_xlabel("plain threshold")

    return svg("score by plain threshold", draw, height=2.9)


def bars(names: list[str], values: list[float], errors: list[float], axis: str) -> str:
    """Scores of parts of the images, with standard errors."""

    def draw(figure, axes):
        places = np.arange(len(names))
        axes.bar(places, values, width=0.72, color=COLOURS[0], alpha=0.75, linewidth=0)
        axes.errorbar(places, values, yerr=errors, fmt="none", ecolor=INK, elinewidth=1.2, capsize=0)
        axes.set_xticks(places, names, fontsize=9.5)
        # low scores would be too low to tell apart
        highest = max(value + (error or 0) for value, error in zip(values, errors, strict=True))
        axes.set_ylim(0, 1.1 * highest if 0 < highest < 0.5 else 1.02)
        axes.set_xlabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)

    return svg("score by coverage of the truth", draw, height=2.9)


def shares(names: list[str], series: list[tuple[str, list[float]]], axis: str) -> str:
    """Histograms beside each other: (name, share of the images in each class)."""

    def draw(figure, axes):
        places, width = np.arange(len(names)), 0.8 / len(series)
        for number, (name, values) in enumerate(series):
            colour = (MUTED, COLOURS[1], COLOURS[0])[number % 3]
            offset = (number - (len(series) - 1) / 2) * width
            axes.bar(places + offset, values, width=width, color=colour, label=name, linewidth=0)
        axes.set_xticks(places, names, fontsize=9.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)
        axes.legend(fontsize=9.5, labelcolor=MUTED)

    return svg("share of the images by coverage", draw, height=2.9)


def svg(title: str, draw, width: float = 4.6, height: float = 2.7) -> str:
    """What `draw(figure, axes)` draws, as an <svg> element that fills the width of its box."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # a fixed salt: the same chart is the same text
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure, figure.add_subplot())
        _keep_labels_apart(figure)
        buffer = io.StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    return _for_page(buffer.getvalue(), title)


def _whole_numbers(axis) -> None:
    """Labels at whole numbers alone: there is no half epoch, object or image."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", steps=(1, 2, 5, 10), integer=True, min_n_ticks=1))


def _logarithmic(axes, edges: np.ndarray) -> None:
    """A logarithmic x axis, labelled at 1, 10, 100 …, where it is short also at 2 and 5; numbers as they are."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if edges[-1] < 300 * edges[0] else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.12g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _keep_labels_apart(figure) -> None:
    """Leaves every second, third … label of an axis alone where all of them would run together."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis, side in ((axes.xaxis, "x"), (axes.yaxis, "y")):
            least, most = sorted(axis.get_view_interval())
            places = [place for place in axis.get_ticklocs() if least <= place <= most]
            boxes = [
                (getattr(box, f"{side}0"), getattr(box, f"{side}1"), box.height)
                for tick in axis.get_major_ticks()
                if tick.label1.get_visible() and tick.label1.get_text() and least <= tick.get_loc() <= most
                for box in [tick.label1.get_window_extent()]
            ]
            step = _step(sorted(boxes))
            if step > 1:
                axis.set_ticks(places[::step], axis.get_major_formatter().format_ticks(places)[::step])


def _step(boxes: list[tuple[float, float, float]]) -> int:
    """The first n where each n-th of the boxes (start, end, height of the letters) is clear of the next one."""
    for step in range(1, len(boxes)):
        kept = boxes[::step]
        if all(after[0] - box[1] >= APART * box[2] for box, after in pairwise(kept)):
            return step
    return max(1, len(boxes))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _for_page(svg: str, title: str) -> str:
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]+)"', svg).group(1)
    body = svg[svg.index(">") + 1 :]
    # Matplotlib numbers its groups alike in every chart; ids are to be unique in a page
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body).replace("xlink:href", "href")
    # its style rule would hold for the whole page, its fonts are not the page's
    body = re.sub(r"<style.*?</style>|font-family: [^;]*; ", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    for colour, name in _CSS.items():
        body = body.replace(colour, f"var(--{name})")
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(title)}">{body}'


def columns(title: str, names: list[str], counts: list[int], axis: str) -> str:
    """How many images in each class, the number above each column."""

    def draw(figure, axes):
        places = np.arange(len(names))
        axes.bar(places, counts, width=0.78, color=COLOURS[0], alpha=0.8, linewidth=0)
        for place, count in zip(places, counts, strict=True):
            axes.annotate(str(count), (place, count), (0, 2), textcoords="offset points", ha="center", fontsize=9)
        axes.set_xticks(places, names, fontsize=9.5)
        _whole_numbers(axes.yaxis)
        axes.margins(y=0.1)
        axes.set_xlabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)

    return svg(title, draw, height=2.9)


def steps(title: str, edges: np.ndarray, series: list[tuple[str, np.ndarray]], axis: str, log: bool = False) -> str:
    """Histograms of numbers over the same bins: (name, values), each as shares of its own."""

    def draw(figure, axes):
        for number, (name, values) in enumerate(series):
            heights = np.histogram(values, edges)[0] / max(len(values), 1)
            colour = COLOURS[number % len(COLOURS)]
            axes.stairs(heights, edges, color=colour, fill=True, alpha=0.14, linewidth=0)
            axes.stairs(heights, edges, color=colour, label=name, linewidth=1.5)
        if log:
            _logarithmic(axes, edges)
        elif all(np.issubdtype(values.dtype, np.integer) for _, values in series):
            _whole_numbers(axes.xaxis)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        axes.set_ylim(0)
        axes.set_xlabel(axis)
        axes.tick_params(length=0)
        if len(series) > 1:
            axes.legend(fontsize=9.5, labelcolor=MUTED, handlelength=1.2)

    return svg(title, draw, height=2.9)


def scatter(title: str, x: np.ndarray, y: np.ndarray, axes_titles: tuple[str, str], means: tuple | None = None) -> str:
    """A dot for each (x, y) of n; `means` (x, y, standard errors of y) are drawn over them as a line. y in shares."""

    def draw(figure, axes):
        axes.plot(x, y, "o", color=COLOURS[0], markersize=2.4, alpha=0.35, markeredgewidth=0)
        if means is not None:
            axes.errorbar(*means, color=COLOURS[1], linewidth=1.8, elinewidth=1.2, marker="o", markersize=4)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        if np.array_equal(x, np.round(x)):
            _whole_numbers(axes.xaxis)
        axes.set_xlabel(_shortened(axes_titles[0]))
        axes.set_ylabel(_shortened(axes_titles[1]))
        axes.tick_params(length=0)

    return svg(title, draw, height=2.9)
