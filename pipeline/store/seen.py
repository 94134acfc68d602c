"""Pictures as a network sees them, computed of what is asked for: of a large one, and of many together, a window alone.

`store.scaling` and `imaging.tones` say how values are seen.
"""

from collections.abc import Callable

import numpy as np

from pipeline.imaging.tones import Tone, tone_of


class Seen:
    """Like a reader of pictures (`FlatReader`): `seen[row]` is H x W x C float32, `change` of the window that is asked
    for.

    Args: images: a reader. change: from h x w x C as stored to h x w x C float32, pixel by pixel.
    """

    def __init__(self, images, change: Callable[[np.ndarray], np.ndarray]):
        self.images, self.change = images, change
        self.heights, self.widths = images.heights, images.widths

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> "SeenPicture":
        return SeenPicture(self.images[row], self.change)


class SeenPicture:
    """One of them: an array as far as pictures are cut, resized and stacked.

    Args: channels: of what is seen; None is as many as are stored.
    """

    dtype, ndim = np.dtype(np.float32), 3

    def __init__(self, picture: np.ndarray, change: Callable[[np.ndarray], np.ndarray], channels: int | None = None):
        self.picture, self.change = picture, change
        self.shape = (*picture.shape[:2], channels or picture.shape[2])
        self.whole: np.ndarray | None = None

    def __getitem__(self, where) -> np.ndarray:
        is_window = isinstance(where, tuple) and len(where) == 2 and all(part is not Ellipsis for part in where)
        if is_window and self.whole is None:
            return self.change(self.picture[where])
        return np.asarray(self)[where]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self.whole is None:
            self.whole = self.change(self.picture)
        return self.whole if dtype is None else self.whole.astype(dtype)

    def astype(self, dtype, copy: bool = True) -> np.ndarray:
        return np.asarray(self).astype(dtype, copy=copy)


class Toned:
    """Like `Seen`, of pictures that each have tones of their own: `toned[row]` is H x W x 1 float32, 0..1.

    A picture is looked at as a whole when it is first asked for, and never again.
    """

    def __init__(self, images):
        self.images = images
        self.heights, self.widths = images.heights, images.widths
        self.tones: dict[int, Tone] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> SeenPicture:
        picture = self.images[row]
        if row not in self.tones:
            self.tones[row] = tone_of(picture)
        return SeenPicture(picture, self.tones[row].seen, 1)


class Together:
    """Pictures of one size as the channels of one, H x W x (all their channels): an array as far as pictures are cut,
    resized and stacked. Of a window no more is read than the window of each."""

    ndim = 3

    def __init__(self, pictures: list):
        self.pictures = pictures
        self.dtype = pictures[0].dtype
        self.shape = (*pictures[0].shape[:2], sum(picture.shape[2] for picture in pictures))
        self.whole: np.ndarray | None = None

    def __getitem__(self, where) -> np.ndarray:
        is_window = (
            isinstance(where, tuple) and len(where) == 2 and all(isinstance(p, (slice, np.ndarray)) for p in where)
        )
        if self.whole is None and (is_window or isinstance(where, slice)):
            return np.concatenate([np.asarray(picture[where]) for picture in self.pictures], axis=2)
        return np.asarray(self)[where]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self.whole is None:
            self.whole = np.concatenate([np.asarray(picture) for picture in self.pictures], axis=2)
        return self.whole if dtype is None else self.whole.astype(dtype)

    def astype(self, dtype, copy: bool = True) -> np.ndarray:
        return np.asarray(self).astype(dtype, copy=copy)
