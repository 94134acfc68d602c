"""Which images are slices of one volume, and whether they lie on each other as their ids sort."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from pipeline.errors import UserError, shown

_NUMBER = re.compile(r"([0-9]+)")


def refuse_torn(ids: Sequence[str], parts: Sequence[str], volumes: Sequence[str]) -> None:
    """Raises UserError where the slices of a volume do not lie on each other in the order of their ids.

    ids, parts, volumes: of each image, in the order in which they are stored (of a part by id).
    """
    keys = list(zip(parts, volumes, strict=True))
    starts = Counter(key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1])
    torn = [volume for (_, volume), count in starts.items() if count > 1 and volume]
    if torn:
        raise UserError(
            f"the slices of {len(torn)} volume(s) do not follow each other when sorted by id: {shown(torn)}; "
            "ids must begin with what a volume's slices share (patient_007)"
        )
    for (one, before), (other, key) in pairwise(zip(ids, keys, strict=True)):
        if before == key and key[1] and _counts_back(one, other):
            raise UserError(
                f"the slices of volume '{key[1]}' do not lie as their ids sort: {one} comes before {other}; "
                "write their numbers with zeros in front: rename the files, or in read(): f'{number:04d}'"
            )


def _counts_back(one: str, other: str) -> bool:
    """Whether of two ids that differ in numbers alone the first has the larger ones."""
    words, others = (_NUMBER.split(name) for name in (one, other))
    return words[::2] == others[::2] and list(map(int, words[1::2])) > list(map(int, others[1::2]))
