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


def refused(error, place: Place) -> UserError:
    """What an HTTP error, or a request without any answer, means."""
    code, said = status(error), said_by(error)
    if code is None:
        return unreachable(error, place)
    if code == 401:
        what = f"Kaggle does not accept the credentials (401): {_NEW_TOKEN}"
    elif code == 403:
        rules = f"open {place.page} and agree to its terms"
        if not place.is_dataset:
            rules = f"accept the rules at {place.page.rstrip('/')}/rules"
        what = f"Kaggle refuses {place.slug} (403, it says: {said}): {rules}, then start again"
    elif code == 404:
        kind = "data set" if place.is_dataset else "competition"
        what = f"Kaggle knows no {kind} {place.slug} (404): correct its slug in pipeline/competitions/"
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


def no_credentials(place: Place, bad_token_in: str = "") -> UserError:
    """`bad_token_in` names where a token was found that Kaggle does not know."""
    fault = "no Kaggle credentials"
    if bad_token_in:
        fault = f"Kaggle does not accept the token in {bad_token_in}"
    return UserError(f"{fault}: {_NEW_TOKEN}; or {place.by_hand}")


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
