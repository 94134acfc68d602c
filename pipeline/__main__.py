"""The command line: competition, stages, options -> stages in order. `./run.sh` calls it."""

import argparse
import importlib
import os
import sys
import traceback
from dataclasses import fields
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.recipe import Recipe
from pipeline.runs.identity import absolute, in_words, resolve_run, with_absolute_weights

STAGES = ("download", "prepare", "split", "train", "tune", "predict", "submit", "report", "upload")
PACKAGE = Path(__file__).parent
PROGRAM = "./run.sh"

EXAMPLES = f"""examples:
  {PROGRAM} demo                              no account, no data, no GPU: draws its own data, runs every stage
  {PROGRAM} tgs --data ~/Downloads/tgs        every stage on Kaggle's files, zipped or unpacked
  {PROGRAM} tgs --recipe quick                without a GPU
  {PROGRAM} tgs --budget 45m                  as many epochs as fit into this time
  {PROGRAM} tgs train --fold 2                one stage, one fold (--fold all trains on everything)
  {PROGRAM} tgs tune submit report            some stages of what is trained
  {PROGRAM} tgs --recipe quick --run mine --epochs 3
  {PROGRAM} tgs upload --message "first try"
  {PROGRAM} tgs check FILE.csv                is this a valid submission?
  {PROGRAM} tgs explore                       look at the data before any training
  {PROGRAM} tgs ablate --recipe quick --fold 0 --fields width=24 late_loss=lovasz,late_share=0.5 seed=1
  {PROGRAM} new mine ~/data/mine              a competition file for your own images/ and masks/
  {PROGRAM} test                              the tests
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 2 the user can fix it, 130 interrupted; a traceback is our bug (1)."""
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "pipeline":
            raise
        print(f"error: this Python has no '{error.name}'; pip install -r requirements.txt", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, the same command (without --again) goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `… | head`: nobody reads any more; keep the interpreter from complaining as it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(arguments: list[str]) -> int:
    wants_help = not arguments or bool({"-h", "--help"} & set(arguments))
    if wants_help:
        print(help_for([word for word in arguments if not word.startswith("-")]))
        return 0
    options = parse(arguments)
    name, *words = options.words
    if options.fields and words[:1] != ["ablate"]:
        raise UserError(f"--fields is of the tool ablate: {PROGRAM} tgs ablate --recipe quick --fields width=24 seed=1")
    if name in tool_names() and name not in competition_names():
        _refuse_options(options)
        return tool(name).run(None, words)
    job = job_for(competition(name), options)
    if words and words[0] in tool_names():
        return tool(words[0]).run(job, words[1:])
    run_stages(job, words)
    return 0


def _refuse_options(options: argparse.Namespace) -> None:
    """A tool in a competition's place takes words alone. Raises UserError for an option, which would do nothing."""
    given = [option for option, value in vars(options).items() if option != "words" and value not in (None, False)]
    if given:
        raise UserError(f"{recipes.option(given[0])} means nothing to {options.words[0]}, which takes words only")


def run_stages(job, named: list[str]) -> None:
    """Runs the named stages in their order, each after bringing up to date what it reads; all but upload, when none
    is named."""
    unknown = [word for word in named if word not in STAGES]
    if unknown:
        raise UserError(
            f"'{unknown[0]}' is no stage; known are: {', '.join(STAGES)}, and the tools {', '.join(tool_names())}"
        )
    if "upload" in named:
        # before the work of the stages it reads
        stage("upload").refuse(job)
    done: set[str] = set()
    for name in STAGES:
        # `train` may have found what a budget leaves open
        job = job.settled()
        if name in named:
            _bring_up_to_date(job, stage(name).READS, done, may_train=False)
            _run(job, name, named=True)
            done.add(name)
        elif not named and name != "upload":
            _bring_up_to_date(job, (name,), done, may_train=True)


def _bring_up_to_date(job, names, done: set[str], may_train: bool) -> None:
    for name in names:
        if name in done:
            continue
        _bring_up_to_date(job, stage(name).READS, done, may_train)
        if name == "train" and not may_train:
            from pipeline.runs import trained

            trained.require(job)
        elif stage(name).is_current(job):
            job.say(f"{name}: up to date")
        else:
            _run(job, name, named=False)
        done.add(name)


def _run(job, name: str, named: bool) -> None:
    job.say(f"{name}:")
    stage(name).run(job, named=named)


def stage(name: str):
    return importlib.import_module(f"pipeline.stages.{name}")


def tool(name: str):
    return importlib.import_module(f"pipeline.tools.{name}")


def competition(name: str):
    if name not in competition_names():
        raise UserError(f"'{name}' is no competition; known are: {', '.join(competition_names())}")
    try:
        return importlib.import_module(f"pipeline.competitions.{name}").competition
    except (UserError, ModuleNotFoundError):
        raise
    except Exception as error:
        # whoever writes a competition's file makes mistakes in it: a line says where
        raise UserError(_mistake(name, error)) from error


def _mistake(name: str, error: Exception) -> str:
    """What is wrong in a competition's file: file, line and error."""
    path = PACKAGE / "competitions" / f"{name}.py"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    where = f"{path.relative_to(PACKAGE.parent)}" + (f", line {line}" if line else "")
    return f"{where}: {type(error).__name__}: {error}"


def competition_names() -> list[str]:
    """Every file of competitions/ is one: nothing else needs to be told."""
    return _modules("competitions")


def tool_names() -> list[str]:
    return _modules("tools")


def _modules(folder: str) -> list[str]:
    return sorted(path.stem for path in (PACKAGE / folder).glob("*.py") if not path.stem.startswith("_"))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing its usage."""

    def error(self, message):
        raise UserError(f"{message}; {PROGRAM} --help lists what there is")


class _Wide(argparse.HelpFormatter):
    """One line for most options."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=34, width=118)


def parser() -> argparse.ArgumentParser:
    result = _Parser(prog=PROGRAM, add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS, formatter_class=_Wide)
    result.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    group = result.add_argument_group("what and where")
    group.add_argument("--recipe", metavar="NAME", help="a named recipe (default: default)")
    group.add_argument("--run", metavar="NAME", help="the run's name (default: the recipe and what differs from it)")
    group.add_argument("--data", type=Path, metavar="DIR", help="raw files, zipped or unpacked (default: data/<c>/raw)")
    group.add_argument("--root", type=Path, metavar="DIR", help="where data, folds, runs and submissions go")
    group.add_argument(
        "--fold", action="append", type=_fold, metavar="K", help="a fold, repeatable; 'all' holds nothing out"
    )
    group.add_argument("--again", action="store_true", help="train again; replace files made by hand")
    group.add_argument("--message", metavar="TEXT", help="for the upload")
    group.add_argument(
        "--fields", nargs="+", action="extend", metavar="F=V,…", help="for ablate: what each variant changes"
    )
    group = result.add_argument_group("recipe fields (changing one starts a new run)")
    meaning = recipes.explained()
    for field in fields(Recipe):
        option, default = recipes.option(field.name), field.default
        text = f"{meaning[field.name]} (default: {in_words(default)})".replace("%", "%%")
        if isinstance(default, bool):
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(option, type=type(default), metavar=type(default).__name__.upper(), help=text)
    return result


def parse(arguments: list[str]) -> argparse.Namespace:
    options = parser().parse_intermixed_args(arguments)
    if not options.words and options.fields:
        raise UserError("--fields takes all words after it; name the competition and the tool ablate before it")
    if not options.words:
        raise UserError(f"no competition named; known are: {', '.join(competition_names())}")
    if options.run is not None and (not options.run or set(options.run) & set("/\\\0") or options.run.startswith(".")):
        raise UserError(f"--run '{options.run}' cannot be the name of a folder")
    return options


def _fold(word: str):
    if word == "all":
        return word
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"'{word}' is neither a fold number nor 'all'")
    return int(word)


