"""[--continue-from USER/SLUG] -> a run is learnt by Kaggle's GPUs, and comes back as if it was made here.

    ./run.sh tgs kernel                                    recipe default, on two T4s, for nothing
    ./run.sh tgs kernel --recipe best --run mine           any recipe, any of its fields
    ./run.sh tgs kernel --continue-from USER/tgs-default   goes on where a session of 12 hours was cut off

The code, the folds and the recipe are packed into a private notebook (pretrained weights into a private data set),
which Kaggle's own client pushes; the competition's files are on Kaggle already. It learns without internet, both GPUs a
fold each, predicts, tunes and reports there. Its state is followed; then weights, predictions, report and submission
come back, each file compared with its fingerprint, and the next command finds them up to date. What was learnt from
other data, folds, code or another recipe is refused.

Interrupted while it follows, the same command goes on following: the notebook goes on meanwhile. A session that is at
its end saves what is learnt, and the command says how to go on from there.
"""

import itertools
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.command import order, trial
from pipeline.errors import UserError, shown
from pipeline.kaggle import kernels
from pipeline.packing import kernel as packed
from pipeline.packing import session
from pipeline.runs import adopted, drawn, returned
from pipeline.runs.identity import in_words
from pipeline.runs.job import Job
from pipeline.stages import train
from pipeline.store import disk, locks

EXAMPLE = "./run.sh tgs kernel --recipe default"
# what may stand in a run that a notebook is to learn
BEFORE = ("recipe.json", "kernel.json")
# the state of a run whose session came to its end too early
CUT_OFF = "cut off"
# what kernel.json says
FORM = {"state": str, "kernel": str, "version": int, "page": str, "pushed": str, "pack": str, "recipe": dict}
FORM |= {"round": int, "earlier": str, "again": bool}
# where an output is brought to before it is looked at: within the run, where nobody looks for files of it
ARRIVING = ".arriving"


def run(job: Job | None, words: list[str], every: float = 30) -> int:
    """Pushes the run where no notebook has it yet, follows it, brings it back. Returns 0.

    Raises UserError for what cannot be learnt there, before anything is pushed; for what Kaggle refuses; and where the
    notebook failed or was cut off, with what to do.
    """
    if job is None or words:
        raise UserError(f"kernel wants a competition and no further words: {EXAMPLE}")
    _refuse(job)
    order.bring_up_to_date(job, "split")
    drawn.refuse(job)
    with locks.making(job.store.kernel_lock, job.wait, job.say):
        sent = _sent(job)
        if sent.get("state") == "back" and not job.again:
            job.say(f"run '{job.store.run}' came back from {sent['kernel']}, version {sent['version']}")
        else:
            if not _is_followed(job, sent):
                sent = _send(job, sent)
            _follow(job, sent, every)
            _bring_back(job, sent)
    order.bring_up_to_date(job.settled(), "report")
    return 0


def _refuse(job: Job) -> None:
    """Raises UserError for what a notebook without internet cannot learn."""
    competition, recipe = job.competition, job.recipe
    adopted.refuse_training(job)
    if not competition.slug and not competition.draw:
        raise UserError(
            f"{competition.name} is not on Kaggle: make a private data set of its files there, and write its name "
            f"(slug='USER/NAME') into pipeline/competitions/{competition.name}.py"
        )
    if recipe.pseudo:
        raise UserError(f"--pseudo {recipe.pseudo}: predictions of another run do not travel; learn this one here")
    if recipe.weights == "imagenet":
        raise UserError(
            "--weights imagenet would be downloaded, and the notebook has no internet: name the file that Keras "
            "publishes, --weights FILE; it travels along"
        )
    if recipe.weights != "none" and not Path(recipe.weights).is_file():
        raise UserError(f"--weights {recipe.weights} is no file; name the file of pretrained weights")
    if job.jobs != 1 or job.on or job.devices != 1:
        raise UserError("--jobs, --on and --devices are of this machine: a notebook gives each of its GPUs a fold")


