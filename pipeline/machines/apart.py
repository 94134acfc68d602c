"""A function called in a process of its own, which ends: the memory that it took of a device is free again."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable

from pipeline.errors import UserError


def called(environment: dict[str, str], function: Callable, *arguments):
    """What the function returns, in a fresh process that has this in its environment besides.

    Function and arguments are pickled. Raises what it raises, or UserError where its process was killed.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sending, environment, function, arguments), daemon=True)
    process.start()
    sending.close()
    try:
        found, error = receiving.recv()
    except EOFError:
        process.join()
        raise UserError(
            f"the process that measures was ended (status {process.exitcode}), as the system does where memory is "
            "exhausted; close other programs, or give a smaller --batch-size"
        ) from None
    finally:
        process.terminate()
        process.join()
    if error is not None:
        raise error
    return found


def _answer(sending, environment: dict[str, str], function: Callable, arguments: tuple) -> None:
    os.environ.update(environment)
    try:
        answer = function(*arguments), None
    except Exception as error:
        answer = None, error
    # nobody may be there any more
    with contextlib.suppress(BrokenPipeError):
        sending.send(answer)
