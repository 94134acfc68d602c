"""What Kaggle's refusals and failures mean, and what to do next: one UserError line each."""

from dataclasses import dataclass

from pipeline.errors import UserError, not_installed

TOKEN_PAGE = "https://www.kaggle.com/settings"


@dataclass(frozen=True)
class Place:
    """What errors name: the competition or data set, its page, and the way around Kaggle's client."""

    slug: str
    page: str
    by_hand: str

    @property
    def is_dataset(self) -> bool:
        return "/" in self.slug

    @property
    def when_forbidden(self) -> str:
        """What to do about a 403."""
        if self.is_dataset:
            return f"open {self.page} and agree to its terms"
        return f"accept the rules at {self.page.rstrip('/')}/rules"

    @property
    def when_unknown(self) -> str:
        """What a 404 means, and what to do about it."""
        kind = "data set" if self.is_dataset else "competition"
        return f"Kaggle knows no {kind} {self.slug} (404): correct its slug in pipeline/competitions/"


@dataclass(frozen=True)
class Notebook(Place):
    """A notebook of Kaggle's, `USER/SLUG`, which its interface calls a kernel."""

    @property
    def when_forbidden(self) -> str:
        return "a private notebook is open to its owner alone: correct USER/SLUG, or log in as its owner"

    @property
    def when_unknown(self) -> str:
        return f"Kaggle knows no notebook {self.slug} (404): correct USER/SLUG as it stands in its address"


def refused(error, place: Place) -> UserError:
    """What an HTTP error, or a request without any answer, means."""
    code, said = status(error), said_by(error)
    if code is None:
        return unreachable(error, place)
    if code == 401:
        what = f"Kaggle does not accept the credentials (401): {_NEW_TOKEN}"
    elif code == 403:
        what = f"Kaggle refuses {place.slug} (403, it says: {said}): {place.when_forbidden}, then start again"
    elif code == 404:
        what = place.when_unknown
    elif code == 429:
        what = f"Kaggle wants a pause (429, it says: {said}): start again in a few minutes"
    elif code >= 500:
        what = f"Kaggle has trouble ({code}, it says: {said}): start again later"
    else:
        what = f"Kaggle does not take it ({code}, it says: {said}): put that right and start again"
    return UserError(f"{what}; or {place.by_hand}")


def unreachable(error, place: Place) -> UserError:
    return UserError(
        f"the connection to Kaggle failed ({type(error).__name__}): check the network and start again; "
        f"or {place.by_hand}"
    )


class NoCredentials(UserError):
    """Nobody is logged in to Kaggle: no token anywhere, not even one that is wrong."""


def no_credentials(place: Place, bad_token_in: str = "") -> UserError:
    """`bad_token_in` names where a token was found that Kaggle does not know."""
    if bad_token_in:
        return UserError(f"Kaggle does not accept the token in {bad_token_in}: {_NEW_TOKEN}; or {place.by_hand}")
    return NoCredentials(f"no Kaggle credentials: {_NEW_TOKEN}; or {place.by_hand}")


_NEW_TOKEN = (
    f"create a token at {TOKEN_PAGE} and put it in the variable KAGGLE_API_TOKEN or the file "
    "~/.kaggle/access_token (an older kaggle.json goes to ~/.kaggle/kaggle.json)"
)


def without_client(error: ImportError) -> UserError:
    return UserError(f"downloads and uploads need {not_installed(error.name or 'kaggle')}")


def cannot_write(error: OSError) -> UserError:
    where = error.filename or "the download"
    return UserError(f"cannot write {where}: {error.strerror}; free some space or use --root DIR")


def is_about_quota(said: str) -> bool:
    words = ("allotment", "allowance", "quota", "submission limit", "submissions per day")
    return any(word in said.lower() for word in words)


def quota_reached(place: Place, said: str) -> UserError:
    return UserError(
        f"Kaggle takes no more submissions to {place.slug} for now (it says: {said}); "
        "the daily count starts anew at midnight UTC: upload again then"
    )


def notebook(place: Place, said: str) -> UserError:
    """Why Kaggle did not start a notebook, of which it says no more than a sentence."""
    words = said.lower()
    meanings = {
        ("session count",): "as many GPU notebooks of yours run as may: stop one, or wait until one ends",
        ("phone", "verif"): f"GPUs are for accounts with a verified phone number: verify it at {TOKEN_PAGE}",
        ("quota", "allowance", "hours"): f"this week's GPU hours are used up: {TOKEN_PAGE} says when they start anew",
        ("size", "large"): "the notebook is too large: shorten the fold table, or what you added to the package",
    }
    found = next((text for keys, text in meanings.items() if any(key in words for key in keys)), "put that right")
    return UserError(f"Kaggle does not start {place.slug} (it says: {one_line(said)}): {found}, then start again")


def is_about_notebooks(said: str) -> bool:
    return "notebook" in said.lower() or "kernels" in said.lower()


def notebooks_alone(place: Place, said: str) -> UserError:
    return UserError(
        f"{place.slug} takes notebooks, no files (Kaggle says: {said}): submit a version of one with upload --kernel "
        "USER/SLUG/VERSION"
    )


def status(error) -> int | None:
    # a response that reports an error is false: compare with None
    return None if error.response is None else error.response.status_code


def said_by(error) -> str:
    """The message in Kaggle's answer, on one line."""
    if error.response is None:
        return ""
    try:
        return one_line(error.response.json()["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return one_line(error.response.reason or "nothing more")


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())[:200].rstrip(".")
