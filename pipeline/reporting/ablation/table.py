"""What variants gain, for people: a csv, lines for the terminal, and a picture."""

import io
from pathlib import Path

from pipeline.reporting.ablation import facts
from pipeline.reporting.ablation.facts import COLUMNS, Outcome
from pipeline.store import disk

WIDEST = 48  # letters of a variant on the terminal


def write(path: Path, outcomes: list[Outcome]) -> None:
    """The table, and once there is something to compare the picture beside it, a .png."""
    found = facts.rows(outcomes)
    disk.write_rows(path, COLUMNS, [[row[name] for name in COLUMNS] for row in found])
    if len(found) > 1:
        with disk.atomic(path.with_suffix(".png")) as part:
            part.write_bytes(picture(found))


def lines(outcomes: list[Outcome]) -> list[str]:
    """The table for the terminal."""
    base, found = outcomes[0], facts.rows(outcomes)
    width = max(len(_shortened(row["variant"])) for row in found) + 2
    title = f"{base.half.metric.name}, {len(base.half)} images of fold(s) {', '.join(map(str, base.folds))}"
    head = f"{'variant':<{width}}{'cross-fitted':>17}{'gain':>19}{'gain at .5':>19}  {'verdict':<15}{'minutes':>7}"
    return [title, head, *(_line(row, width) for row in found)]


def _line(row: dict, width: int) -> str:
    gain = _with_error(row["gain"], row["gain_error"], "+")
    at_half = _with_error(row["gain_at_half"], row["gain_at_half_error"], "+")
    score = _with_error(row["score"], row["standard_error"])
    time = "-" if row["minutes"] is None else f"{row['minutes']:.1f}"
    start = f"{_shortened(row['variant']):<{width}}{score:>17}{gain:>19}{at_half:>19}"
    return f"{start}  {row['verdict'] or '':<15}{time:>7}"


def _shortened(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _with_error(value: float | None, error: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.4f}" + (f" ± {error:.4f}" if error is not None else "")


def picture(found: list[dict]) -> bytes:
    """A PNG of the gains with bars of one standard error; `found` as `rows` gives it, the base first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    base, *others = found
    figure = Figure(figsize=(9, 1.3 + 0.42 * len(others)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0, color="#8a94a0", linewidth=1)
    for name, label, colour, offset in (
        ("gain", "cross-fitted", "#1f6fb4", -0.11),
        ("gain_at_half", "at .5", "#c9751c", 0.11),
    ):
        known = [(place, row) for place, row in enumerate(others) if row[name] is not None]
        if known:
            values = [row[name] for _, row in known]
            errors = [row[f"{name}_error"] or 0 for _, row in known]
            places = [place + offset for place, _ in known]
            axes.errorbar(values, places, xerr=errors, fmt="o", color=colour, label=label, markersize=5)
    axes.set_yticks(range(len(others)), [_shortened(row["variant"]) for row in others], parse_math=False)
    axes.set_ylim(len(others) - 0.5, -0.5)
    axes.set_xlabel(f"gain over the base on the same {base['n']} images, ± one standard error")
    axes.grid(axis="x", color="#e3e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    buffer = io.BytesIO()
    # without the version of Matplotlib: the same numbers are the same bytes
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