def _sent(job: Job) -> dict:
    """What kernel.json says, empty where there is none. Raises UserError where a run of another making stands here, or
    another recipe is asked for than was sent."""
    found = disk.read_fields(job.store.kernel, **FORM) if job.store.kernel.exists() else {}
    if found.get("state") not in ("arriving", "back") and not found.get("again") and not job.again:
        _refuse_what_stands_here(job)
    if found and not job.again:
        saved = recipes.completed(found["recipe"])
        other = [name for name, value in recipes.to_json(job.recipe).items() if saved[name] != value]
        if other and not (job.recipe.budget and other == ["epochs"]):
            raise UserError(
                f"run '{job.store.run}' was sent to {found['kernel']} with {recipes.option(other[0])} "
                f"{in_words(saved[other[0]])}; give the same options, another --run NAME, or --again to send it anew"
            )
    return found


def _refuse_what_stands_here(job: Job) -> None:
    """Raises UserError for files of the run that were made here, and would be replaced."""
    known = sorted(path.name for path in job.store.run_folder.glob("[!.]*") if path.name not in BEFORE)
    known += [job.store.shown(job.store.submission)] if job.store.submission.exists() else []
    if known:
        raise UserError(
            f"run '{job.store.run}' is here already ({shown(known)}); give another --run NAME, or --again to have it "
            "learnt by Kaggle and replaced"
        )


def _is_followed(job: Job, sent: dict) -> bool:
    """Whether Kaggle has what is asked for already: only that is looked at."""
    asked = job.continue_from in ("", sent.get("earlier"), sent.get("kernel"))
    return sent.get("state") in ("sent", "arriving") and asked and not job.again


def _send(job: Job, before: dict) -> dict:
    """Packs the run and pushes it; returns what kernel.json says from then on. Raises UserError."""
    started = time.monotonic()
    if job.continue_from:
        kernels.place_of(job.continue_from)
    trial.check(job)
    train.check(job)
    if before.get("state") == CUT_OFF and not job.continue_from and not job.again:
        raise _cut_off(job, before["kernel"])
    owner = kernels.user(kernels.place_of(f"you/{packed.slug_of(job.competition.name, job.store.run)}"))
    rounds, kernel = _named(job, owner, before.get("round", 1))
    place = kernels.place_of(kernel)
    _say_hours(job, place)
    with tempfile.TemporaryDirectory() as folder:
        pretrained = _give_weights(job, owner, place)
        pack = packed.write(Path(folder), kernel, job, pretrained)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        found = kernels.push(Path(folder), place)
    sent = {
        "state": "sent",
        "kernel": kernel,
        "version": found.version,
        "page": found.url,
        "pushed": datetime.now(UTC).isoformat(timespec="seconds"),
        "pack": pack,
        "round": rounds,
        "earlier": job.continue_from,
        # whoever goes on with one that replaces a run replaces it, too
        "again": job.again or before.get("again", False),
        "recipe": recipes.to_json(job.recipe),
    }
    # what came of an earlier version is no part of this one's
    shutil.rmtree(job.store.run_folder / ARRIVING, ignore_errors=True)
    disk.write_json(job.store.kernel, sent)
    same = "the same command without --again" if job.again else "the same command"
    job.say(
        f"pushed {size / 1e6:.2f} MB in {time.monotonic() - started:.1f} s: {kernel}, version {found.version}, "
        f"{found.url}; Ctrl-C stops following alone, {same} goes on with it"
    )
    return sent


def _named(job: Job, owner: str, round_before: int) -> tuple[int, str]:
    """(which session in a row it is, the notebook's USER/SLUG): a notebook does not read its own output, so what goes
    on from one has another name."""
    if not job.continue_from:
        return 1, f"{owner}/{packed.slug_of(job.competition.name, job.store.run)}"
    numbers = itertools.count(round_before + 1)
    # not `-2`: that is how a run of its own may be called; what an address does not have ends in a fingerprint
    slugs = ((n, packed.slug_of(job.competition.name, job.store.run, f"session {n}")) for n in numbers)
    named = ((number, f"{owner}/{slug}") for number, slug in slugs)
    return next((number, kernel) for number, kernel in named if kernel != job.continue_from)


def _cut_off(job: Job, kernel: str) -> UserError:
    return UserError(
        f"{kernel} came to the end of its session before all was learnt, and has kept what is (--again begins anew): "
        f"go on with ./run.sh {job.competition.name} kernel --run {job.store.run} --continue-from {kernel}"
    )


