"""Notebooks of Kaggle's ("kernels") through its own client: started, followed, their output fetched, one submitted.

Every failure comes out as one UserError line, as in `site`.
"""

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle import refusals, site
from pipeline.kaggle.refusals import Notebook, Place
from pipeline.store import disk

# states of a session (kagglesdk.kernels, KernelWorkerStatus) after which it never comes to another
COMPLETE, OVER = "COMPLETE", ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED")
LONGEST = 12 * 3600  # seconds: Kaggle ends a session then
SETTLED = 60  # seconds after which the state of a notebook is that of its latest version
LINES = 25  # of a log that are shown
PAGE = 200  # files that Kaggle is asked for at a time
_FORM = re.compile(r"[\w.-]+/[\w-]{5,}")


@dataclass(frozen=True)
class Started:
    """A version of a notebook that Kaggle has taken, and where it is shown."""

    version: int
    url: str


def place_of(kernel: str) -> Notebook:
    """Raises UserError for what is no USER/SLUG."""
    if not _FORM.fullmatch(kernel):
        raise UserError(f"'{kernel}' names no notebook; write USER/SLUG as in its address, kaggle.com/code/USER/SLUG")
    page = f"https://www.kaggle.com/code/{kernel}"
    return Notebook(kernel, page, f"see {page}")


def user(place: Place) -> str:
    """The name of whoever is logged in. Raises UserError where nobody is."""
    with site.client(place) as api:
        name = api.get_config_value(api.CONFIG_NAME_USER)
    if not name:
        raise refusals.no_credentials(place)
    return name


def hours_left(place: Place) -> tuple[float, float]:
    """GPU hours that are left this week, and those of a whole week. Raises UserError where Kaggle does not say."""
    with site.client(place) as api:
        quota = api.quota_view().gpu_quota
    if quota is None or quota.total_time_allowed is None:
        raise UserError("Kaggle does not say how many GPU hours there are")
    allowed = quota.total_time_allowed.total_seconds()
    used = sum(time.total_seconds() for time in (quota.time_used, quota.time_reserved) if time)
    return max(0.0, allowed - used) / 3600, allowed / 3600


def push(folder: Path, place: Notebook) -> Started:
    """Gives Kaggle the notebook in a folder, of which kernel-metadata.json says what it needs; it starts at once.

    Raises UserError: no phone number, no GPU hours, too many sessions, or data that it may not use.
    """
    import requests

    with site.client(place) as api:
        try:
            answer = api.kernels_push(str(folder))
        except requests.HTTPError as error:
            # 401 and 404 say enough; what else is refused only Kaggle's words tell
            if refusals.status(error) in (400, 403):
                raise refusals.notebook(place, refusals.said_by(error)) from error
            raise
    if answer.error:
        raise refusals.notebook(place, answer.error)
    for kind, sources, remedy in (
        ("competition", answer.invalid_competition_sources, "accept its rules on its page"),
        ("data set", answer.invalid_dataset_sources, "look whether it is there, and open to you"),
        ("notebook", answer.invalid_kernel_sources, "look whether it is there, with an output, and yours"),
    ):
        if sources:
            raise UserError(
                f"Kaggle started {place.slug} without the {kind} {', '.join(sources)}: {remedy}; stop it at "
                f"{answer.url or place.page} and start again"
            )
    return Started(answer.version_number or 0, answer.url or place.page)


def follow(place: Notebook, since: float, say: Callable[[str], None], every: float = 30) -> str:
    """Waits until a session is over; returns its last state. `since`: when it began, in seconds of `time.time`.

    The network may come and go meanwhile. Raises UserError where Kaggle knows no such notebook, or opens it to others.
    """
    from tqdm import tqdm

    known, was_seen, quiet = "", False, not sys.stderr.isatty()
    form = "{desc}, {elapsed} of at most 12 hours |{bar}|"
    with tqdm(desc=place.slug, total=LONGEST, bar_format=form, disable=quiet) as bar:
        bar.start_t = since
        while True:
            state, why = _state(place)
            was_seen |= bool(state) and state not in OVER
            if state and state != known:
                known = state
                words = f"{place.slug}: {state.lower().replace('_', ' ')}"
                bar.set_description(words)
                if quiet:
                    say(words)
            # for a moment Kaggle may tell the end of the version before
            if state in OVER and (was_seen or time.time() - since > SETTLED):
                if why:
                    say(f"Kaggle says: {why}")
                return state
            bar.n = min(int(time.time() - since), LONGEST)
            bar.refresh()
            time.sleep(every)


def _state(place: Notebook) -> tuple[str, str]:
    """(state, why it failed) of the latest session; blank where no answer came, which is no news."""
    import requests

    try:
        with site.client(place) as api, _of_client(place):
            found = api.kernels_status(place.slug)
    except UserError as error:
        code = refusals.status(error.__cause__) if isinstance(error.__cause__, requests.RequestException) else None
        if (code is not None and code < 500 and code != 429) or isinstance(error, refusals.NoCredentials):
            raise
        return "", ""
    return found.status.name, refusals.one_line(found.failure_message)


@contextlib.contextmanager
def _of_client(place: Place):
    """What the client says of a 401 or 403 as a ValueError, which would tell of wrong names alone."""
    import requests

    try:
        yield
    except ValueError as error:
        if isinstance(error.__context__, requests.HTTPError):
            raise refusals.refused(error.__context__, place) from error.__context__
        raise


