"""What was recognised in a folder, for `new`: which reader reads it, and with which arguments."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.competition import RawData
from pipeline.raw.files import RawFiles
from pipeline.raw.meaning.looks import Masks

# what the arguments mean that readers of outlines share, for the file that is drafted
OF_OUTLINES = {
    "images": 'the folders of pictures, wherever they lie, also in zips; "" is any',
    "answer": '"classes" (exclusive), "overlap" (a layer for each) or "objects": belongs to TASK above',
    "points": 'of outlines: "centres" of pixels (they belong to the object) or "corners" (between pixels)',
}


@dataclass(frozen=True)
class Seen:
    """What a module of this room found.

    Attributes:
        what: for people.
        function: the reader, called `function(raw, **arguments)`.
        arguments: as they stand in the competition's file; `classes` and `answer` are among them where `masks` is None.
        comments: argument -> what the file says above it.
        notes: what was found and is assumed, beside what the reader says itself.
        form: fields of the submission's format that the data asks for.
        decided: whether the answer follows from the files; else it is seen in the annotations whether they overlap.
        can_ignore: whether something is annotated as to be ignored.
        masks: reads those looked at, where values mean what they do in pictures: the answer is told by these, and the
            reader takes it as `labels`.
    """

    what: str
    function: Callable[..., RawData]
    arguments: dict[str, object]
    comments: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    form: dict[str, object] = field(default_factory=dict)
    decided: bool = False
    can_ignore: bool = False
    masks: Masks | None = None

    def read(self, raw: RawFiles, **changes) -> RawData:
        """What the reader gives, with other arguments where they are given."""
        return self.function(raw, **{**self.arguments, **changes})
