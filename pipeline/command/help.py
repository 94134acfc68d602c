"""What the command line says of itself: one screen, and a page for each competition, stage, tool and topic."""

import itertools
import textwrap
from dataclasses import dataclass

from pipeline import recipe as recipes
from pipeline import source
from pipeline.command import names, options
from pipeline.command.names import PROGRAM
from pipeline.errors import UserError
from pipeline.models import catalogue as models
from pipeline.training import catalogue as training

EXAMPLES = f"""\
  {PROGRAM} demo                            no account, no data, no GPU: draws its own data, runs every stage
  {PROGRAM} tgs --data ~/Downloads/tgs      every stage on Kaggle's files, zipped or unpacked
  {PROGRAM} tgs train --fold 2 --epochs 3   one stage, one fold; any recipe field is an option
  {PROGRAM} tgs check FILE.csv              is this a valid submission?
  {PROGRAM} new mine ~/data/mine            a competition file for your own images/ and masks/
"""


def text(words: list[str]) -> str:
    """The help for these words. Raises UserError where none of them is known."""
    topic = next((word for word in words if word in TOPICS), None)
    if topic:
        return TOPICS[topic]()
    step = next((word for word in words if word in names.stages() or word in names.tools()), None)
    chosen = next((word for word in words if word in names.competitions()), None)
    if step:
        return _step(step)
    if chosen:
        return _competition(chosen)
    if words:
        raise UserError(
            f"there is no help on '{words[0]}'; there is on {', '.join([*names.competitions(), *names.stages()])}, "
            f"{', '.join([*names.tools(), *TOPICS])}"
        )
    return _overview()


def _overview() -> str:
    return "\n".join(
        [
            f"{PROGRAM} COMPETITION [STAGE …] [options]\n",
            "competitions:",
            *_in_two_columns([f"{name:<10}{_title(name)}" for name in names.competitions()]),
            "\nstages, in this order; where none is named, all but upload:",
            *(f"  {name:<10}{_first_line(name)}" for name in names.stages()),
            "\ntools:",
            *(f"  {name:<10}{_first_line(name)}" for name in names.tools()),
            "  test      the tests; test fast: the quick ones (eight minutes)",
            f"\nexamples:\n{EXAMPLES}",
            f"more: {PROGRAM} tgs --help (its recipes, the options), {PROGRAM} tgs tune --help,",
            f"      {PROGRAM} --help TOPIC with {', '.join(TOPICS)}",
        ]
    )


def _in_two_columns(lines: list[str], width: int = 58) -> list[str]:
    """Down the first column, then the second; of lines that are too long for that the end is left out."""
    short = [line if len(line) < width else f"{line[: width - 2]}…" for line in lines]
    half = (len(short) + 1) // 2
    pairs = itertools.zip_longest(short[:half], short[half:], fillvalue="")
    return [f"  {left:<{width}}{right}".rstrip() for left, right in pairs]


def _title(name: str) -> str:
    """For the overview, where a mistake in one file must not hide the others."""
    try:
        return names.competition(name).title
    except UserError as error:
        return f"cannot be read: {error}"


def _competition(name: str) -> str:
    """A competition, where it is, its recipes with what they cost, and the options."""
    chosen = names.competition(name)
    return "\n".join(
        [
            f"{chosen.name}: {chosen.title}",
            *([f"  {chosen.page}"] if chosen.page else []),
            "\nrecipes:",
            *(f"  --recipe {recipe:<12}{chosen.costs.get(recipe, '')}" for recipe in chosen.recipes),
            f"\n{options_page()}",
        ]
    )


def _step(name: str) -> str:
    """What a stage or tool does."""
    return f"{name}: {source.docstring(_module(name))}\n\n{options_page()}"


def _first_line(name: str) -> str:
    """Of a stage what comes of it; of a tool its arguments, too."""
    line = source.meaning(_module(name))
    return line.partition("-> ")[2] if name in names.stages() else line


def _module(name: str) -> str:
    return f"{'stages' if name in names.stages() else 'tools'}/{name}"


def options_page() -> str:
    """The options that are no recipe fields."""
    more = f"\n\nAny recipe field is an option, too: {PROGRAM} --help fields"
    return options.parser(with_fields=False).format_help().strip() + more


def fields_page() -> str:
    """Every recipe field, in the groups of recipe.py."""
    lines = []
    for title, members in recipes.groups().items():
        lines += [f"{title}:", *_rows([options.described(field) for field in members]), ""]
    return "\n".join([*lines, "Changing one starts a new run with a name of its own."])


def models_page() -> str:
    networks = _rows([(name, source.meaning(f"models/{name}")) for name in models.models()])
    encoders = textwrap.wrap(", ".join(models.encoders()), 100, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(["--model:", *networks, "\n--encoder:", *encoders])


def losses_page() -> str:
    rows = _rows([(name, loss.meaning) for name, loss in training.losses().items()])
    return "\n".join(["--loss, --late-loss; several are added, as in bce+dice:", *rows])


def augmentations_page() -> str:
    known = training.augmentations()
    own = [(recipes.option(name), known[name].meaning) for name in known if training.has_field(name)]
    others = [(f"{name}=AMOUNT", known[name].meaning) for name in known if not training.has_field(name)]
    added = ["\n--augment, joined by +:", *_rows(others)] if others else []
    return "\n".join(["each with an option of its own, 0 is off:", *_rows(own), *added])


def metrics_page() -> str:
    """The formulas that a competition's metric can be of, and the measures that an official one is made of."""
    lines = []
    for use, found in metrics():
        lines += [f"{use.written} in a competition's file, {use.counts}:"]
        lines += [*_rows([(name, function.meaning) for name, function in found.items()]), ""]
    return "\n".join(lines).rstrip()


def metrics() -> list[tuple["Use", dict[str, source.Function]]]:
    """For each use in a competition's file the functions of imaging/ that serve there, told by their parameters."""
    # those of the file that is called so come first
    files = sorted(source.modules("imaging"), key=lambda name: name != "metrics")
    return [
        (use, {name: one for file in files for name, one in source.functions(f"imaging/{file}", *use.first).items()})
        for use in METRICS
    ]


@dataclass(frozen=True)
class Use:
    """What a function is for in a competition's file: its class, how that is written, what it counts; and the `first`
    parameters of such a function."""

    kind: str
    written: str
    counts: str
    first: tuple[str, ...]


METRICS = (
    Use(
        "CountMetric",
        'metric=CountMetric("what it is called", FORMULA)',
        "of pixel counts",
        ("intersection", "predicted", "truth"),
    ),
    Use(
        "ObjectCountMetric",
        'metric=ObjectCountMetric("what it is called", FORMULA)',
        "of matched objects",
        ("true_positives", "false_positives", "false_negatives"),
    ),
    Use(
        "OfficialMetric",
        'official=OfficialMetric("what it is called", [Part("its name", WEIGHT, MEASURE)])',
        "of whole units, beside the metric",
        ("volume", "truth"),
    ),
)


# the word after --help -> its page
TOPICS = {
    "options": options_page,
    "fields": fields_page,
    "models": models_page,
    "losses": losses_page,
    "augmentations": augmentations_page,
    "metrics": metrics_page,
}


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows) + 2
    return [f"  {name:<{width}}{meaning}" for name, meaning in rows]