def _say_hours(job: Job, place) -> None:
    """Raises UserError where none of this week's is left."""
    try:
        left, allowed = kernels.hours_left(place)
    except UserError as error:
        job.say(f"how many GPU hours are left this week is not known ({error})")
        return
    if allowed and not left:
        raise UserError(f"none of this week's {allowed:.0f} GPU hours is left; start again when they start anew")
    job.say(f"{left:.1f} of this week's {allowed:.0f} GPU hours are left")


def _give_weights(job: Job, owner: str, place) -> dict | None:
    """Pretrained weights as `session` is told of them; None where there are none."""
    path = Path(job.recipe.weights)
    if not path.is_file():
        return None
    digest = disk.file_hash(path)
    job.say(f"weights: {path.name}, {path.stat().st_size / 1e6:.1f} MB, as a private data set (given once)")
    with tempfile.TemporaryDirectory() as folder:
        dataset = kernels.give_weights(path, digest, owner, Path(folder), place)
    return {"file": path.name, "hash": digest, "dataset": dataset}


def _follow(job: Job, sent: dict, every: float) -> None:
    """Raises UserError where the session came to another end than a good one, with the tail of what it printed."""
    place, since = kernels.place_of(sent["kernel"]), _since(job, sent)
    state = kernels.follow(place, since, job.say, every)
    if state == kernels.COMPLETE:
        return
    disk.write_json(job.store.kernel, {**sent, "state": state.lower()})
    for line in kernels.last_lines(place):
        job.say(f"  | {line}")
    raise UserError(
        f"{sent['kernel']} ended as {state.lower().replace('_', ' ')} (its last lines are above, all of them at "
        f"{sent['page']}): mend that, and the same command sends it anew; what it had finished is gone on with by "
        f"--continue-from {sent['kernel']}"
    )


def _since(job: Job, sent: dict) -> float:
    """When it was pushed, in seconds of `time.time`. Raises UserError where that was changed by hand."""
    try:
        return datetime.fromisoformat(sent["pushed"]).timestamp()
    except (ValueError, OverflowError) as error:
        raise UserError(f"{job.store.kernel}: pushed is no time ({sent['pushed']}); mend or delete it") from error


def _bring_back(job: Job, sent: dict) -> None:
    place, folder = kernels.place_of(sent["kernel"]), job.store.run_folder / ARRIVING
    folder.mkdir(exist_ok=True)
    (folder / session.TOLD).unlink(missing_ok=True)
    kernels.fetch(place, [session.TOLD], folder)
    if not (folder / session.TOLD).exists():
        raise UserError(
            f"the output of {sent['kernel']} has no {session.TOLD}: look at {sent['page']}, or start again with --again"
        )
    came = session.left(folder / session.TOLD, job.store)
    _refuse_other(job, sent, came)
    if came["cut_off"]:
        disk.write_json(job.store.kernel, {**sent, "state": CUT_OFF})
        raise _cut_off(job, sent["kernel"])
    if not came["finished"]:
        raise UserError(
            f"{sent['kernel']} did not finish ({came['error']}): look at {sent['page']}, "
            "mend that and send it anew with --again"
        )
    kernels.fetch_whole(place, came["files"], folder)
    if sent["state"] == "sent" and not sent["again"]:
        _refuse_what_stands_here(job)
    disk.write_json(job.store.kernel, {**sent, "state": "arriving"})
    returned.put(job, folder, came["pretrained"])
    shutil.rmtree(folder)
    disk.write_json(job.store.kernel, {**sent, "state": "back"})
    job.say(f"{len(came['files'])} files came back from {sent['kernel']}")


def _refuse_other(job: Job, sent: dict, came: dict) -> None:
    """Raises UserError for the output of another version than was sent from here, or of data that is no more here."""
    if came.get("pack") != sent["pack"]:
        raise UserError(
            f"the output of {sent['kernel']} is of other code, folds or another recipe than were sent from here "
            "(another version of it, or an older one): start again with --again"
        )
    other = [kind for kind in session.KINDS if job.prepared.fingerprint(kind) != came["data"].get(kind)]
    if other:
        raise UserError(
            f"the {' and '.join(other)} data here is not what it was when {sent['kernel']} was sent: bring that back, "
            "or start again with --again"
        )
