"""The one exception that means: the user can fix this."""


class UserError(Exception):
    """What happened, where, and what to do next, in one line. The command line prints it and exits with 2."""


def shown(names, limit=5) -> str:
    """A few names of many, for a message: `a, b, c (and 17 more)`."""
    names = [str(name) for name in names]
    more = f" (and {len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
