"""Pictures and stacks among raw files, opened by name: stacks stay open, as their pages are asked for one by one."""

import contextlib
import io
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw import pictures
from pipeline.raw.pixels.one_line import named

OPEN = 12  # stacks at a time


class OpenPictures:
    """What `RawFiles` knows of the pictures among its files. Threads may share it.

    Attributes:
        turned: name -> orientation tag (2 to 8) of pictures that were turned when they were read.
        nodata: name -> the value that stands for no data by what the file says of itself.
        remarks: what is to be said -> the names it is about.
        before: called with the bytes that a picture needs in the memory, before it is decoded.
    """

    def __init__(self, raw):
        self._raw = raw
        self.turned: dict[str, int] = {}
        self.nodata: dict[str, float] = {}
        self.remarks: dict[str, dict[str, None]] = {}
        self.before: Callable[[int], None] = lambda size: None
        self._stacks: OrderedDict[str, pictures.Opened] = OrderedDict()
        self._lock = threading.Lock()
        self._here = threading.local()

    def picture(self, name: str, has_gaps: bool = False) -> np.ndarray:
        content = self._raw.read(name)
        with named(self._raw.where(name)):
            found = pictures.opened(io.BytesIO(content))
            pictures.refuse_several(found)
            return self._read(name, found, 0, has_gaps)

    def page_count(self, name: str) -> int:
        try:
            return pictures.count_of(self._raw.head(name)) or self._stack(name).count
        except UserError:
            return 1

    def page(self, name: str, number: int, has_gaps: bool = False) -> np.ndarray:
        found = self._stack(name)
        with named(self._raw.where(name)):
            if not 0 <= number < found.count:
                raise UserError(f"holds {found.count} page(s), and number {number} (from 0) is asked for")
            return self._read(name, found, number, has_gaps)

    def pages(self, name: str) -> list[np.ndarray]:
        found = self._stack(name)
        with named(self._raw.where(name)):
            return [self._read(name, found, number) for number in range(found.count)]

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        """The names of pictures that this thread turns in the meantime."""
        self._here.turned = found = []
        try:
            yield found
        finally:
            self._here.turned = None

    def why_not_alike(self, image: str, mask: str) -> str:
        """What to say of two that differ in size, where one of them was turned on its side; blank where none was."""
        tags = {name: self.turned.get(name, 1) for name in (image, mask)}
        turned = [name for name, tag in tags.items() if tag > 4]
        if len(turned) != 1 or image == mask:
            return ""
        other = mask if turned[0] == image else image
        return (
            f"; the cause is the orientation tag (EXIF) {tags[turned[0]]} of {turned[0]}, by which it is turned, and "
            f"{other} is not: turn its pixels and remove the tag"
        )

    def notes(self) -> list[str]:
        """What is to be said of what was read."""
        return [f"{len(names)} file(s): {remark}: {shown(names)}" for remark, names in self.remarks.items()]

    def turned_said(self) -> list[str]:
        """A line of the pictures that were turned so far, if any were."""
        if not self.turned:
            return []
        return [
            f"{len(self.turned)} of the pictures looked at carry an orientation tag (EXIF) and are turned as viewers "
            f"show them: {shown(sorted(self.turned))}; where masks or outlines were drawn on the pixels as stored, "
            "remove the tags"
        ]

    def _read(self, name: str, found: pictures.Opened, number: int, has_gaps: bool = False) -> np.ndarray:
        self.before(found.nbytes(number))
        picture = pictures.read(found, number, has_gaps)
        orientation, remark = found.orientation(number), getattr(found, "remark", "")
        if orientation != 1:
            self.turned[name] = orientation
            if getattr(self._here, "turned", None) is not None:
                self._here.turned.append(name)
        if getattr(found, "nodata", None) is not None:
            self.nodata[name] = found.nodata
        if remark:
            self.remarks.setdefault(remark, {})[name] = None
        return picture

    def _stack(self, name: str) -> pictures.Opened:
        with self._lock:
            if name in self._stacks:
                self._stacks.move_to_end(name)
                return self._stacks[name]
        file = self._raw.open(name)
        with named(self._raw.where(name)):
            try:
                found = pictures.opened(file)
            except BaseException:
                file.close()
                raise
        # one that is dropped is closed when the last thread has read its page
        weakref.finalize(found, file.close)
        if found.count > 1:
            with self._lock:
                self._stacks[name] = found
                while len(self._stacks) > OPEN:
                    self._stacks.popitem(last=False)
        return found
