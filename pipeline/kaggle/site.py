"""The only file that talks to Kaggle, through its own client. Every failure comes out as one UserError line.

The client is imported inside functions: its import logs in, prints help and exits without credentials.
"""

import contextlib
import errno
import io
import json
import shutil
import sys
import time
import zipfile
from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle import refusals
from pipeline.kaggle.refusals import Place
from pipeline.store.disk import atomic

# seconds to connect, and to wait for the next bytes
PATIENCE = (15, 120)


def download(slug: str, folder: Path, page: str, say=print) -> Path:
    """Downloads all files of a competition, or of a data set (`owner/name`), as one zip in `folder`.

    It grows in `<folder>.part` beside it, where a broken download goes on at the next start; only a zip that
    was read through without an error is moved to `folder`.

    Raises:
        UserError: no credentials, rules not accepted, unknown, no network, disk full, or cut off twice.
    """
    place = Place(slug, page, f"download by hand from {page} and name the folder with --data DIR")
    target = folder / f"{slug.rsplit('/', 1)[-1]}.zip"
    unfinished = folder.with_name(folder.name + ".part")
    for again in (False, True):
        _fetch(place, unfinished)
        found = _largest_file(unfinished)
        if found and is_complete_zip(found):
            with atomic(target) as part:
                shutil.move(found, part)
            shutil.rmtree(unfinished)
            return target
        # what arrived is of no use: nothing may go on from it
        shutil.rmtree(unfinished, ignore_errors=True)
        if not again:
            say(f"the zip of {slug} arrived cut off; downloading it again")
    raise UserError(f"the zip of {slug} arrived cut off twice; try again later, or {place.by_hand}")


def _fetch(place: Place, folder: Path) -> None:
    with client(place) as api:
        fetch = api.dataset_download_files if place.is_dataset else api.competition_download_files
        try:
            fetch(place.slug, path=str(folder), quiet=not sys.stderr.isatty())
        except json.JSONDecodeError:
            raise
        except ValueError:
            # the client counted fewer bytes than were announced: the check of the zip finds that too
            return


def _largest_file(folder: Path) -> Path | None:
    """The zip among what the client left; its name follows the address the client was sent to."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".kaggle-partial"]
    return max(files, key=lambda path: path.stat().st_size, default=None)


def is_complete_zip(path: Path) -> bool:
    """Whether a zip has its table of contents and every file in it has the checksum written there."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except RuntimeError:
        # a password, or a packing that Python cannot undo: the table of contents at its end is there
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
    with client(place) as api:
        try:
            answer = api.competition_submit(str(path), message, slug, quiet=not sys.stderr.isatty())
        except requests.HTTPError as error:
            said = refusals.said_by(error)
            if refusals.is_about_quota(said) or is_none_left(api, error, slug):
                raise refusals.quota_reached(place, said) from error
            if refusals.is_about_notebooks(said):
                raise refusals.notebooks_alone(place, said) from error
            raise
    if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
        raise UserError(f"the upload of {path} broke off; start again, or {place.by_hand}")
    # clients before this one were told "fine" without the file being taken
    if not answer.ref and refusals.is_about_quota(answer.message):
        raise refusals.quota_reached(place, refusals.one_line(answer.message))
    return answer.ref


def is_none_left(api, error, slug: str) -> bool:
    """Whether a refusal is explained by Kaggle's own count, whatever words it used.

    Not asked before submitting: someone who never submitted may be counted 0 of 0.
    """
    import requests

    if refusals.status(error) != 400:
        return False
    try:
        limits = api.competition_get_submission_limits(slug)
    except (requests.RequestException, ValueError):
        return False
    return limits.num_allowed_now == 0 and max(limits.num_today, limits.num_total) > 0


def wait_for_score(
    slug: str, reference: int, message: str, page: str, timeout: float = 900, every: float = 10
) -> tuple[str, str] | None:
    """Asks every few seconds until a submission is scored: (public, private), blank where Kaggle shows none.

    The submission is found by its number, or by its message where Kaggle gave none. None when it is not
    scored within `timeout` seconds; the network may come and go meanwhile.

    Raises:
        UserError: Kaggle could not score the file.
    """
    from tqdm import tqdm

    place = Place(slug, page, f"see {page}")
    start = time.monotonic()
    quiet = not sys.stderr.isatty()
    with tqdm(desc="waiting for the score", total=round(timeout), unit="s", disable=quiet) as bar:
        while True:
            submissions = []
            # the file is with Kaggle already: no answer is only no news
            with contextlib.suppress(UserError), client(place) as api:
                submissions = api.competition_submissions(slug) or []
            scores = _scores(submissions, reference, message, place)
            waited = time.monotonic() - start
            if scores or waited + every > timeout:
                return scores
            bar.update(min(round(waited), bar.total) - bar.n)
            time.sleep(every)


def _scores(submissions: list, reference: int, message: str, place: Place) -> tuple[str, str] | None:
    for found in submissions:
        if (found.ref == reference) if reference else (found.description == message):
            if found.status.name == "ERROR":
                said = refusals.one_line(found.error_description) or "without a reason"
                raise UserError(f"Kaggle could not score the submission ({said}); {place.by_hand}")
            return (found.public_score, found.private_score) if found.status.name == "COMPLETE" else None
    return None


@contextlib.contextmanager
def client(place: Place):
    """Yields the client, logged in and silent; its failures come out as UserErrors."""
    try:
        import requests
        import urllib3
    except ImportError as error:
        raise refusals.without_client(error) from error
    try:
        with _silence(), _time_limit():
            yield _logged_in(place)
    except requests.RequestException as error:
        raise refusals.refused(error, place) from error
    except (urllib3.exceptions.HTTPError, json.JSONDecodeError) as error:
        raise refusals.unreachable(error, place) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise refusals.cannot_write(error) from error
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


def _logged_in(place: Place):
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi
        from kagglesdk.kaggle_env import get_access_token_from_env
    except ImportError as error:
        raise refusals.without_client(error) from error
    api = KaggleApi()
    try:
        api.authenticate()
    except SystemExit as error:
        token, source = get_access_token_from_env()
        raise refusals.no_credentials(place, bad_token_in=source if token else "") from error
    return api
