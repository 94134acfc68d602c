"""The only file that talks to Kaggle, through its own client. Every failure comes out as one UserError line.

The client is imported inside functions: its import logs in, prints help and exits without credentials.
"""

import contextlib
import io
import json
import shutil
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import DISK_ERRORS, atomic

TOKEN_PAGE = "https://www.kaggle.com/settings"
# seconds to connect, and to wait for the next bytes
PATIENCE = (15, 120)


@dataclass(frozen=True)
class Place:
    """What errors name: the competition or data set, its page, and the way around Kaggle's client."""

    slug: str
    page: str
    by_hand: str

    @property
    def is_dataset(self) -> bool:
        return "/" in self.slug


@dataclass(frozen=True)
class Score:
    """As Kaggle writes them; blank where it shows none (private, while a competition runs)."""

    public: str
    private: str


def download(slug: str, folder: Path, page: str, say=print) -> Path:
    """Downloads all files of a competition, or of a data set (`owner/name`), as one zip in `folder`.

    It grows in `<folder>.part` beside it, where a broken download goes on at the next start; only a zip that was
    read through without an error is moved to `folder`.

    Raises:
        UserError: no credentials, rules not accepted, unknown, no network, disk full, or cut off twice.
    """
    place = Place(slug, page, f"download by hand from {page} and name the folder with --data DIR")
    target = folder / f"{slug.rsplit('/', 1)[-1]}.zip"
    unfinished = folder.with_name(folder.name + ".part")
    for again in (False, True):
        with _client(place) as api:
            _fetch(api, slug, unfinished)
        found = _largest_file(unfinished)
        if found and is_complete_zip(found):
            with atomic(target) as part:
                shutil.move(found, part)
            shutil.rmtree(unfinished)
            return target
        # what arrived is of no use: nothing may go on from it
        shutil.rmtree(unfinished, ignore_errors=True)
        if not again:
            say(f"the zip of {slug} arrived cut off or damaged; downloading it again")
    raise UserError(f"the zip of {slug} arrived cut off or damaged twice; try again later, or {place.by_hand}")


def _fetch(api, slug: str, folder: Path) -> None:
    quiet = not sys.stderr.isatty()
    fetch = api.dataset_download_files if "/" in slug else api.competition_download_files
    try:
        fetch(slug, path=str(folder), quiet=quiet)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # the client's own size check: the file is shorter than announced, as the check of the zip will find
        return


def _largest_file(folder: Path) -> Path | None:
    """The zip among what the client left: the name it gives it follows the address it was sent to."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".kaggle-partial"]
    return max(files, key=lambda path: path.stat().st_size, default=None)


def is_complete_zip(path: Path) -> bool:
    """Whether a zip has its table of contents and every file in it has the checksum written there."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except RuntimeError:
        # a password, or a packing that Python cannot undo: all there, as the table of contents was found
        return True
    except (zipfile.BadZipFile, zipfile.zlib.error, EOFError, OSError):
        return False


def submit(slug: str, path: Path, message: str, page: str) -> int:
    """Uploads a submission; returns Kaggle's number for it (0 where it names none).

    Raises:
        UserError: as `download`, or the quota is used up, or the upload broke off.
    """
    import requests

    place = Place(slug, page, f"upload {path} by hand at {page}")
    with _client(place) as api:
        try:
            answer = api.competition_submit(str(path), message, slug, quiet=not sys.stderr.isatty())
        except requests.HTTPError as error:
            said = _said_by(error)
            if _is_about_quota(said) or (_status(error) == 400 and _is_none_left(api, slug)):
                raise _quota_error(place, said) from error
            raise
    if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
        raise UserError(f"the upload of {path} broke off; start again, or {place.by_hand}")
    # Kaggle has been seen to answer "fine" without taking the file
    if not answer.ref and _is_about_quota(answer.message):
        raise _quota_error(place, answer.message)
    return answer.ref


def _is_about_quota(text: str) -> bool:
    return any(word in text.lower() for word in ("allotment", "allowance", "quota", "submission limit", "per day"))


def _is_none_left(api, slug: str) -> bool:
    """Whether Kaggle counts submissions of today and allows no more; only asked once one was refused."""
    try:
        limits = api.competition_get_submission_limits(slug)
    except Exception:
        # it was only meant to explain another error, which is then shown as it is
        return False
    return limits.num_allowed_now == 0 and max(limits.num_today, limits.num_total) > 0


def _quota_error(place: Place, said: str) -> UserError:
    return UserError(
        f"Kaggle takes no more submissions to {place.slug} today (it says: {_line(said)}); "
        "the count starts anew at midnight UTC: upload again then"
    )


