"""The one exception that means: the user can fix this."""

import re
import sys


class UserError(Exception):
    """What happened, where, and what to do next, in one line. The command line prints it and exits with 2."""


def shown(names, limit=5) -> str:
    """A few names of many, for a message: `a, b, c (and 17 more)`; what could be overlooked is quoted."""
    names = [_visible(str(name)) for name in names]
    more = f" (and {len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


LONGEST = 300  # letters of a word, before its middle is left out


def one_line(text: str) -> str:
    """A message as one line that a terminal can show: what it quotes keeps its spaces; what would not be seen, or write
    over others, is escaped; what is very long is shortened."""
    line = " ".join(text.splitlines())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)
    return re.sub(rf"\S{{{LONGEST},}}", lambda word: f"{word[0][: LONGEST // 2]}…{word[0][-LONGEST // 4 :]}", line)


def _visible(name: str) -> str:
    return f"'{name}'" if not name or name != " ".join(name.split()) or ", " in name else name


# what a module's package is called where that is another word
_PACKAGES = {"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow"}


def not_installed(module: str) -> str:
    """For a message: what is missing, and the command that installs it alone (in someone's own interpreter a whole list
    of pinned packages would replace others)."""
    return f"'{module}', which this Python lacks: {sys.executable} -m pip install {_PACKAGES.get(module, module)}"
