"""The command line: words and options -> stages or a tool, and an exit status. `./run.sh` calls it."""

import os
import sys

from pipeline.errors import UserError, not_installed


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 2 the user can fix it, 130 interrupted; a traceback is our bug (1)."""
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "pipeline":
            raise
        print(f"error: this needs {not_installed(error.name)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, the same command (without --again) goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `… | head`: nobody reads any more; keep the interpreter from complaining as it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(arguments: list[str]) -> int:
    """Does what the words say. Raises UserError."""
    from pipeline.command import help, names, options, order

    if not arguments or {"-h", "--help"} & set(arguments):
        print(help.text([word for word in arguments if not word.startswith("-")]))
        return 0
    given = options.parse(arguments)
    name, *words = given.words
    if name in names.tools() and name not in names.competitions():
        options.refuse_for_words_alone(given)
        return names.tool(name).run(None, words, **({"overwrite": True} if given.overwrite else {}))
    job = options.job_of(names.competition(name), given)
    if words and words[0] in names.tools():
        return names.tool(words[0]).run(job, words[1:])
    order.run(job, words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
