"""Writes the pages of docs/reference/ that say what the code says: run it after a change, a test compares.

.venv/bin/python docs/generate.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline import recipe as recipes
from pipeline import source
from pipeline.command import help, names, options
from pipeline.models import catalogue as models
from pipeline.store.dialect import VOLUMES
from pipeline.training import catalogue as training

FOLDER = Path(__file__).parent / "reference"


def command_line() -> str:
    """Every word there is."""
    steps = [(f"`{name}`", *_arrow(source.meaning(f"stages/{name}"))) for name in names.stages()]
    tools = [(f"`{name}`", *_arrow(source.meaning(f"tools/{name}"))) for name in names.tools()]
    return _page(
        "The command line",
        "`./run.sh COMPETITION [STAGE …] [options]`, or a tool in the stage's place. Exit status: 0 done; 2 you can "
        "fix it (one line says what, where and what to do); 130, 143 or 129 ended by a signal; 141 nobody reads what "
        "is printed; 1 our bug.",
        ("Stages, in this order; where none is named, all but upload", _table(("stage", "reads", "writes"), steps)),
        ("Tools", _table(("tool", "arguments", "what for"), tools)),
        ("Options", f"```text\n{help.options_page()}\n```"),
    )


def recipe_fields() -> str:
    """Every field of recipe.py with its default."""
    return _page(
        "Recipe fields",
        "A recipe is plain names and numbers: [recipe.py](../../pipeline/recipe.py) has every default, a competition's "
        "named recipes say what differs, the command line overrides both. Changing a field starts a new run.",
        *((title, _table(("option", "meaning"), _fields(members))) for title, members in recipes.groups().items()),
    )


def parts() -> str:
    """What recipes and competitions are put together from."""
    known = training.augmentations()
    amounts = [
        (f"`{recipes.option(name)}`" if training.has_field(name) else f"`--augment {name}=AMOUNT`", known[name].meaning)
        for name in known
    ]
    return _page(
        "Networks, encoders, losses, augmentations, metrics",
        "Each is one file or one function: what is added there is in this table, in the help and an option at once.",
        ("Networks (`--model`)", _table(("name", "what"), _modules("models", models.models()))),
        ("Encoders (`--encoder`)", ", ".join(f"`{name}`" for name in models.encoders()) + "."),
        (
            "Losses (`--loss`, `--late-loss`), added by `+`",
            _table(
                ("name", "what", "fits where this one does"),
                [(f"`{name}`", loss.meaning, f"`{loss.like}`") for name, loss in training.losses().items()],
            ),
        ),
        ("Augmentations", _table(("option", "what its amount means"), amounts)),
        *(
            (
                f"Metrics {use.counts} (`{use.kind}`)",
                _table(("function", "what"), [(f"`{name}`", one.meaning) for name, one in found.items()]),
            )
            for use, found in help.metrics()
        ),
    )


def competitions() -> str:
    """Every competition, its recipes and the columns of its csv."""
    found = [names.competition(name) for name in names.competitions()]
    rows = [(f"`{one.name}`", _linked(one), one.metric.name, _csv(one.format)) for one in found]
    costs = [(f"`{one.name}`", f"`{recipe}`", one.costs.get(recipe, "")) for one in found for recipe in one.recipes]
    return _page(
        "The competitions",
        "Each is one file in [competitions/](../../pipeline/competitions).",
        ("What is asked", _table(("word", "what", "score", "csv"), rows)),
        (
            "What counts each score, and what proves it",
            _table(("word", "the organisers' score", "counted by", "proved by"), [_proof(one) for one in found]),
        ),
        ("Recipes and what they cost", _table(("word", "recipe", "cost"), costs)),
    )


PAGES = {
    "command-line.md": command_line,
    "recipe-fields.md": recipe_fields,
    "parts.md": parts,
    "competitions.md": competitions,
}


def _fields(members: list[str]) -> list[tuple[str, str]]:
    return [(f"`{spelt}`", meaning) for spelt, meaning in map(options.described, members)]


def _modules(room: str, chosen: list[str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", source.meaning(f"{room}/{name}")) for name in chosen]


def _arrow(line: str) -> tuple[str, str]:
    before, _, after = line.partition("-> ")
    return before.strip(), after.strip()


def _linked(competition) -> str:
    return f"[{competition.title}]({competition.page})" if competition.page else competition.title


def _csv(form) -> str:
    if form.files:
        return f"a zip of `<id>{form.files}`, a file for each {'volume' if form.files == VOLUMES else 'image'}"
    parts = [
        ", a row for each object" if form.several else "",
        ", and label PNGs" if form.pictures else "",
        ", runs across the rows" if form.order == "across" else "",
        f", `{form.empty}` where there is nothing" if form.empty else "",
    ]
    return f"`{','.join(form.columns)}`{''.join(parts)}"


def _proof(competition) -> tuple[str, str, str, str]:
    """The functions that count a competition's score, and the tests that hold them, and it, to known answers."""
    score, metric = competition.official or competition.metric, competition.metric
    counted = [part.measure for part in score.parts] if competition.official else [getattr(metric, "formula", metric)]
    counted = [getattr(one, "func", one) for one in counted if one is not None]
    named = {getattr(one, "__name__", type(one).__name__): one.__module__.split(".")[1:] for one in counted}
    root = FOLDER.parents[1]
    tests = {f"{way[0]}/test_{way[1]}.py" for way in named.values()} | {f"competitions/test_{competition.name}.py"}
    there = [test for test in sorted(tests) if (root / "tests" / test).exists()]
    files = [f"[{name}](../../pipeline/{'/'.join(way)}.py)" for name, way in named.items()]
    return f"`{competition.name}`", score.name, ", ".join(files), ", ".join(f"[{t}](../../tests/{t})" for t in there)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    """What Markdown would take for a column or a tag is not."""
    text = text.replace("|", "\\|")
    return text if "`" in text else text.replace("<", "&lt;")


def _page(title: str, beginning: str, *sections: tuple[str, str]) -> str:
    found = [f"# {title}", "(Written by `docs/generate.py` from the code.)", beginning]
    return "\n\n".join([*found, *(f"## {head}\n\n{text}" for head, text in sections)]) + "\n"


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
