"""Tables for the terminal, as lines; numbers as they are shown there."""


def table(titles: list[str], rows: list[list[str]], left: int = 1) -> list[str]:
    """Aligned columns, the first `left` of them to the left; the last one is not filled up."""
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    return ["  ".join(_aligned(row, widths, left)).rstrip() for row in [titles, *rows]]


def _aligned(row: list[str], widths: list[int], left: int) -> list[str]:
    last = len(row) - 1
    return [
        cell.ljust(width) if place < left or place == last > left else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def number(value: float | None, digits: int = 4, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{digits}f}"


def with_error(value: float | None, error: float | None, sign: str = "") -> str:
    """`0.7841 ± 0.0070`; of what has no error the value alone."""
    return number(value, sign=sign) + (f" ± {error:.4f}" if value is not None and error is not None else "")


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
