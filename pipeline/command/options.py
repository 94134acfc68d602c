"""The options of the command line, and the job that they describe."""

import argparse
from dataclasses import fields
from pathlib import Path

from pipeline import recipe as recipes
from pipeline import source
from pipeline.command import names
from pipeline.command.names import PROGRAM
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs.identity import absolute, in_words, resolve_run, with_absolute_weights

# option of one tool -> what to type
OF_TOOLS = {
    "fields": ("ablate", f"{PROGRAM} tgs ablate --recipe quick --fields width=24 seed=1"),
    "overwrite": ("new", f"{PROGRAM} new mine ~/data/mine --overwrite"),
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
        "--data", type=_folder, metavar="DIR", help="raw files, zipped or unpacked (default: data/<c>/raw)"
    )
    group.add_argument("--root", type=_folder, metavar="DIR", help="where data, folds, runs and submissions go")
    group.add_argument(
        "--fold", action="append", type=_fold, metavar="K", help="a fold, repeatable; 'all' holds nothing out"
    )
    group.add_argument("--again", action="store_true", help="train again; replace files made by hand")
    group.add_argument("--wait", action="store_true", help="for another command that is making the same, not refuse")
    group.add_argument(
        "--on-bad-image",
        choices=("empty", "refuse"),
        metavar="DO",
        help="test pictures that cannot be read: empty (answer) or refuse (default, but in a Kaggle notebook)",
    )
    group.add_argument("--message", metavar="TEXT", help="for the upload")
    group.add_argument(
        "--fields", nargs="+", action="extend", metavar="F=V,…", help="for ablate: what each variant changes"
    )
    group.add_argument("--overwrite", action="store_true", help="for new: replace a file that was changed by hand")
    if with_fields:
        _add_fields(result)
    return result


def _add_fields(result: argparse.ArgumentParser) -> None:
    for field in fields(Recipe):
        option, default = recipes.option(field.name), field.default
        if isinstance(default, bool):
            result.add_argument(option, action=argparse.BooleanOptionalAction, default=None)
        else:
            result.add_argument(option, type=type(default), metavar=type(default).__name__.upper())


def parse(arguments: list[str]) -> argparse.Namespace:
    """Raises UserError for what is no option, or an option that is not this command's."""
    options = parser().parse_intermixed_args(arguments)
    if not options.words and options.fields:
        raise UserError("--fields takes all words after it; name the competition and the tool ablate before it")
    if not options.words:
        raise UserError(f"no competition named; known are: {', '.join(names.competitions())}")
    if options.run is not None and (not options.run or set(options.run) & set("/\\\0") or options.run.startswith(".")):
        raise UserError(f"--run '{options.run}' cannot be the name of a folder")
    for option, (tool, example) in OF_TOOLS.items():
        if getattr(options, option) and tool not in options.words[:2]:
            raise UserError(f"--{option} is of the tool {tool}: {example}")
    return options


def refuse_for_words_alone(options: argparse.Namespace) -> None:
    """A tool in a competition's place takes words, and what is its own. Raises UserError for any other option, which
    would do nothing."""
    tool = options.words[0]
    own = {"words", *(option for option, (of, _) in OF_TOOLS.items() if of == tool)}
    given = [option for option, value in vars(options).items() if option not in own and value not in (None, False)]
    if given:
        raise UserError(f"{recipes.option(given[0])} means nothing to {tool}, which takes words only")


def _folder(word: str) -> Path:
    if not word.strip():
        raise argparse.ArgumentTypeError("is blank; name a folder")
    return Path(word)


def _fold(word: str):
    if word == "all":
        return word
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"'{word}' is neither a fold number nor 'all'")
    return int(word)


def job_of(chosen, options: argparse.Namespace):
    """The job of these options; the recipe is the saved one where the run exists."""
    from pipeline.runs.job import Job
    from pipeline.store.paths import Store

    root = absolute(options.root or source.PACKAGE.parent)
    overrides = {
        field.name: getattr(options, field.name) for field in fields(Recipe) if getattr(options, field.name) is not None
    }
    overrides = with_absolute_weights(overrides)
    run_name, recipe_name, recipe = resolve_run(chosen, root, options.run, options.recipe, overrides)
    return Job(
        competition=chosen,
        recipe=recipe,
        recipe_name=recipe_name,
        store=Store(root, chosen.name, run_name),
        data=absolute(options.data) if options.data else None,
        folds=tuple(options.fold or ()),
        again=options.again,
        message=options.message or "",
        wait=options.wait,
        on_bad_image=options.on_bad_image or "",
        variants=tuple(options.fields or ()),
    )


def described(field: str) -> tuple[str, str]:
    """(how the option of a recipe field is spelt, what it means), for people."""
    default = getattr(Recipe(), field)
    spelt = recipes.option(field)
    if isinstance(default, bool):
        spelt += f", --no-{spelt[2:]}"
    return spelt, f"{recipes.explained()[field]} (default: {in_words(default)})"
