"""What `new` says of masks by their pixels, and that the file reads from them the labels that they were made of."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import UserError
from tests.drafting.mask_folders import SIZE, dice, drafted, encoded, folder_of, scene, with_palette

ONE = [scene(seed) for seed in range(12)]
WHITE = [labels * np.uint8(255) for labels in ONE]
TWO = [scene(seed, 2) for seed in range(12)]
SHARPEN = np.array([[0, -0.05, 0], [-0.05, 1.2, -0.05], [0, -0.05, 0]], np.float32)
COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)], np.uint8)


def _six(seed):
    """Discs of classes 1 to 5, two of each."""
    draw = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.uint8)
    for k in range(1, 6):
        for radius in (8, 5):
            cv2.circle(labels, (int(draw.integers(10, 86)), int(draw.integers(10, 62))), radius, k, -1)
    return labels


SIX = [_six(seed) for seed in range(12)]


def changed(masks, which, change):
    return [change(mask.copy()) if i == which else mask for i, mask in enumerate(masks)]


def pixel(value, place=(60, 80)):
    def change(mask):
        mask[place] = value
        return mask

    return change


def as_colours(masks):
    return [np.repeat(mask[..., None], 3, axis=2) for mask in masks]


def watermark(mask, colour=200):
    return cv2.putText(mask.copy(), "(c) x", (4, 66), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def jpeg(mask, quality):
    return encoded(mask, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)


def tiff(mask):
    content = io.BytesIO()
    tifffile.imwrite(content, mask, photometric="minisblack")
    return content.getvalue()


def grey_alpha(grey, alpha):
    content = io.BytesIO()
    Image.fromarray(np.dstack([grey, alpha])).save(content, "PNG")
    return content.getvalue()


def twice(mask, how=cv2.INTER_LINEAR):
    return cv2.resize(mask, None, fx=2, fy=2, interpolation=how)


def halved(mask):
    """From a mask of twice the size that lies half a pixel aside."""
    return cv2.resize(
        np.roll(twice(mask, cv2.INTER_NEAREST), (1, 1), (0, 1)), mask.shape[::-1], interpolation=cv2.INTER_AREA
    )


def said_of(folder, masks, truth, ending=".png", answer=""):
    """What is said of masks whose labels are these, and the Draft."""
    draft, labels = drafted(folder_of(folder, masks, ending), answer)
    wrong = [int(np.count_nonzero(found != true)) for found, true in zip(labels, truth, strict=True)]
    assert wrong == [0] * len(truth), draft.kind.labels
    return "\n".join(draft.said), draft


def refusal(folder, masks, ending=".png", answer=""):
    with pytest.raises(UserError) as found:
        drafted(folder_of(folder, masks, ending), answer)
    assert len(str(found.value).splitlines()) == 1
    return str(found.value)


# strays


@pytest.mark.parametrize("value", [1, 7, 128])
def test_a_stray_pixel_is_said_and_makes_no_class(tmp_path, value):
    said, draft = said_of(tmp_path, changed(WHITE, 4, pixel(value)), ONE)
    assert f"1 stray pixel(s) of 1 value(s) that are no class's ({value}), in masks/p04.png" in said
    assert draft.kind.task.startswith("Binary") and draft.kind.labels.startswith("near(")


def test_a_stray_that_is_nearly_white_is_white(tmp_path):
    inside = tuple(np.argwhere(ONE[4])[40])
    said, _ = said_of(tmp_path, changed(WHITE, 4, pixel(254, inside)), ONE)
    assert "(254), in masks/p04.png" in said


def test_a_stray_pixel_here_and_there(tmp_path):
    masks = [pixel(1)(mask.copy()) if i in (2, 5, 9) else mask for i, mask in enumerate(WHITE)]
    said, draft = said_of(tmp_path, masks, ONE)
    assert "3 stray pixel(s)" in said and draft.kind.task.startswith("Binary")


def test_a_stray_of_another_colour(tmp_path):
    said, _ = said_of(tmp_path, changed(as_colours(WHITE), 4, pixel((10, 200, 30))), ONE)
    assert "(10, 200, 30)" in said


def test_strays_among_numbers_of_classes_and_in_a_palette(tmp_path):
    said, _ = said_of(tmp_path / "numbers", changed(SIX, 3, pixel(37, (2, 2))), SIX)
    assert "1 stray pixel(s) of 1 value(s) that are no class's (37), in masks/p03.png" in said
    masks = [with_palette(mask, [*COLOURS.tolist(), (9, 9, 9)]) for mask in changed(SIX, 3, pixel(6, (2, 2)))]
    said, _ = said_of(tmp_path / "palette", masks, SIX)
    assert "1 stray pixel(s)" in said


def test_a_watermark_is_said_where_it_is_or_is_a_soft_edge(tmp_path):
    coloured = changed(as_colours(WHITE), 4, lambda mask: watermark(mask, (200, 30, 60)))
    said, draft = said_of(tmp_path / "coloured", coloured, ONE)
    assert "stray pixel(s)" in said and "in masks/p04.png" in said
    for name, masks in (("one", changed(WHITE, 4, watermark)), ("all", [watermark(mask) for mask in WHITE])):
        draft, labels = drafted(folder_of(tmp_path / name, masks))
        assert draft.kind.task.startswith("Binary")
        assert all(np.mean(found != true) < 0.02 for found, true in zip(labels, ONE, strict=True))


def test_a_mask_far_off_is_refused_all_the_same(tmp_path):
    folder = folder_of(tmp_path, [*changed(WHITE, 4, pixel(1)), np.full(SIZE, 255, np.uint8)])
    draft, _ = drafted(folder)
    assert draft.kind.reads(WHITE[0][..., None]).max() == 1
    with pytest.raises(UserError, match="that are none of the 2 classes, most of them 1: is it a mask like the others"):
        draft.kind.reads(TWO[0][..., None])


def test_what_alone_is_there_is_no_stray(tmp_path):
    dots = [pixel(255)(np.zeros(SIZE, np.uint8)) for _ in range(8)]
    said_of(tmp_path / "dots", dots, [mask // 255 for mask in dots])
    one = [mask if i == 5 else mask * 0 for i, mask in enumerate(WHITE)]
    said, _ = said_of(tmp_path / "one", one, [mask // 255 for mask in one])
    assert "11 of 12 masks are empty" in said


# 255


def _rims(labels):
    rims = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return np.where(rims, np.uint8(255), labels)


def _frame(labels):
    labels = labels.copy()
    labels[:4] = labels[-4:] = 255
    return labels


@pytest.mark.parametrize("masks", [[_rims(m) for m in SIX], [_rims(m) for m in ONE], [_frame(m) for m in ONE]])
def test_255_at_rims_and_at_the_frame_means_ignore(tmp_path, masks):
    said, draft = said_of(tmp_path, masks, masks)
    assert "void=255" in draft.kind.task and "255 means ignore (100% of it in narrow rims or at the frame)" in said


def test_255_in_blobs_beside_0_and_1_is_refused_with_the_choice(tmp_path):
    masks = [cv2.circle(labels.copy(), (40, 36), 14, 255, -1) for labels in ONE]
    message = refusal(tmp_path, masks)
    assert "255, which covers 8.9% of the pixels" in message
    assert (
        "labels=class_ids(2, void=255)" in message
        and 'labels=near({"class_0": 0, "class_1": 1, "class_255": 255})' in message
    )


def test_255_that_covers_most_is_not_ignored_unasked(tmp_path):
    masks = [np.where(np.arange(SIZE[1]) < 60, np.uint8(255), labels) for labels in SIX]
    assert "ignored, or a class?" in refusal(tmp_path, masks)


def test_below_0_means_ignore(tmp_path):
    for name, kind, masks in (("16", np.int16, ONE), ("32", np.int32, SIX)):
        signed = [labels.astype(kind) for labels in masks]
        for labels in signed:
            labels[:3] = -1
        truth = [np.where(labels < 0, 255, labels) for labels in signed]
        said, _ = said_of(tmp_path / name, [tiff(labels) for labels in signed], truth, ".tif")
        assert "-1 means ignore" in said


# soft edges

SOFT = {
    "halved": ([halved(mask) for mask in WHITE], ONE, 0.92),
    "halved, one": ([halved(mask) for mask in WHITE[:1]], ONE[:1], 0.92),
    "doubled": ([twice(mask) for mask in WHITE], [twice(mask, 0) for mask in ONE], 0.99),
    "cubic": ([twice(mask, cv2.INTER_CUBIC) for mask in WHITE], [twice(mask, 0) for mask in ONE], 0.99),
    "cubic, 128": ([twice(mask * np.uint8(128), 2) for mask in ONE], [twice(mask, 0) for mask in ONE], 0.99),
    "16 bits": ([twice(mask * np.uint16(65535)) for mask in ONE], [twice(mask, 0) for mask in ONE], 0.99),
    "blurred": ([cv2.GaussianBlur(mask, (0, 0), 1) for mask in WHITE], ONE, 0.97),
    "blurred more": ([cv2.GaussianBlur(mask, (0, 0), 2) for mask in WHITE], ONE, 0.95),
    "probabilities": ([cv2.GaussianBlur(mask.astype("f4"), (0, 0), 1) for mask in ONE], ONE, 0.97),
    **{f"jpeg {q}": ([jpeg(mask, q) for mask in WHITE], ONE, 0.97) for q in (10, 30, 50, 75, 90, 95)},
    **{f"jpeg in colours {q}": ([jpeg(mask, q) for mask in as_colours(WHITE)], ONE, 0.97) for q in (10, 95)},
    "red": ([jpeg(np.dstack([mask, mask * 0, mask * 0]), 75) for mask in WHITE], ONE, 0.97),
}


@pytest.mark.parametrize("name", SOFT)
def test_soft_edges_of_one_class(tmp_path, name):
    masks, truth, least = SOFT[name]
    ending = ".jpg" if isinstance(masks[0], bytes) else ".tif" if masks[0].dtype == np.float32 else ".png"
    masks = [tiff(mask) for mask in masks] if ending == ".tif" else masks
    draft, labels = drafted(folder_of(tmp_path, masks, ending))
    assert draft.kind.task.startswith("Binary") and "above(" in draft.kind.labels
    assert np.mean([dice(found, true) for found, true in zip(labels, truth, strict=True)]) > least


def _each_class(labels, truth):
    """Mean Dice of each class, numbers matched by what overlaps most."""
    found, true = np.stack(labels), np.stack(truth)
    own = [np.bincount(true[found == k], minlength=true.max() + 1).argmax() for k in range(found.max() + 1)]
    assert sorted(own) == list(range(true.max() + 1))
    return [dice(np.array(own)[found] == k, true == k) for k in range(true.max() + 1)]


GREYS = np.array([0, 128, 255], np.uint8)
LARGE = [twice(twice(labels, 0), 0) for labels in SIX[:4]]
SEVERAL = {
    "greys": ([twice(GREYS[labels]) for labels in TWO], [twice(labels, 0) for labels in TWO]),
    "greys, jpeg": ([jpeg(GREYS[labels], 60) for labels in TWO], TWO),
    "colours": ([twice(twice(COLOURS[labels])) for labels in SIX[:4]], LARGE),
    "colours, jpeg": ([jpeg(COLOURS[labels], 75) for labels in LARGE], LARGE),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_soft_edges_of_several_classes(tmp_path, name):
    masks, truth = SEVERAL[name]
    draft, labels = drafted(folder_of(tmp_path, masks, ".jpg" if isinstance(masks[0], bytes) else ".png"))
    assert draft.kind.labels.startswith("soft(")
    assert min(_each_class(labels, truth)) > 0.95


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_numbers_of_classes_saved_as_jpeg_are_refused_by_that_name(tmp_path, quality):
    assert "saved as JPEG (masks/p00.jpg)" in refusal(tmp_path, [jpeg(labels, quality) for labels in SIX], ".jpg")


def test_0_and_1_in_a_jpeg(tmp_path):
    assert "numbers of classes (0, 1, 2) saved as JPEG" in refusal(tmp_path / "a", [jpeg(m, 95) for m in ONE], ".jpg")
    assert "JPEG makes that of numbers of classes" in refusal(tmp_path / "b", [jpeg(m, 50) for m in ONE], ".jpg")


def test_numbers_of_classes_resized_with_smoothing_are_refused(tmp_path):
    assert "resized with smoothing" in refusal(tmp_path, [twice(labels) for labels in SIX])


def test_pictures_that_are_no_masks(tmp_path):
    draw = np.random.default_rng(0)
    photos = [draw.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(3)]
    assert "pictures that are no masks" in refusal(tmp_path / "photos", photos)
    depths = [cv2.GaussianBlur(photo[..., 0], (0, 0), 9) for photo in photos]
    assert "pictures that are no masks" in refusal(tmp_path / "depths", depths)


# palettes

WHITE_FIRST = [(255, 255, 255), *[(0, 0, 0)] * 255]


@pytest.mark.parametrize(("kind", "ending"), [("PNG", ".png"), ("GIF", ".gif"), ("BMP", ".bmp")])
def test_a_palette_is_read_by_its_indices(tmp_path, kind, ending):
    masks = [with_palette(labels, COLOURS.tolist(), kind) for labels in SIX]
    said, _ = said_of(tmp_path / "six", masks, SIX, ending)
    assert "its indices are the classes: 0 is (0, 0, 0), 1 is (128, 0, 0)" in said
    said, draft = said_of(tmp_path / "white", [with_palette(m, WHITE_FIRST, kind) for m in ONE], ONE, ending)
    assert "masks of one class: 0; 255 is background" in said and draft.kind.task.startswith("Binary")


def test_indices_that_no_pixel_has_keep_their_place(tmp_path):
    colours = [(20 * k, 255 - 20 * k, k) for k in range(11)]
    said_of(tmp_path, [with_palette(2 * labels, colours) for labels in SIX], [2 * labels for labels in SIX])


def test_indices_of_one_colour_are_refused(tmp_path):
    colours = [(0, 0, 0), (9, 9, 9), (9, 9, 9), (1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert "has one colour, 9, at indices 1, 2" in refusal(tmp_path, [with_palette(m, colours) for m in SIX])


def test_palettes_that_differ_are_read_by_their_colours(tmp_path):
    black_first = [(0, 0, 0), *[(255, 255, 255)] * 255]
    masks = [with_palette(m, WHITE_FIRST) if i % 2 else with_palette(1 - m, black_first) for i, m in enumerate(ONE)]
    said, _ = said_of(tmp_path, masks, [1 - labels for labels in ONE])
    assert "numbers its colours in another order" in said and "may the masks be inverted" in said


def test_a_palette_that_some_masks_lack_is_read_by_its_colours(tmp_path):
    masks = [*WHITE[:6], *(with_palette(1 - labels, WHITE_FIRST) for labels in ONE[6:])]
    said, draft = said_of(tmp_path, masks, ONE)
    assert "6 of 12 masks have a palette: not its indices are read, but its colours" in said
    assert draft.kind.labels == "binary"


def test_an_empty_mask_has_the_palette_of_the_others(tmp_path):
    masks = [labels * 0 if i == 2 else labels for i, labels in enumerate(SIX)]
    said, _ = said_of(tmp_path, [with_palette(mask, COLOURS.tolist()) for mask in masks], masks)
    assert "its indices are the classes" in said


# alpha


def _rgba(colour, alpha):
    return [np.dstack([mask_colour] * 3 + [mask]) for mask_colour, mask in zip(colour, alpha, strict=True)]


FULL, NONE = [np.full(SIZE, 255, np.uint8)] * 12, [np.zeros(SIZE, np.uint8)] * 12
ALPHA = {
    "white": (_rgba(FULL, WHITE), True),
    "black": (_rgba(NONE, WHITE), True),
    "black on transparent white": (_rgba([255 - mask for mask in WHITE], WHITE), True),
    "alike": (_rgba(WHITE, WHITE), False),
    "opaque": (_rgba(WHITE, FULL), False),
    "transparent": (_rgba(WHITE, NONE), False),
    "grey": ([grey_alpha(a, b) for a, b in zip(FULL, WHITE, strict=True)], True),
    "grey, alike": ([grey_alpha(mask, mask) for mask in WHITE], False),
    "grey, opaque": ([grey_alpha(a, b) for a, b in zip(WHITE, FULL, strict=True)], False),
}


@pytest.mark.parametrize("name", ALPHA)
def test_what_alpha_means(tmp_path, name):
    masks, is_mask = ALPHA[name]
    said, draft = said_of(tmp_path, masks, ONE)
    assert draft.kind.labels == ("in_alpha(binary)" if is_mask else "binary")
    assert ("the mask is the alpha channel" in said) == is_mask


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("large", [False, True])
def test_the_palette_of_what_is_transparent_is_not_that_of_its_alpha(tmp_path, kind, large):
    masks = [np.pad(mask[12:60, 10:80] * 0 + 1, ((12, 12), (10, 16))) if large else mask for mask in ONE]
    files = [with_palette(mask, [(255, 255, 255), (0, 0, 0)], kind, transparency=0) for mask in masks]
    draft, labels = drafted(folder_of(tmp_path, files, f".{kind.lower()}"))
    assert draft.kind.labels == "in_alpha(binary)" and not any("field of view" in line for line in draft.said)
    assert not any("0; 255 is background" in line for line in draft.said)
    assert all(np.array_equal(found, mask) for found, mask in zip(labels, masks, strict=True))


def test_a_palette_with_a_transparent_white_and_colours(tmp_path):
    files = [with_palette(mask, [(255, 255, 255), (255, 0, 0), (0, 255, 0)], transparency=0) for mask in TWO]
    draft, labels = drafted(folder_of(tmp_path, files))
    assert draft.kind.labels == "over_black(palette(COLOURS))"
    assert _each_class(labels, TWO) == [1.0] * 3


def test_colours_on_a_transparent_ground_of_white(tmp_path):
    ground = [np.where(labels[..., None] == 0, np.uint8(255), COLOURS[labels]) for labels in SIX]
    masks = [np.dstack([colours, (labels > 0) * np.uint8(255)]) for colours, labels in zip(ground, SIX, strict=True)]
    draft, labels = drafted(folder_of(tmp_path, masks))
    assert draft.kind.labels == "over_black(palette(COLOURS))"
    assert _each_class(labels, SIX) == [1.0] * 6


def test_alpha_that_says_another_thing_than_colours_is_refused(tmp_path):
    left = np.broadcast_to(np.arange(96) < 20, SIZE)
    masks = [np.dstack([np.where(left, 77, mask)] * 3 + [np.where(left, 0, 255)]) for mask in WHITE]
    assert "says one thing by its alpha channel" in refusal(tmp_path, [mask.astype(np.uint8) for mask in masks])


# shares, and what looks wrong


def test_the_shares_of_classes_are_said(tmp_path):
    said, _ = said_of(tmp_path, [np.array([0, 5, 10], np.uint8)[labels] for labels in TWO], TWO)
    share = np.mean(np.stack(TWO) == 2)
    assert f"class_10 (10): {share:.2%} of the pixels, in 12 of 12 masks" in said
    assert "class_0 (0), taken for background" in said


def test_masks_that_are_all_of_the_class_are_warned_of(tmp_path):
    said, _ = said_of(tmp_path, FULL, [np.ones(SIZE, np.uint8)] * 12)
    assert (
        "warning: object covers 100.00% of the pixels and fills 12 of 12 masks: a score of nearly 1 says nothing"
        in said
    )


def test_masks_that_may_be_inverted_are_warned_of_and_never_flipped(tmp_path):
    said, _ = said_of(tmp_path / "white", [255 - mask for mask in WHITE], [1 - labels for labels in ONE])
    assert "may the masks be inverted? If so, say labels=below(128)" in said
    assert "inverted" not in said_of(tmp_path / "black", WHITE, ONE)[0]


@pytest.mark.parametrize("answer", ["", "objects"])
def test_masks_of_which_some_may_be_inverted_are_named_and_never_flipped(tmp_path, answer):
    masks = [255 - mask if i % 2 else mask for i, mask in enumerate(WHITE)]
    draft, labels = drafted(folder_of(tmp_path, masks), answer)
    (line,) = [line for line in draft.said if "exchanged" in line or "inverted" in line]
    assert line.startswith("warning: the class lies along the frame of 6 masks (masks/p01.png, masks/p03.png, ")
    assert "within that of 6 (masks/p00.png, masks/p02.png, " in line
    assert all(np.array_equal(found > 0, mask > 0) for found, mask in zip(labels, masks, strict=True))


# values

VALUES = {
    "0, 1": (ONE, ONE),
    "0, 128": ([labels * np.uint8(128) for labels in ONE], ONE),
    "0, 65535": ([labels * np.uint16(65535) for labels in ONE], ONE),
    "1, 2": ([labels + np.uint8(1) for labels in ONE], ONE),
    "1, 2, 3": ([labels + np.uint8(1) for labels in TWO], TWO),
    "0, 5, 10": ([labels * np.uint8(5) for labels in TWO], TWO),
    "greys": ([GREYS[labels] for labels in TWO], TWO),
    "grey in colours": (as_colours(WHITE), ONE),
    "red": ([np.dstack([mask, mask * 0, mask * 0]) for mask in WHITE], ONE),
    "0, 255 and 0, 1": (
        [mask if i % 2 else labels for i, (mask, labels) in enumerate(zip(WHITE, ONE, strict=True))],
        ONE,
    ),
    "lines": ([cv2.line(mask * 0, (i, 3), (90 - i, 70), 255, 1) for i, mask in enumerate(WHITE)], None),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_all_kinds(tmp_path, name):
    masks, truth = VALUES[name]
    said_of(tmp_path, masks, truth or [mask // 255 for mask in masks])


@pytest.mark.parametrize("kind", [bool, np.float32, np.uint16])
def test_tiffs_of_0_and_1(tmp_path, kind):
    said_of(tmp_path, [tiff(labels.astype(kind)) for labels in ONE], ONE, ".tif")


def test_numbers_up_to_33(tmp_path):
    draw = np.random.default_rng(0)
    masks = [np.kron(draw.integers(0, 34, (6, 8)), np.ones((12, 12))).astype(np.uint8) for _ in range(12)]
    _, draft = said_of(tmp_path, masks, masks)
    assert len(draft.kind.names) == 34


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_numbers_in_one_channel_are_those_of_the_classes(tmp_path, channel):
    # OpenCV writes blue first
    masks = [np.pad(mask[..., None], ((0, 0), (0, 0), (2 - channel, channel))) for mask in SIX]
    said, draft = said_of(tmp_path, masks, SIX)
    assert "red, green or blue alone holds the numbers of the classes" in said
    assert draft.kind.names == tuple(f"class_{k}" for k in range(6))


@pytest.mark.parametrize("colours", [False, True])
def test_many_numbers_are_classes_where_somebody_says_so(tmp_path, colours):
    draw = np.random.default_rng(0)
    masks = [np.kron(draw.choice(draw.integers(0, 151, 20), (6, 8)), np.ones((12, 12), int)) for _ in range(12)]
    if colours:
        folder = folder_of(tmp_path, [np.dstack([mask, mask // 2, 150 - mask]).astype(np.uint8) for mask in masks])
        said = "pictures that are no masks"
    else:
        folder = folder_of(tmp_path, [mask.astype(np.uint8) for mask in masks])
        said = r"hold \d+ numbers from 0 to 150, which are not one .* say --answer classes where"
    with pytest.raises(UserError, match=said):
        drafted(folder)
    draft, labels = drafted(folder, "classes")
    assert draft.kind.labels == ("palette(COLOURS)" if colours else "class_ids(len(CLASSES))")
    assert all(colours or np.array_equal(found, mask) for found, mask in zip(labels, masks, strict=True))


def test_many_numbers_with_a_palette_are_classes(tmp_path):
    draw = np.random.default_rng(0)
    masks = [np.kron(draw.choice(draw.integers(0, 151, 20), (6, 8)), np.ones((12, 12), int)) for _ in range(12)]
    files = [with_palette(mask, [(k, 255 - k, k // 3) for k in range(256)]) for mask in masks]
    draft, labels = drafted(folder_of(tmp_path, files))
    assert draft.kind.labels == "palette(COLOURS)" and np.array_equal(np.stack(labels), np.stack(masks))


# objects


def _counted(count):
    """Discs, numbered as `connectedComponents` numbers them."""
    mask = np.zeros(SIZE, np.uint8)
    for j in range(count):
        cv2.circle(mask, (12 + 22 * j, 20 + 7 * j), 8, 1, -1)
    return cv2.connectedComponents(mask)[1]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_numbered_parts_are_objects(tmp_path, kind):
    masks = [_counted(1 + i % 4).astype(kind) for i in range(8)]
    said, draft = said_of(tmp_path, masks, masks)
    assert draft.kind.task.startswith("Instances") and draft.kind.labels == "objects"
    assert "every value but 0 is an object: 1 to 4 in a mask; if values are classes: --answer classes" in said
    assert "20 objects, 1 to 4 in a mask" in said


def test_an_object_may_have_several_parts_where_numbers_are_asked_for(tmp_path):
    """Twenty columns, which a gap parts in two."""
    numbers = np.zeros(SIZE, np.uint8)
    numbers[20:60, 8:88] = 1 + np.arange(80) // 4
    numbers[36:40] = 0
    _, found = drafted(folder_of(tmp_path, [np.roll(numbers, i, axis=1) for i in range(6)]), answer="objects")
    assert all(labels.max() == 20 for labels in found)


def test_thousands_of_objects_where_they_are_asked_for(tmp_path):
    numbers = np.zeros((160, 160), np.uint16)
    numbers[:140, :140] = 1 + np.arange(140)[:, None] // 2 * 70 + np.arange(140) // 2
    draft, found = drafted(folder_of(tmp_path, [numbers] * 6), answer="objects")
    assert draft.kind.labels == "objects" and all(labels.max() == 4900 for labels in found)
    assert "every value but 0 is an object: up to 4901 values in a mask" in draft.said


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-4.25, 5.5, r"holds fractions, .* from -4.25 to 5.5: no mask of classes; .*logits"),
        (7.5, 7.5, r"holds fractions up to 7.5: no mask of classes"),
    ],
)
def test_fractions_that_are_no_shares(tmp_path, low, high, says):
    masks = [tiff(np.where(labels > 0, high, low).astype(np.float32)) for labels in ONE]
    with pytest.raises(UserError, match=says):
        drafted(_tiffs(tmp_path, masks))


def test_shares_that_resizing_shot_over(tmp_path):
    masks = [tiff(cv2.filter2D(labels.astype(np.float32), -1, SHARPEN)) for labels in ONE]
    draft, found = drafted(_tiffs(tmp_path, masks))
    assert draft.kind.labels == "above(0.5)" and all(map(np.array_equal, found, ONE))


def _tiffs(path, masks):
    folder = folder_of(path, ONE)
    for i, content in enumerate(masks):
        (folder / "masks" / f"p{i:02d}.png").unlink()
        (folder / "masks" / f"p{i:02d}.tif").write_bytes(content)
    return folder


def test_many_numbers_that_vary_are_objects(tmp_path):
    draw = np.random.default_rng(1)
    masks = []
    for _ in range(6):
        _, parts = cv2.connectedComponents((draw.random((12, 16)) > 0.75).astype(np.uint8), connectivity=4)
        names = np.concatenate([[0], draw.choice(np.arange(1, 60000), parts.max(), replace=False)]).astype(np.uint16)
        masks.append(np.kron(names[parts], np.ones((6, 6), np.uint16)))
    ranked = [np.unique(mask, return_inverse=True)[1].reshape(SIZE) for mask in masks]
    _, draft = said_of(tmp_path, masks, ranked)
    assert draft.kind.labels == "objects"


def test_an_answer_is_as_one_asks_for(tmp_path):
    parts = [cv2.connectedComponents(mask, connectivity=4)[1] for mask in WHITE]
    _, draft = said_of(tmp_path / "parts", WHITE, parts, answer="objects")
    assert draft.kind.labels == "parts"
    draft, _ = drafted(folder_of(tmp_path / "jpeg", [jpeg(mask, 75) for mask in WHITE], ".jpg"), "objects")
    assert draft.kind.labels.startswith("parts_of(above(127")
    _, draft = said_of(tmp_path / "overlap", WHITE, ONE, answer="overlap")
    assert draft.kind.task == "MultiLabel(CLASSES)"
    masks = [_counted(1 + i % 4).astype(np.uint8) for i in range(8)]
    _, draft = said_of(tmp_path / "classes", masks, masks, answer="classes")
    assert draft.kind.task.startswith("MultiClass")
    assert "cannot overlap" in refusal(tmp_path / "six", SIX, answer="overlap")


def test_classes_of_one_part_each_are_classes_and_objects_are_offered(tmp_path):
    masks = [np.where(labels == 2, np.uint8(2), (np.arange(96) > 90).astype(np.uint8)) for labels in TWO]
    said, draft = said_of(tmp_path, masks, masks)
    assert draft.kind.task.startswith("MultiClass") and "where these are objects, not classes: --answer objects" in said
