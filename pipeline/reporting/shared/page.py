"""What fills in the template of a page: one self-contained html file, with the style that all pages share."""

from pathlib import Path

import numpy as np


def filled_in(template: Path, content: dict) -> str:
    """The page as html: the template, which may include `page.css`, with what its content holds."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": score, "percent": _on_one_line(percent), "number": number}
    environment.filters |= {"columns": columns, "link": link}
    return environment.get_template(template.name).render(content)


def score(value: float | None, digits: int = 4) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


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