def wait_for_score(
    slug: str, reference: int, message: str, page: str, timeout: float = 900, every: float = 5
) -> Score | None:
    """Asks every few seconds until a submission is scored; None when it is not within `timeout` seconds.

    It is found by its number, or by its message where Kaggle gave none. A question that fails is asked again.

    Raises:
        UserError: Kaggle could not score the file.
    """
    import requests
    from tqdm import tqdm

    place = Place(slug, page, f"look at {page}")
    start = time.monotonic()
    bar = tqdm(
        total=round(timeout), desc="waiting for the score", unit="s", disable=not sys.stderr.isatty(), leave=False
    )
    with bar, _client(place) as api:
        while True:
            # networks come back: until the time is over, no answer is only no news
            with contextlib.suppress(requests.RequestException, json.JSONDecodeError):
                score = _score_of(api.competition_submissions(slug), reference, message, place)
                if score:
                    return score
            waited = time.monotonic() - start
            bar.update(min(round(waited), bar.total) - bar.n)
            if waited + every > timeout:
                return None
            time.sleep(every)


def _score_of(submissions, reference: int, message: str, place: Place) -> Score | None:
    for found in submissions or []:
        if (found.ref == reference) if reference else (found.description == message):
            if found.status.name == "ERROR":
                said = _line(found.error_description) or "no reason given"
                raise UserError(f"Kaggle could not score the submission ({said}); {place.by_hand}/submissions")
            return Score(found.public_score, found.private_score) if found.status.name == "COMPLETE" else None
    return None


@contextlib.contextmanager
def _client(place: Place):
    """Yields the client, logged in and silent; its failures come out as UserErrors."""
    try:
        import requests
        import urllib3
    except ImportError as error:
        raise _missing(error) from error
    try:
        with _silence(), _time_limit():
            yield _log_in(place)
    except requests.RequestException as error:
        raise _explained(error, place) from error
    except (urllib3.exceptions.HTTPError, json.JSONDecodeError) as error:
        raise _unreachable(error, place) from error
    except OSError as error:
        if error.errno in DISK_ERRORS:
            where = error.filename or "the download"
            raise UserError(f"cannot write {where}: {error.strerror}; free some space or use --root DIR") from error
        raise


@contextlib.contextmanager
def _silence():
    """Swallows what the client prints; its progress bar goes to stderr, which stays open on a terminal."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if not sys.stderr.isatty():
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


@contextlib.contextmanager
def _time_limit():
    """Gives every request a time limit: the client sets none, and a silent network would hang it for ever."""
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def limited(self, request, stream=False, timeout=None, **rest):
        return send(self, request, stream=stream, timeout=timeout or PATIENCE, **rest)

    HTTPAdapter.send = limited
    try:
        yield
    finally:
        HTTPAdapter.send = send


def _log_in(place: Place):
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi
        from kagglesdk.kaggle_env import get_access_token_from_env
    except ImportError as error:
        raise _missing(error) from error
    api = KaggleApi()
    try:
        api.authenticate()
    except SystemExit as error:
        token, source = get_access_token_from_env()
        fault = f"Kaggle does not accept the token in {source}" if token else "no Kaggle credentials"
        raise UserError(f"{fault}: {_new_token()}; or {place.by_hand}") from error
    return api


def _new_token() -> str:
    return (
        f"create a token at {TOKEN_PAGE} and put it in the variable KAGGLE_API_TOKEN or the file "
        "~/.kaggle/access_token (an older kaggle.json goes to ~/.kaggle/kaggle.json)"
    )


def _missing(error: ImportError) -> UserError:
    return UserError(f"Kaggle's client is not installed ({error}): pip install -r requirements.txt")


def _explained(error, place: Place) -> UserError:
    """What an answer of Kaggle's, or none, means and what to do next."""
    status, said = _status(error), _said_by(error)
    kind = "data set" if place.is_dataset else "competition"
    if status is None:
        return _unreachable(error, place)
    if status == 401:
        what = f"Kaggle does not accept the credentials (401): {_new_token()}"
    elif status == 403 and place.is_dataset:
        what = f"Kaggle refuses {place.slug} (403, it says: {said}): open {place.page}, agree there, and start again"
    elif status == 403:
        rules = f"{place.page.rstrip('/')}/rules"
        what = f"Kaggle refuses {place.slug} (403, it says: {said}): accept the rules at {rules} and start again"
    elif status == 404:
        what = f"Kaggle knows no {kind} {place.slug} (404): correct its slug in pipeline/competitions/"
    elif status == 429:
        what = f"Kaggle wants a pause (429, it says: {said}): start again in a few minutes"
    else:
        what = f"Kaggle answered {status} (it says: {said}): start again later"
    return UserError(f"{what}; or {place.by_hand}")


def _unreachable(error, place: Place) -> UserError:
    return UserError(
        f"the connection to Kaggle failed ({type(error).__name__}): check the network and start again; "
        f"or {place.by_hand}"
    )


def _status(error) -> int | None:
    # a response that reports an error is false: compare with None
    return None if error.response is None else error.response.status_code


def _said_by(error) -> str:
    """The message in Kaggle's answer, on one line."""
    if error.response is None:
        return ""
    try:
        return _line(error.response.json()["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return _line(error.response.reason or "no reason given")


def _line(text: str) -> str:
    return " ".join(str(text or "").split())[:200].rstrip(".")