def fetch(place: Notebook, names: list[str], folder: Path) -> None:
    """Downloads files of the latest session's output into a folder, below which they are called as there. What arrived
    whole is not known: compare it. Raises UserError."""
    pattern = f"^(?:{'|'.join(map(re.escape, names))})$"
    with site.client(place) as api, _of_client(place):
        api.kernels_output(place.slug, str(folder), file_pattern=pattern, force=True, page_size=PAGE)


def fetch_whole(place: Notebook, files: dict[str, str], folder: Path) -> None:
    """Downloads those of an output's files (name -> SHA-256) that are not in the folder yet, folder by folder; each is
    compared. Raises UserError where one is cut off twice."""
    from tqdm import tqdm

    with tqdm(desc="bringing back", total=len(files), unit="file", disable=not sys.stderr.isatty()) as bar:
        for group in _by_folder(files):
            for _ in range(2):
                missing = [name for name in group if not _is_whole(folder / name, files[name])]
                if missing:
                    fetch(place, missing, folder)
            missing = [name for name in group if not _is_whole(folder / name, files[name])]
            if missing:
                raise UserError(
                    f"{missing[0]} of {place.slug} did not arrive whole: the same command fetches what is missing; or "
                    f"{place.by_hand}"
                )
            bar.update(len(group))


def _by_folder(files) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for name in files:
        found.setdefault(name.rpartition("/")[0], []).append(name)
    return list(found.values())


def _is_whole(path: Path, wanted: str) -> bool:
    return path.is_file() and disk.file_hash(path) == wanted


def last_lines(place: Notebook, count: int = LINES) -> list[str]:
    """What the latest session printed last. Raises UserError."""
    with site.client(place) as api, _of_client(place):
        log = api.kernels_logs(place.slug)
    try:
        events = json.loads(log or "[]")
        text = "".join(event["data"] for event in events)
    except (ValueError, KeyError, TypeError):
        # of a form that is not known: as it is
        text = log
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def give_weights(path: Path, digest: str, owner: str, folder: Path, place: Place, every: float = 10) -> str:
    """A private data set of one file, called after its content, so that it is given once; returns `owner/slug`.

    Args:
        digest: the SHA-256 of the file. folder: an empty one, where the client finds what to send.
    Raises:
        UserError: Kaggle does not take it, or is not done with it in a quarter of an hour.
    """
    slug = f"{owner}/weights-{digest[:16]}"
    with site.client(place) as api:
        if _dataset_state(api, slug) is None:
            title = slug.partition("/")[2]
            about = {"id": slug, "title": title, "licenses": [{"name": "unknown"}]}
            (folder / "dataset-metadata.json").write_text(json.dumps(about), encoding="utf-8")
            (folder / path.name).symlink_to(path.resolve())
            answer = api.dataset_create_new(str(folder), quiet=not sys.stderr.isatty())
            if answer.error:
                raise UserError(f"Kaggle does not take {path} as a data set (it says: {answer.error}); start again")
        for _ in range(90):
            state = _dataset_state(api, slug)
            if state == "ready":
                return slug
            if state in ("failed", "deleted"):
                break
            time.sleep(every)
    raise UserError(
        f"Kaggle is not done with the data set {slug} ({state}): look at https://www.kaggle.com/datasets/{slug}, "
        "delete it where it failed, and start again"
    )


def _dataset_state(api, slug: str) -> str | None:
    """In Kaggle's word; None where there is none of that name."""
    import requests

    try:
        return api.dataset_status(slug)
    except requests.HTTPError as error:
        # of what is not there, or not one's own, Kaggle says 403 or 404
        if refusals.status(error) in (403, 404):
            return None
        raise


def version_of(words: str) -> tuple[str, int]:
    """(USER/SLUG, version) of `USER/SLUG/VERSION`. Raises UserError."""
    kernel, _, version = words.rpartition("/")
    if not version.isdecimal() or not int(version) or not _FORM.fullmatch(kernel):
        raise UserError(
            f"--kernel '{words}' names no version of a notebook; write USER/SLUG/VERSION: "
            "kaggle.com/code/USER/SLUG lists its versions"
        )
    return kernel, int(version)


def submit(slug: str, words: str, file: str, message: str, page: str) -> int:
    """Submits a version of a notebook, `USER/SLUG/VERSION`, to a code competition; returns Kaggle's number for it (0
    where it names none).

    Args:
        file: what the notebook writes its answer to.
    Raises:
        UserError: as `site.submit`, or the competition does not take notebooks.
    """
    import requests

    kernel, version = version_of(words)
    place = Place(slug, page, f"submit {kernel} by hand at https://www.kaggle.com/code/{kernel}")
    with site.client(place) as api:
        try:
            answer = api.competition_submit_code(file, message, slug, kernel, version, quiet=True)
        except requests.HTTPError as error:
            said = refusals.said_by(error)
            if refusals.is_about_quota(said) or site.is_none_left(api, error, slug):
                raise refusals.quota_reached(place, said) from error
            raise
    if not answer.ref and refusals.is_about_quota(answer.message):
        raise refusals.quota_reached(place, refusals.one_line(answer.message))
    return answer.ref
