"""What the decoders of pictures complain of: libpng, libjpeg and libtiff write to stderr from C, and go on.

A picture that is damaged in its middle is decoded all the same, its rest grey; only a line on stderr tells. So while
pictures are decoded file descriptor 2 leads to a file of ours. What the decoders write there is a complaint; what
anybody else writes in the meantime (a progress bar) is handed on. Threads decode together, and nobody knows whose
complaint it was: where there was one, those that it may be of decode once more, each alone.

tifffile says it by `logging`, in the thread that decodes: see `noted`.
"""

import contextlib
import functools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable

# lines of theirs, wherever a line of somebody else's was left off
LINES = re.compile(
    r"libpng (?:error|warning): [^\n]*\n"
    r"|(?:Corrupt JPEG data|Premature end of JPEG file|Invalid SOS parameters|Inconsistent progression"
    r"|Caution: quantization|Warning: unknown JFIF|Invalid Adobe color)[^\n]*\n"
    r"|\[ ?(?:FATAL|ERROR|WARN|INFO|DEBUG):[^\n]*\n(?:>[^\n]*\n|\n)*"
)
HALF = re.compile(r"(?:libpng |Corrupt JPEG|Premature end|\[ ?(?:FATAL|ERROR|WARN))[^\n]*\Z")
# of these the ones that mean damage
DAMAGE = re.compile(r"libpng error|Corrupt JPEG data|Premature end of JPEG|^\[ ?(?:FATAL|ERROR):")
# left by some cameras behind the picture: nothing of it is lost
HARMLESS = re.compile(r"Corrupt JPEG data: [1-4] extraneous bytes before marker 0xd9")
# what of them is about the decoder's own code
CODE = re.compile(
    r"^\[ ?\w+:[^\]]*\] global \S+ \w+ |imdecode\w*\('[^']*'\): "
    r"|OpenCV\([^)]*\) \S+: error: \([^)]*\) | in function '\w+'"
)

# what tifffile logs where pixels or pages are lost, beside all of its errors
LOST = re.compile(
    r"corrupt|incomplete|missing|zeroed|out of range|cannot handle|failed to|contains no pages|invalid offset"
    r"|invalid page|contains invalid|does not match|expected \d+ frames|raised .*Error"
)
# in tags that no pixel depends on: texts, private ones, those of places on earth; a description may say what pages are
LOOSE = re.compile(
    r"TiffTag (?:269|27[12]|285|305|306|315|316|33432|3[3-9]\d{3}|[4-6]\d{4})\b|_metadata>|GeoKey|GDAL_NODATA|DATETIME"
    r"|get_resolution|NDTiff|_tags>"
)


def listened(decode: Callable[[], object]) -> tuple[object, str]:
    """What `decode` returns, and the first line with which a decoder complained of damage; blank where none did."""
    result, complaints = _once(decode, alone=False)
    if complaints:
        # whose they were is known of one that decodes alone
        result, complaints = _once(decode, alone=True)
    return result, " ".join(CODE.sub("", complaints[0]).split()) if complaints else ""


def noted(decode: Callable[[], object]) -> tuple[object, str]:
    """What `decode` returns, and the first line with which tifffile complained of damage; blank where it did not."""
    ear = _log_ear()
    ear.heard.lines = []
    result = decode()
    found = [line for line in ear.heard.lines if not LOOSE.search(line)]
    return result, " ".join(found[0].split()) if found else ""


@functools.cache
def _log_ear() -> "_LogEar":
    ear, log = _LogEar(logging.WARNING), logging.getLogger("tifffile")
    log.addHandler(ear)
    log.setLevel(logging.WARNING)
    # nothing of it is for the terminal
    log.propagate = False
    return ear


class _LogEar(logging.Handler):
    """Keeps, for each thread, what is logged in it of damage."""

    def __init__(self, level: int):
        super().__init__(level)
        self.heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if hasattr(self.heard, "lines") and (record.levelno >= logging.ERROR or LOST.search(line)):
            self.heard.lines.append(line)


def _once(decode: Callable[[], object], alone: bool) -> tuple[object, list[str]]:
    start = _EAR.enter(alone)
    try:
        result = decode()
    finally:
        complaints = _EAR.leave(start)
    return result, complaints


class _Ear:
    """Leads stderr to a file while anybody is inside."""

    def __init__(self):
        self.changed = threading.Condition()
        self.inside, self.waiting, self.is_alone = 0, 0, False
        self.complaints: list[str] = []
        self.file = self.stderr = None
        self.heard = 0  # bytes of the file

    def enter(self, alone: bool) -> int:
        """Waits for whoever is alone, and to be alone; returns how many complaints there were before."""
        with self.changed:
            self.waiting += alone
            try:
                self.changed.wait_for(lambda: not self.is_alone and not (self.inside if alone else self.waiting))
            finally:
                self.waiting -= alone
            self.is_alone = alone
            if not self.inside:
                self._redirect()
            self.inside += 1
            self._listen()
            return len(self.complaints)

    def leave(self, start: int) -> list[str]:
        """The complaints since then."""
        with self.changed:
            self._listen()
            found = self.complaints[start:]
            self.inside -= 1
            self.is_alone = False
            if not self.inside:
                self._restore()
            self.changed.notify_all()
            return found

    def _redirect(self) -> None:
        self.complaints.clear()
        # a process without stderr, or without room for a file, hears nothing
        with contextlib.suppress(OSError):
            # open for as long as the process
            self.file = self.file or tempfile.TemporaryFile(prefix="stderr-")  # noqa: SIM115
            self.stderr = os.dup(2)
            os.dup2(self.file.fileno(), 2)

    def _restore(self) -> None:
        if self.stderr is not None:
            os.dup2(self.stderr, 2)
            os.close(self.stderr)
            self.stderr = None

    def _listen(self) -> None:
        """Takes what was written: complaints are kept, the rest goes where it was meant to go."""
        if self.stderr is None:
            return
        size = os.fstat(self.file.fileno()).st_size - self.heard
        text = os.pread(self.file.fileno(), size, self.heard).decode("utf-8", "surrogateescape") if size else ""
        # a line that another thread is in the middle of is heard when it ends
        half = HALF.search(text) if self.inside > 1 else None
        text = text[: half.start()] if half else text
        said = text.encode("utf-8", "surrogateescape")
        self.heard += len(said)
        found = [line.strip() for line in LINES.findall(text)]
        self.complaints += [line for line in found if DAMAGE.search(line) and not HARMLESS.search(line)]
        rest = LINES.sub("", text).encode("utf-8", "surrogateescape")
        # nobody may be reading stderr any more
        with contextlib.suppress(OSError):
            os.write(self.stderr, rest)


_EAR = _Ear()
