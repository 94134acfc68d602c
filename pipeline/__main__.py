"""The command line: words and options -> stages or a tool, and an exit status. `./run.sh` calls it."""

import contextlib
import errno
import os
import signal
import sys
import threading

from pipeline import source
from pipeline.errors import UserError, not_installed, one_line

# of signals that ask a process to end: what a shell expects of one that did
ENDING = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


# what the machine refuses wherever it is asked: no mistake of ours, and mended by the user
OF_THE_MACHINE = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)


class Ended(BaseException):
    """A signal asked for the end. Attributes: status: the exit status."""

    def __init__(self, status: int):
        self.status = status


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 2 the user can fix it, 130, 143 or 129 interrupted by a signal, 141 where nobody
    reads what is printed; a traceback is our bug (1)."""
    try:
        with _signals():
            status = run(sys.argv[1:] if arguments is None else arguments)
            # what cannot be printed must not show only after the exit status is decided
            sys.stdout.flush()
            return status
    except UserError as error:
        return _refused(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "pipeline":
            raise
        return _refused(f"this needs {not_installed(error.name)}")
    except (Ended, KeyboardInterrupt) as end:
        _say("interrupted; what is finished is kept, the same command (without --again) goes on")
        return getattr(end, "status", ENDING[signal.SIGINT])
    except BrokenPipeError:
        # `… | head`: keep the interpreter from complaining as it flushes
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.filename is not None and error.errno in OF_THE_MACHINE:
            return _refused(f"{error.filename}: {error.strerror}; name another place, or mend this one")
        # of another file: a bug of ours, or of the user; of none: what is printed cannot be written
        if error.filename is not None or error.errno is None:
            return _of_the_user(error)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _refused(f"cannot print: {error.strerror}")
    except (Exception, SystemExit) as error:
        return _of_the_user(error)


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
        return names.tool(name).run(None, words, **options.own_of(name, given))
    chosen, tool = names.competition(name), words[0] if words and words[0] in names.tools() else ""
    if not tool:
        order.run(options.job_of(chosen, given), words)
        return 0
    module, own = names.tool(tool), options.own_of(tool, given)
    if names.is_of_a_pack(tool):
        options.refuse_for_a_pack(given)
    elif names.is_of_runs_in_words(tool):
        options.refuse_for_runs_in_words(given)
    elif not names.is_of_every_run(tool):
        options.refuse_for_no_training(given)
    is_of_every_run = names.is_of_every_run(tool)
    job = options.job_of_every_run(chosen, given) if is_of_every_run else options.job_of(chosen, given, own)
    return module.run(job, words[1:], **own)


@contextlib.contextmanager
def _signals():
    """SIGTERM and SIGHUP end the work as Ctrl-C does: what is half-written is taken away."""

    def end(number, _):
        raise Ended(ENDING[number])

    # one that is ignored stays so: nohup
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _of_the_user(error: BaseException) -> int:
    """A competition's own functions are called in many places (a metric, a further score, what draws): a mistake in one
    is a line. Raises any other, which is ours."""
    path = source.added_file(error)
    if path is None or path.parent != source.PACKAGE / "competitions":
        raise error
    return _refused(f"{source.place(path, error)}: {source.in_words(error)}; mend the competition's file")


def _refused(message: str) -> int:
    _say(f"error: {one_line(message)}")
    return 2


def _say(line: str) -> None:
    """On a line of its own, whatever a bar has left there."""
    if "tqdm" in sys.modules:
        for bar in list(sys.modules["tqdm"].tqdm._instances):
            bar.close()
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # what a terminal cannot show is escaped instead of ending the work
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
