"""What fills in the template of a page: one self-contained html file, with the style that all pages share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.store import disk, records


def filled_in(template: Path, content: dict) -> str:
    """The page as html: the template, which fills the blocks of `frame.html`, with what its content holds."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": score, "percent": _on_one_line(percent), "number": number}
    environment.filters |= {"grouped": _on_one_line(grouped)}
    environment.filters |= {"columns": columns, "link": link, "gain": gain}
    return environment.get_template(template.name).render(content)


def put(job, path: Path, write: Callable[[Path], None]) -> str:
    """Writes a file of ours, with its record: `write` is told where. One that was changed by hand is kept, without
    --again. Returns the line that says so."""
    shown = job.store.shown(path)
    if records.is_yours(path) and not job.again:
        return f"{shown} is yours: kept (--again replaces it)"
    with records.recorded(path, {}) as part:
        write(part)
    return shown


def put_text(job, path: Path, text: str) -> str:
    """The same of a text."""
    return put(job, path, lambda part: part.write_text(text, encoding="utf-8"))


def put_rows(job, path: Path, titles: list[str], rows: list[list]) -> str:
    """The same of a csv; None is a blank field."""
    return put(job, path, lambda part: disk.write_rows(part, titles, rows))


def score(value: float | None, digits: int = 4) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def gain(value: float | None) -> str:
    """A difference, with its sign."""
    return "–" if value is None or not np.isfinite(value) else f"{value:+.4f}"


def percent(share: float | None) -> str:
    """`12.3 %`, with as many digits as small shares need."""
    if share is None or not np.isfinite(share):
        return "–"
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2g} %"


def number(value: float | None) -> str:
    """Whole where it is whole or large, otherwise four digits."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.4g}"


def grouped(count: int) -> str:
    """A count with a space between thousands."""
    return f"{count:,}".replace(",", " ")


def columns(rows: list[dict]) -> set[str]:
    """The names under which any of the rows has something to show: a column of blanks says nothing."""
    return {name for row in rows for name, value in row.items() if _is_known(value)}


def _is_known(value) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and np.isnan(value))


def link(text: str, address: str):
    """The text, leading to an address of the web; any other address stays text: it might run a script."""
    from markupsafe import Markup

    if address.lower().startswith(("http://", "https://")):
        return Markup('<a href="{}">{}</a>').format(address, text)
    return f"{text} ({address})" if address else text


def _on_one_line(words):
    """The same function, with spaces at which no line ends."""
    return lambda *values: words(*values).replace(" ", "\N{NO-BREAK SPACE}")


def css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
