"""Numbers that people write into tables: Python's own reader takes `0_8` for 8, which is a mistake in typing there."""


def number(text: str) -> float:
    """Raises ValueError for what is no number; nan and inf are some."""
    return float(_plain(text))


def whole_number(text: str) -> int:
    """Raises ValueError for what is no whole number."""
    return int(_plain(text))


def _plain(text: str) -> str:
    if "_" in text:
        raise ValueError(f"{text!r} holds an underscore")
    return text
