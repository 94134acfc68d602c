"""Every call that changes a folder, one after the other: killed right before it, or the disk full at it."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults_parts import child, hooks
from tests.faults_parts.results import differing, not_there, results

CLASSICAL = ("demo", "--model", "classical", "--folds", "2", "--run", "tried")


@dataclass(frozen=True)
class Scene:
    """A command, and what is there before it.

    Attributes: name: for people; words: the command; before: makes the root that it begins with; exchange: whether the
        file system can exchange two names.
    """

    name: str
    words: tuple[str, ...]
    before: Callable[[Path], None]
    exchange: bool = True


@dataclass
class Count:
    """Points, how many of them were gone on from, and how many ended in other files."""

    points: int = 0
    resumed: int = 0
    differing: int = 0


def nothing(root: Path) -> None:
    root.mkdir()


def finished(scratch: Path) -> Callable[[Path], None]:
    """A finished run whose raw files were touched since: everything is made anew, the prepared folder exchanged."""
    made = scratch / "finished"
    made.mkdir()
    ended = child.run([*CLASSICAL], made, scratch)
    if ended.status:
        raise SystemExit(f"the run to begin with ended with {ended.status}: {ended.errors}")

    def copy(root: Path) -> None:
        shutil.copytree(made, root)
        (root / "data" / "demo" / "raw" / "train.csv").touch()

    return copy


def scenes(scratch: Path) -> list[Scene]:
    again = finished(scratch)
    return [
        Scene("every stage", CLASSICAL, nothing),
        Scene("every stage again", (*CLASSICAL, "--again"), again),
        Scene("prepare again, names cannot be exchanged", ("demo", "prepare"), again, exchange=False),
    ]


def every_write(scene: Scene, scratch: Path, step: int = 1) -> Count:
    """Kills before each call that changes a folder, goes on, compares."""
    wanted, seen = _undisturbed(scene, scratch, hooks.before_changes)
    count = Count()
    for number in range(1, len(seen) + 1, step):
        root = _fresh(scene, scratch)
        ended = child.run([*scene.words], root, scratch, _begin(scene, root, number, hooks.kill, hooks.before_changes))
        where = f"{scene.name}, before call {number} of {len(seen)} ({seen[number - 1]})"
        if ended.status is not None:
            print(f"  {where}: not killed, status {ended.status}: {ended.errors[-300:]}", flush=True)
        _go_on(scene, root, scratch, wanted, count, where)
    return count


def full_disk(scene: Scene, scratch: Path, step: int = 1) -> Count:
    """Has each call that needs room fail for want of it, makes room, goes on, compares."""
    wanted, seen = _undisturbed(scene, scratch, hooks.before_writes)
    count = Count()
    for number in range(1, len(seen) + 1, step):
        root = _fresh(scene, scratch)
        begin = _begin(scene, root, number, hooks.full, hooks.before_writes, always=True)
        ended = child.run([*scene.words], root, scratch, begin)
        where = f"{scene.name}, full at call {number} of {len(seen)} ({seen[number - 1]})"
        said = fault(ended, root)
        if said:
            count.points += 1
            print(f"  {where}: {said}", flush=True)
            continue
        _go_on(scene, root, scratch, wanted, count, where)
    return count


def small_disk(scene: Scene, scratch: Path, step: int = 1) -> Count:
    """Real file systems of every size in steps of 16 KiB, until the run fits; then they are made larger. Wants root."""
    wanted, _ = _undisturbed(scene, scratch, hooks.before_writes)
    count, place = Count(), scratch / "disk"
    place.mkdir(exist_ok=True)
    for size in range(4, 1 << 20, 16 * step):
        with _mounted(place, size):
            root = place / "root"
            try:
                scene.before(root)
            except OSError:
                # not even room for what is there before
                continue
            where = f"{scene.name}, on a disk of {size} KiB"
            ended = child.run([*scene.words], root, scratch, _begin(scene, root, 0, hooks.kill, hooks.before_writes))
            if ended.status == 0:
                break
            said = fault(ended, root)
            if said:
                count.points += 1
                print(f"  {where}: {said}", flush=True)
                continue
            subprocess.run(["mount", "-o", "remount,size=1g", str(place)], check=True)
            _go_on(scene, root, scratch, wanted, count, where)
    return count


@contextlib.contextmanager
def _mounted(place: Path, size: int):
    """A file system in memory of so many KiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fault(ended: child.Ended, root: Path) -> str:
    """What is wrong with how a command ended that found the disk full; blank where nothing is."""
    lines = ended.errors.strip().splitlines()
    if ended.status != 2 or len(lines) != 1 or not lines[0].startswith("error: "):
        return f"status {ended.status}, said {' / '.join(lines[-3:])[-400:]}"
    left = [path.name for path in root.rglob("*") if ".part-" in path.name]
    return f"left half-written: {', '.join(left[:3])}" if left else ""


def _undisturbed(scene: Scene, scratch: Path, hook) -> tuple[dict[str, str], list[str]]:
    """The results of an undisturbed run, and its calls."""
    root = _fresh(scene, scratch)
    ended = child.run([*scene.words], root, scratch, _begin(scene, root, 0, hooks.kill, hook))
    if ended.status:
        raise SystemExit(f"{scene.name}: undisturbed it ended with {ended.status}: {ended.errors}")
    return results(root), ended.seen


def _fresh(scene: Scene, scratch: Path) -> Path:
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    scene.before(root)
    return root


def _begin(scene: Scene, root: Path, number: int, act, hook, always: bool = False):
    def begin():
        watch = hooks.Watch(root, number, act, always)
        if not scene.exchange:
            hooks.without_exchange()
        hook(watch)
        return watch

    return begin


def _go_on(scene: Scene, root: Path, scratch: Path, wanted: dict[str, str], count: Count, where: str) -> None:
    """The same command once more, undisturbed, and a comparison."""
    count.points += 1
    ended = child.run([*scene.words], root, scratch, lambda: None if scene.exchange else hooks.without_exchange())
    if ended.status or ended.errors.strip():
        print(f"  {where}: goes on to status {ended.status}: {ended.errors[-300:].strip()}", flush=True)
    if ended.status:
        return
    count.resumed += 1
    other = [*differing(wanted, results(root)), *(not_there(root) if len(scene.words) > 2 else [])]
    if other:
        count.differing += 1
        print(f"  {where}: other files: {', '.join(other[:5])}", flush=True)
