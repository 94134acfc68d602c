"""Work done by processes of this machine, as many at a time as there are places (`places.py`); a bar for each.

A process that fails ends nothing but itself. Where this one is interrupted, all of them are ended.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence

from pipeline import source
from pipeline.machines import places
from pipeline.machines.bars import Bars
from pipeline.machines.places import Place
from pipeline.machines.work import Work, why
from pipeline.runs.job import Job

# seconds after which a process that was asked to end is not waited for any more; it keeps its last finished epoch
PATIENCE = 60
LONGEST_LINE = 1 << 20


def check(job: Job) -> None:
    """Raises UserError where so many processes cannot be, or no GPU is free."""
    places.of(job)


def share(job: Job, folds: int) -> tuple[dict[str, str], int]:
    """(what the environment of a process has besides, how many of so many folds are done one after the other)."""
    found, _ = places.of(job, folds)
    return found[0].environment, -(-folds // len(found))


def do(job: Job, works: Sequence[Work]) -> dict[str, str]:
    """Does all of it; returns title -> why of what failed."""
    found, lines = places.of(job, len(works))
    names = ", ".join(place.name for place in found)
    for line in [*lines, f"{len(works)} fold(s), {len(found)} at a time, a process each: {names}"]:
        job.say(line)
    with Bars(works, job.say) as bars:
        return asyncio.run(_until_asked_to_end(_all(works, found, bars), _handlers()))


async def _until_asked_to_end(work, handlers: dict):
    """What it returns. A signal does not come within a step of the loop, which would keep to itself what a handler
    raises: it cancels the work, and its handler is called when all of that is ended; a second one changes nothing."""
    loop, task, came = asyncio.get_running_loop(), asyncio.ensure_future(work), []

    def end(number: int) -> None:
        if not came:
            came.append(number)
            task.cancel()

    for number in handlers:
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    finally:
        for number, handler in handlers.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
        for number in came:
            handlers[number](number, None)


def _handlers() -> dict:
    """Signal -> the function that ends the work; only the main thread is told of signals."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    return {number: handler for number, handler in found.items() if callable(handler)}


async def _all(works: Sequence[Work], found: list[Place], bars: Bars) -> dict[str, str]:
    free: asyncio.Queue[Place] = asyncio.Queue()
    for place in found:
        free.put_nowait(place)

    async def when_free(work: Work) -> str:
        place = await free.get()
        try:
            return await _done(work, place, bars)
        finally:
            free.put_nowait(place)

    tasks = [asyncio.ensure_future(when_free(work)) for work in works]
    following = asyncio.ensure_future(bars.follow())
    try:
        # unlike `gather` it leaves them alone when it is interrupted
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        whys = [task.result() for task in tasks if task.done()]
    except BaseException:
        bars.say(f"{len(bars.at_it)} process(es) with unfinished folds are being ended")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        following.cancel()
    return {work.title: line for work, line in zip(works, whys, strict=True) if line}


async def _done(work: Work, place: Place, bars: Bars) -> str:
    """Why it failed, in a line; blank where it did not."""
    errors: list[str] = []
    bars.begin(work)
    try:
        status = await _status(work, place, bars, errors)
    finally:
        bars.end(work)
    line = why(status, errors)
    if line:
        bars.say(f"{work.title} failed: {line}")
    return line


async def _status(work: Work, place: Place, bars: Bars, errors: list[str]) -> int:
    """The exit status of its process; what that prints to stderr is added to the errors."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-P", "-m", "pipeline", *work.words_here],
        env={**os.environ, **place.environment, "PYTHONPATH": str(source.PACKAGE.parent)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        # Ctrl-C is of this process, which then ends them
        process_group=0,
    )
    streams = _passed_on(process.stdout, work, bars), _passed_on(process.stderr, work, bars, errors)
    readers = [asyncio.ensure_future(stream) for stream in streams]
    try:
        # it leaves them alone when it is interrupted: they read to the end of a process that is being ended, too
        done, _ = await asyncio.wait(readers, return_when=asyncio.FIRST_EXCEPTION)
        for reader in done:
            reader.result()
        return await process.wait()
    except BaseException:
        await _ended(process)
        raise


async def _passed_on(stream, work: Work, bars: Bars, errors: list[str] | None = None) -> None:
    """Says each line of a process as it comes; where they are its errors, they are added to those."""
    async for text in stream:
        line = text.decode(errors="backslashreplace").rstrip()
        bars.pass_on(work, line, is_error=errors is not None)
        if errors is not None:
            errors.append(line)


async def _ended(process) -> None:
    """Asks it to end; where it does not, it is killed with all that it has started."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
