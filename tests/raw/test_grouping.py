"""Groups by a pattern or a function, whatever reads the files."""

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations.arrays import read_arrays
from pipeline.raw.annotations.labelme import read_labelme
from pipeline.raw.annotations.voc import read_voc
from pipeline.raw.files import RawFiles
from pipeline.raw.grouping import of_names
from tests.raw.annotations import test_labelme as of_labelme
from tests.raw.annotations.scenes import save, scene


def test_groups_are_texts_and_numbers_are():
    assert of_names(None)("a_1", "train") == of_names("")("a_1", "train") == ""
    assert of_names(r"^(\w)_")("a_1", "train") == "a" and of_names(r"^(\d)_")("a_1", "test") == ""
    assert of_names(lambda name: np.int64(7))("a_1", "train") == "7"


def _arrays(path):
    pairs = [scene(i) for i in range(3)]
    np.save(path / "X.npy", np.stack([picture for picture, _ in pairs]))
    np.save(path / "Y.npy", np.stack([labels for _, labels in pairs]))
    return lambda raw, group: read_arrays(raw, "X.npy", "Y.npy", group=group)


def _labelme(path):
    of_labelme.folder(path)
    return lambda raw, group: read_labelme(raw, group=group)


def _voc(path):
    for i in range(3):
        picture, labels = scene(i)
        save(path / f"JPEGImages/v{i}.jpg", picture)
        (path / "SegmentationClass").mkdir(exist_ok=True)
        assert cv2.imwrite(str(path / f"SegmentationClass/v{i}.png"), labels)
    return lambda raw, group: read_voc(raw, group=group)


@pytest.mark.parametrize("write", [_arrays, _labelme, _voc])
def test_a_function_that_gives_no_text_is_refused_by_every_reader(tmp_path, write):
    read = write(tmp_path)
    with RawFiles(tmp_path) as raw:
        groups = [image.group for image in read(raw, lambda name: name[-1]).images]
        assert sorted(groups) == ["0", "1", "2"]
        with pytest.raises(UserError, match="group= gives None for the image"):
            read(raw, lambda name: None)