def job_for(chosen, options: argparse.Namespace):
    """The job of these options; the recipe is the saved one where the run exists."""
    from pipeline.runs.job import Job
    from pipeline.store.paths import Store

    root = absolute(options.root or PACKAGE.parent)
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
        variants=tuple(options.fields or ()),
    )


def help_for(words: list[str]) -> str:
    """The overview; with a competition its recipes; with a stage or tool after it what that does."""
    known = [word for word in words if word in competition_names()]
    parts = [f"{PROGRAM} COMPETITION [STAGE …] [options]\n"]
    if known:
        parts.append(_described(competition(known[0])))
    named = [word for word in words if word in STAGES or word in tool_names()]
    if named:
        parts += [f"{word}: {_docstring(word)}\n" for word in named]
    else:
        if not known:
            parts += [
                "competitions:\n",
                *(_listed(name) for name in competition_names()),
            ]
        parts.append(
            "stages, in order:\n" + "".join(f"  {name:<10}{_docstring(name).splitlines()[0]}\n" for name in STAGES)
        )
        parts.append("models (--model):\n" + "".join(f"  {name:<14}{_model(name)}\n" for name in catalogue.MODELS))
        parts.append(f"encoders (--encoder):\n  {', '.join(catalogue.ENCODERS)}\n")
        parts.append("tools:\n" + "".join(f"  {name:<10}{_docstring(name).splitlines()[0]}\n" for name in tool_names()))
    parts += [EXAMPLES, parser().format_help().strip()]
    return "\n".join(parts)


def _listed(name: str) -> str:
    """For the overview, where a mistake in one file must not hide the others."""
    try:
        return _described(competition(name))
    except UserError as error:
        return f"{name}: cannot be read: {error}\n"


def _described(chosen) -> str:
    """A competition, where it is, and its recipes with what they cost."""
    lines = [f"{chosen.name}: {chosen.title}", *([f"  {chosen.page}"] if chosen.page else [])]
    lines += [f"  --recipe {name:<12}{chosen.costs[name]}" for name in chosen.recipes]
    return "\n".join(lines) + "\n"


def _docstring(name: str) -> str:
    """Of a stage or tool."""
    return _head("stages" if name in STAGES else "tools", name)


def _model(name: str) -> str:
    """What a network is, in a line."""
    return _head("models", name).split("\n")[0]


def _head(folder: str, name: str) -> str:
    """The docstring of a module, read without importing what it needs."""
    import ast

    return ast.get_docstring(ast.parse((PACKAGE / folder / f"{name}.py").read_text(encoding="utf-8"))) or ""


if __name__ == "__main__":
    sys.exit(main())
