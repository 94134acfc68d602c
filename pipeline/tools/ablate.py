"""--fields F=V … -> what does a change gain? Variants on the same folds, compared image by image.

    ./run.sh tgs ablate --recipe quick --fold 0 --fields width=24 late_loss=lovasz,late_share=0.5 seed=1
    ./run.sh tgs ablate --recipe quick --epochs 24 --fields encoder=resnet50 tta=off late_loss=

Each word after --fields is one variant of the recipe that the other options describe (the base): fields and values as
the command line knows them, joined by commas. The folds are those of --fold, or all that the recipe trains. Base and
variants are ordinary runs: what is trained is kept and not trained again, unless --again is given. With --run NAME
they are called NAME and NAME-<fields>.

The table is printed, and written to runs/<c>/<base run>/ablation.csv (with ablation.png beside it) each time a variant
is finished. It is the comparison last asked for, of the base it stands with: the same command with more words adds to
it without training the others again. Score and gain are cross-fitted, as `tune` reports them; a gain is taken on the
same images, and its standard error is that of the paired differences (over groups, where images belong to groups).
"gains" and "loses" are more than one standard error from nothing. That error knows of the images alone: what another
seed does to a training, the variant seed=1 shows, and where it alone "gains", so does chance.
"""

from dataclasses import replace

from pipeline import recipe as recipes
from pipeline.command import order
from pipeline.errors import UserError
from pipeline.machines import ways
from pipeline.machines.work import Work
from pipeline.reporting.ablation import facts, table
from pipeline.runs import adopted, identity, trained, tuning, variants
from pipeline.runs.job import Job
from pipeline.stages import train, tune

EXAMPLE = "./run.sh tgs ablate --recipe quick --fold 0 --fields width=24 late_loss=lovasz,late_share=0.5 seed=1"


def run(job: Job | None, words: list[str]) -> int:
    """Trains what is not trained yet, and writes and prints the table. Returns 0.

    Raises:
        UserError: a variant that cannot be, before anything is trained; or what training or predicting one says. The
            table then holds those before it.
    """
    if job is None or words or not job.variants:
        raise UserError(f"ablate wants a competition and --fields with what each variant changes: {EXAMPLE}")
    adopted.refuse_training(job)
    if job.recipe.budget and not job.store.recipe.exists():
        raise UserError("--budget would pick other epochs for each variant: give --epochs, or train the base first")
    if "all" in job.folds:
        raise UserError("--fold all holds nothing out, and nothing can be compared; name folds by number")
    ways.check(job)
    jobs = {facts.BASE: job, **_jobs(job)}
    order.bring_up_to_date(job, "split")
    job.fold_numbers()  # what is wrong with --fold is wrong with all of them
    for label, one in jobs.items():
        _named(label, train.check, one)
    jobs = _trained_apart(jobs)
    outcomes: list[facts.Outcome] = []
    for number, (label, one) in enumerate(jobs.items(), 1):
        job.say(f"{number} of {len(jobs)}, {label}: run {one.store.run}")
        outcomes.append(_named(label, _outcome, one, label))
        if len(outcomes) > 1:
            table.write(job.store.ablation, outcomes)
    for line in [*table.lines(outcomes), _written(job)]:
        job.say(line)
    return 0


def _trained_apart(jobs: dict[str, Job]) -> dict[str, Job]:
    """The jobs, when the folds of all of them are trained by processes of their own, where that is asked for: then
    there is nothing to train again."""
    way = ways.way(jobs[facts.BASE])
    if way is None:
        return jobs
    begun = [_named(label, train.begun, one) for label, one in jobs.items()]
    ways.do(way, *_in_order(begun))
    return {label: replace(one, again=False) for label, (one, _) in zip(jobs, begun, strict=True)}


def _in_order(begun: list[tuple[Job, list]]) -> tuple[list[Work], list[Work]]:
    """(the folds to be trained, those that take the weights of one of them, as they differ in how they predict)."""
    first, after, learnt = [], [], set()
    for job, folds in begun:
        for fold, work in zip(folds, train.works_of(job, folds, of_several=True), strict=True):
            what = recipes.as_learnt(job.recipe), fold
            # trained again, each is trained
            (after if what in learnt and not job.again else first).append(work)
            learnt.add(what)
    return first, after


def _jobs(job: Job) -> dict[str, Job]:
    """Label -> the job of each variant. Raises UserError where one cannot be, or two would be the same run."""
    found: dict[str, Job] = {}
    # of a budget its epochs, which are found
    for variant in variants.parse(job.variants, replace(job.recipe, budget="")):
        name, recipe = _named(variant.label, _resolved, job, variant.recipe)
        taken = {facts.BASE: job, **found}
        same = [label for label, other in taken.items() if other.store.run == name]
        if same:
            raise UserError(f"--fields {variant.label} would be run '{name}', as {same[0]} is; leave one of them out")
        if job.again and recipe.pseudo in (job.store.run, *(other.store.run for other in found.values())):
            raise UserError(
                f"--fields {variant.label} learns from run '{recipe.pseudo}', which --again is about to train again; "
                "leave out --again, or train that run before"
            )
        found[variant.label] = replace(job, recipe=recipe, store=replace(job.store, run=name))
    return found


def _resolved(job: Job, recipe) -> tuple[str, recipes.Recipe]:
    """The run of a variant: named after its recipe, or after the base where that has a name of its own."""
    name = recipes.run_name(job.store.run, recipe, job.recipe) if job.has_own_name else None
    every_field = recipes.to_json(recipe)
    name, _, recipe = identity.resolve_run(job.competition, job.store.root, name, job.recipe_name, every_field)
    return name, recipe


def _named(label: str, function, *arguments):
    """What the function returns; a UserError says of which variant it is."""
    try:
        return function(*arguments)
    except UserError as error:
        if label == facts.BASE:
            raise
        raise UserError(f"--fields {label}: {error}") from error


def _outcome(job: Job, label: str) -> facts.Outcome:
    """Trains the folds that are not trained, and scores what all of them held out."""
    folds = job.fold_numbers()
    if train.unfinished(job):
        train.run(job)
    else:
        job.say("trained already (--again trains it again)")
    apart, found = tune.decided(job, folds)
    return facts.Outcome(
        label=label,
        run=job.store.run,
        folds=folds,
        crossed=tuning.crossed_by(found.data, apart),
        half=found.data.tally(job.competition.task.plain_thresholds()),
        minutes=trained.minutes([job.store.fold(fold) / "history.csv" for fold in folds]),
    )


def _written(job: Job) -> str:
    path = job.store.ablation
    return f"{job.store.shown(path)}, {job.store.shown(path.with_suffix('.png'))}"
