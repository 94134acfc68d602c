"""The options of the command line, and the job that they describe."""

import argparse
from dataclasses import fields
from itertools import pairwise

from pipeline import recipe as recipes
from pipeline import source
from pipeline.command import names, typed
from pipeline.command.names import PROGRAM
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs.identity import absolute, in_words, resolve_run, with_absolute_weights

# option of one tool, or of several -> what to type
OF_TOOLS = {
    "fields": ("ablate", f"{PROGRAM} tgs ablate --recipe quick --fields width=24 seed=1"),
    "overwrite": ("new", f"{PROGRAM} new mine ~/data/mine --overwrite"),
    "write": ("check", f"{PROGRAM} tgs check FILE.csv --write FIXED.csv"),
    "logits": ("adopt", f"{PROGRAM} tgs adopt ~/preds --run theirs --logits"),
    "names": ("adopt", f"{PROGRAM} tgs adopt ~/preds --run theirs --names FILE.csv"),
    "channels": ("adopt", f"{PROGRAM} tgs adopt ~/preds --run theirs --channels first"),
    "answer": ("new", f"{PROGRAM} new mine ~/data/mine --answer objects"),
    "csv": ("runs", f"{PROGRAM} tgs runs --csv FILE.csv"),
    "public": ("picks", f"{PROGRAM} tgs picks --public 6000 --private 12000"),
    "private": ("picks", f"{PROGRAM} tgs picks --public 6000 --private 12000"),
    "groups": ("mosaics", f"{PROGRAM} tgs mosaics --groups"),
    "leaderboard": ("ledger", f"{PROGRAM} tgs ledger --leaderboard FILE.csv"),
    "to": ("pack", f"{PROGRAM} tgs pack --run R --to DIR"),
    "time_limit": ("infer rehearse", f"{PROGRAM} tgs rehearse --run R --time-limit 30m"),
    "times": ("rehearse", f"{PROGRAM} tgs rehearse --run R --times 3"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing its usage."""

    def error(self, message):
        raise UserError(f"{message}; {PROGRAM} --help lists what there is")


class _Wide(argparse.HelpFormatter):
    """One line for most options."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=26, width=118)


def parser(with_fields: bool = True) -> argparse.ArgumentParser:
    result = _Parser(prog=PROGRAM, add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS, formatter_class=_Wide)
    result.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    group = result.add_argument_group("options")
    group.add_argument("--recipe", metavar="NAME", help="a named recipe (default: default)")
    group.add_argument("--run", metavar="NAME", help="the run's name (default: the recipe and what differs from it)")
    group.add_argument(
        "--data", type=typed.folder, metavar="DIR", help="raw files, zipped or unpacked (default: data/<c>/raw)"
    )
    group.add_argument("--root", type=typed.folder, metavar="DIR", help="where data, folds, runs and submissions go")
    group.add_argument(
        "--fold", action="append", type=typed.fold, metavar="K", help="a fold, repeatable; 'all' holds nothing out"
    )
    group.add_argument("--again", action="store_true", help="train again; replace files made by hand")
    group.add_argument("--wait", action="store_true", help="for another command that is making the same, not refuse")
    group.add_argument(
        "--on-bad-image",
        choices=("empty", "refuse"),
        metavar="DO",
        help="test pictures that cannot be read: empty (answer) or refuse (default, but in a Kaggle notebook)",
    )
    group.add_argument(
        "--jobs", type=typed.jobs, metavar="N", help="folds trained at a time, a process each; auto: one for each GPU"
    )
    group.add_argument(
        "--on", type=typed.place, metavar="WHERE", help="folds trained by Ray: ray, or a cluster's address"
    )
    group.add_argument(
        "--devices", type=typed.devices, metavar="N", help="GPUs that each batch of a fold is spread over"
    )
    group.add_argument(
        "--continue-from",
        metavar="DIR",
        help="an earlier output to go on from, which may be read-only; for kernel: the notebook USER/SLUG it is of",
    )
    group.add_argument("--message", metavar="TEXT", help="for the upload")
    group.add_argument(
        "--kernel", metavar="USER/SLUG/V", help="for the upload: a version of a notebook, in the csv's place"
    )
    group.add_argument(
        "--fields", nargs="+", action="extend", metavar="F=V,…", help="for ablate: what each variant changes"
    )
    group.add_argument(
        "--write", type=typed.file, metavar="FIXED.csv", help="for check: where the mended submission goes"
    )
    group.add_argument("--csv", type=typed.file, metavar="FILE.csv", help="for runs: where else the table goes")
    group.add_argument("--public", type=typed.count, metavar="N", help="for picks: images in the public part")
    group.add_argument("--private", type=typed.count, metavar="N", help="for picks: images in the private part")
    group.add_argument(
        "--leaderboard", type=typed.file, metavar="FILE.csv", help="for ledger: Kaggle's own csv of a leaderboard"
    )
    group.add_argument("--groups", action="store_true", help="for mosaics: make them the groups of the folds")
    group.add_argument("--overwrite", action="store_true", help="for new: replace a file that was changed by hand")
    group.add_argument(
        "--answer",
        choices=("classes", "overlap", "objects"),
        metavar="KIND",
        help="for new: classes (that exclude each other), overlap (classes that may) or objects (default: as the masks "
        "look)",
    )
    group.add_argument("--logits", action="store_true", help="for adopt: values are logits, not probabilities")
    group.add_argument(
        "--names", type=typed.file, metavar="FILE.csv", help="for adopt: whose names differ: a csv theirs,ours"
    )
    group.add_argument(
        "--channels", choices=("first", "last"), metavar="WHERE", help="for adopt: first or last, of an array's axes"
    )
    group.add_argument(
        "--to", type=typed.folder, metavar="DIR", help="for pack: where it goes (default: pack/ in the run)"
    )
    group.add_argument(
        "--time-limit", metavar="8h30m", help="for infer and rehearse: what is left out to stay within it"
    )
    group.add_argument("--times", type=typed.times, metavar="N", help="for rehearse: how much larger the test part is")
    if with_fields:
        _add_fields(result)
    return result


def _add_fields(result: argparse.ArgumentParser) -> None:
    for field in fields(Recipe):
        option, default = recipes.option(field.name), field.default
        if isinstance(default, bool):
            result.add_argument(option, action=argparse.BooleanOptionalAction, default=None)
        else:
            result.add_argument(option, type=typed.KINDS[type(default)], metavar=type(default).__name__.upper())


def parse(arguments: list[str]) -> argparse.Namespace:
    """Raises UserError for what is no option, or an option that is not this command's."""
    _refuse_more_than_it_takes(arguments)
    options = parser().parse_intermixed_args(arguments)
    if not options.words and options.fields:
        raise UserError("--fields takes all words after it; name the competition and the tool ablate before it")
    if not options.words:
        raise UserError(f"no competition named; known are: {', '.join(names.competitions())}")
    if options.run is not None and not _names_folder(options.run):
        raise UserError(f"--run '{options.run}' cannot be the name of a folder")
    for option, (tool, example) in OF_TOOLS.items():
        if getattr(options, option) and not set(tool.split()) & set(options.words[:2]):
            raise UserError(f"{recipes.option(option)} is of the tool {' and '.join(tool.split())}: {example}")
    if options.kernel is not None and "upload" not in options.words:
        raise UserError(f"--kernel is of the stage upload: {PROGRAM} tgs upload --kernel USER/SLUG/VERSION")
    other = [tool for tool in names.tools() if tool in options.words[:2] and tool != "kernel"]
    if options.continue_from is not None and other:
        raise UserError(f"--continue-from means nothing to {other[0]}; it is of training, here or by the tool kernel")
    return options


def _refuse_more_than_it_takes(arguments: list[str]) -> None:
    """Raises UserError for a second fold behind one --fold, and for the value of an option that is on or off."""
    before = ""
    for option, word in pairwise(arguments):
        if (before == "--fold" or option.startswith("--fold=")) and (word.isdecimal() or word == "all"):
            raise UserError(f"--fold takes one fold, and '{word}' follows it; several: {typed.SEVERAL}")
        before = option
    switches = {recipes.option(field.name) for field in fields(Recipe) if isinstance(field.default, bool)}
    for option, word in [*pairwise(arguments), *(argument.split("=", 1) for argument in arguments if "=" in argument)]:
        if option in switches and word.lower() in _VALUES:
            raise UserError(f"{option} takes no value like '{word}': it is {option}, or --no-{option[2:]}")


_VALUES = ("on", "off", "true", "false", "yes", "no", "0", "1")


def _names_folder(word: str) -> bool:
    return bool(word) and word.isprintable() and not set(word) & set("/\\") and not word.startswith(".")


def refuse_for_words_alone(options: argparse.Namespace) -> None:
    """A tool in a competition's place takes words, and what is its own. Raises UserError for any other option, which
    would do nothing."""
    tool = options.words[0]
    own = {"words", *(option for option, (of, _) in OF_TOOLS.items() if tool in of.split())}
    given = [option for option, value in vars(options).items() if option not in own and value not in (None, False, "")]
    if given:
        raise UserError(f"{recipes.option(given[0])} means nothing to {tool}, which takes words only")


def refuse_for_every_run(options: argparse.Namespace) -> None:
    """A tool that is about all runs, or those that it is given as words, has no run or recipe of its own. Raises
    UserError for an option that would do nothing."""
    _refuse_but(options, {"root", "again"}, "reads the runs that there are")


def refuse_for_a_pack(options: argparse.Namespace) -> None:
    """A tool that runs from a pack has the run, the recipe and the folds that are in it. Raises UserError for an option
    that would do nothing."""
    _refuse_but(options, {"root", "data", "on_bad_image"}, "answers by what is in the pack")


def refuse_for_runs_in_words(options: argparse.Namespace) -> None:
    """A tool that makes a run of those that it is given as words has their recipe and folds. Raises UserError for an
    option that would do nothing."""
    means = {"root", "run", "data", "again", "wait", "on_bad_image"}
    _refuse_but(options, means, "has the recipe and the folds of the runs that it is of")


def refuse_for_no_training(options: argparse.Namespace) -> None:
    """Raises UserError for an option of training that would do nothing, as most tools train nothing."""
    given = [option for option in _OF_TRAINING if getattr(options, option) is not None]
    if given and options.words[1] not in _TRAINING:
        raise UserError(
            f"{recipes.option(given[0])} means nothing to {options.words[1]}, which trains nothing; leave it out"
        )


_OF_TRAINING = ("fold", "jobs", "on", "devices")
_TRAINING = ("ablate", "adopt", "kernel")  # or say themselves what they do not take


def _refuse_but(options: argparse.Namespace, means: set[str], what: str) -> None:
    tool = options.words[1]
    own = {"words", *means, *(option for option, (of, _) in OF_TOOLS.items() if tool in of.split())}
    given = [option for option, value in vars(options).items() if option not in own and value not in (None, False, "")]
    if given:
        raise UserError(f"{recipes.option(given[0])} means nothing to {tool}, which {what}; leave it out")


def own_of(tool: str, options: argparse.Namespace) -> dict:
    """The options of that tool alone that were given, by name, and recipe fields that its `run` asks for by theirs:
    what it is told besides its words; what belongs to a competition's job (ablate's fields) it finds there."""
    taken = source.functions(f"tools/{tool}")["run"].parameters
    given = {option: getattr(options, option) for option, (of, _) in OF_TOOLS.items() if tool in of.split()}
    given |= {field.name: getattr(options, field.name) for field in fields(Recipe)}
    return {option: value for option, value in given.items() if value and option in taken}


def job_of(chosen, options: argparse.Namespace, own=()):
    """The job of these options; the recipe is the saved one where the run exists. `own`: options that are told to a
    tool, and say nothing of the recipe."""
    from pipeline.runs.job import Job
    from pipeline.store.paths import Store

    root = absolute(options.root or source.PACKAGE.parent)
    overrides = {
        field.name: getattr(options, field.name)
        for field in fields(Recipe)
        if field.name not in own and getattr(options, field.name) is not None
    }
    overrides = with_absolute_weights(overrides)
    run_name, recipe_name, recipe = resolve_run(chosen, root, options.run, options.recipe, overrides)
    return Job(
        competition=chosen,
        recipe=recipe,
        recipe_name=recipe_name,
        store=Store(root, chosen.name, run_name, chosen.format.suffix),
        data=absolute(options.data) if options.data else None,
        folds=tuple(options.fold or ()),
        again=options.again,
        message=options.message or "",
        kernel=options.kernel or "",
        continue_from=options.continue_from or "",
        wait=options.wait,
        on_bad_image=options.on_bad_image or "",
        jobs=options.jobs or 1,
        on=options.on or "",
        devices=options.devices or 1,
        variants=tuple(options.fields or ()),
    )


def job_of_every_run(chosen, options: argparse.Namespace):
    """The job of a tool that is about every run of a competition: of none, whatever is in their recipes. Raises
    UserError for an option of a run."""
    from pipeline.runs.job import Job
    from pipeline.store.paths import Store

    refuse_for_every_run(options)
    root = absolute(options.root or source.PACKAGE.parent)
    recipe = recipes.resolve(chosen.recipes.get("default", {}), {})
    return Job(chosen, recipe, "default", Store(root, chosen.name), again=options.again)


def described(field: str) -> tuple[str, str]:
    """(how the option of a recipe field is spelt, what it means), for people."""
    default = getattr(Recipe(), field)
    spelt = recipes.option(field)
    if isinstance(default, bool):
        spelt += f", --no-{spelt[2:]}"
    return spelt, f"{recipes.explained()[field]} (default: {in_words(default)})"
