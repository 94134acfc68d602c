"""[--leaderboard FILE.csv] -> runs/<c>/ledger.html: out-of-fold against public; what to expect of a new run.

    ./run.sh tgs ledger
    ./run.sh tgs ledger --leaderboard ~/Downloads/tgs-salt-publicleaderboard.csv

Every upload of submissions/ledger.csv with its scores, the line through cross-fitted and public ones (least squares;
with fewer than three its slope is taken for 1), its spread, and the public score to expect of each run that is tuned
and not uploaded, with one standard error. With --leaderboard (Kaggle's own csv of a competition, public or private, or
one with the columns rank,score) the rank and the medal that each score would have had there: medals as Kaggle gives
them for so many teams, behind teams of the same score; whether higher is better is read from its order.
"""

from pathlib import Path

from pipeline.errors import UserError, shown
from pipeline.kaggle import leaderboard as boards
from pipeline.reporting.ledger import facts, page
from pipeline.reporting.shared.page import put_text
from pipeline.runs import every, tuned
from pipeline.runs.job import Job
from pipeline.store import ledger

OF_EVERY_RUN = True


def run(job: Job | None, words: list[str], leaderboard: Path | None = None) -> int:
    """Prints the tables and writes the page. Raises UserError: words, a ledger or a leaderboard that cannot be read, or
    neither an upload nor a tuned run."""
    if job is None or words:
        raise UserError("ledger wants a competition and nothing more: ./run.sh tgs ledger [--leaderboard FILE.csv]")
    board = boards.read(leaderboard) if leaderboard is not None else None
    uploads = ledger.uploads(job.store.ledger, job.competition.name)
    known = [one for one in every.found(job) if one.job is not None]
    by_kind = {one.name for one in known if one.job.recipe.split == "kind"}
    if by_kind:
        job.say(f"{len(by_kind)} run(s) of --split kind are left out, their score is another: {shown(sorted(by_kind))}")
    uploads = [one for one in uploads if one.run not in by_kind]
    standing = {one.name: tuned.standing(one.job) for one in known if one.name not in by_kind}
    scores = {name: content["cross_fitted"] for name, (content, why) in standing.items() if content and not why}
    if not uploads and not scores:
        name = job.competition.name
        raise UserError(f"nothing of {name} was uploaded, and no run is tuned: ./run.sh {name} runs says what there is")
    found = facts.gather(uploads, scores, board)
    for line in page.text(found):
        job.say(line)
    path = job.store.runs / "ledger.html"
    job.say(f"{put_text(job, path, page.render(job, found))}: open it in a browser")
    return 0
