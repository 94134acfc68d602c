"""The parts of the R-CNN, each against one that goes through its boxes one by one."""

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.models.regions import anchors, assignment, boxes, drawing, losses, roi_align, suppression


def tensor(values, dtype="float32"):
    return keras.ops.convert_to_tensor(np.asarray(values, dtype))


def array(value):
    return keras.ops.convert_to_numpy(value)


def some_boxes(random, count, side=40.0):
    """count x 4 float32, 1 to 20 pixels a side, inside of a picture."""
    corners, sizes = random.uniform(0, side - 20, (count, 2)), random.uniform(1, 20, (count, 2))
    return np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)


def overlap(a, b):
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(height, 0) * max(width, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both) if both else 0.0


@pytest.fixture
def random():
    return np.random.default_rng(5)


def test_overlaps_of_boxes(random):
    a, b = some_boxes(random, 30), some_boxes(random, 20)
    wanted = [[overlap(x, y) for y in b] for x in a]
    found = array(boxes.overlaps(tensor([a, a]), tensor([b, b])))
    np.testing.assert_allclose(found, [wanted, wanted], atol=1e-5)
    known = array(boxes.overlaps(tensor([[0, 0, 2, 2], [1, 1, 1, 1]]), tensor([[1, 1, 3, 3], [0, 0, 2, 2]])))
    np.testing.assert_allclose(known, [[1 / 7, 1], [0, 0]], atol=1e-6)


def test_a_box_is_told_as_a_change_of_another(random):
    start, end = some_boxes(random, 50), some_boxes(random, 50)
    found = array(boxes.encoded(tensor(end), tensor(start)))
    for change, a, b in zip(found, start, end, strict=True):
        height, width = a[2] - a[0], a[3] - a[1]
        wanted = [
            ((b[0] + b[2]) / 2 - (a[0] + a[2]) / 2) / height / 0.1,
            ((b[1] + b[3]) / 2 - (a[1] + a[3]) / 2) / width / 0.1,
            math.log((b[2] - b[0]) / height) / 0.2,
            math.log((b[3] - b[1]) / width) / 0.2,
        ]
        np.testing.assert_allclose(change, wanted, atol=1e-3)
    np.testing.assert_allclose(array(boxes.decoded(tensor(found), tensor(start))), end, atol=1e-3)
    # what is asked for wildly is held
    assert np.isfinite(array(boxes.decoded(tensor(np.full((1, 4), 1e9)), tensor(start[:1])))[:, 2:]).all()


def test_boxes_of_numbers():
    numbers = np.zeros((2, 9, 11), np.int32)
    numbers[0, 2:5, 3:9] = 1
    numbers[0, 7, 1] = 3
    numbers[1, 0, 0] = numbers[1, 8, 10] = 2
    found, there = boxes.of_numbers(tensor(numbers, "int32"), 3, least=2)
    assert array(there).tolist() == [[True, False, False], [False, True, False]]
    assert array(found).tolist() == [
        [[2, 3, 5, 9], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 9, 11], [0, 0, 0, 0]],
    ]


def test_anchors_lie_in_every_cell_in_reading_order():
    sizes = np.array([[4, 8], [6, 6]], np.float32)
    wanted = []
    for row in range(2):
        for column in range(3):
            for height, width in sizes:
                y, x = (row + 0.5) * 8, (column + 0.5) * 8
                wanted.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    np.testing.assert_allclose(array(anchors.laid((2, 3), 8, tensor(sizes))), wanted)


def test_anchors_are_as_large_as_the_objects(random):
    sides = np.exp(random.uniform(np.log(8), np.log(128), 2000))
    found = anchors.chosen(np.stack([sides * 1.2, sides / 1.2], axis=1), 3)
    areas = np.sqrt(found.prod(axis=2)).reshape(3, 2, 3)
    np.testing.assert_allclose(areas, np.broadcast_to(areas[..., :1], areas.shape), rtol=1e-5)
    scales = areas[..., 0].ravel()
    low, high = np.quantile(sides, [0.05, 0.95])
    np.testing.assert_allclose(scales, np.geomspace(low, high, 6), rtol=1e-4)
    np.testing.assert_allclose(found[0, :3, 0] / found[0, :3, 1], [1, 1 / 1.44, 1.44], rtol=1e-4)
    # alike as they may be, each level doubles
    alike = np.sqrt(anchors.chosen(np.full((5, 2), 20.0), 3).prod(axis=2))
    np.testing.assert_allclose(alike[1:] / alike[:-1], 2, rtol=1e-5)
    assert anchors.chosen(np.zeros((0, 2)), 2).shape == (2, 6, 2)


def one_by_one(chosen, scores, limit):
    """Greedy suppression: numbers of the boxes that stay."""
    stays = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] > suppression.NEVER / 2 and all(overlap(chosen[i], chosen[j]) <= limit for j in stays):
            stays.append(i)
    return stays


@pytest.mark.parametrize("limit", [0.2, 0.5])
def test_suppression(random, limit):
    chosen, scores = some_boxes(random, 120, side=30), random.normal(size=120).astype(np.float32)
    scores[:10] = suppression.NEVER
    other = some_boxes(random, 120, side=30)
    found, kept_scores, places = map(
        array,
        suppression.proposed(tensor([chosen, other]), tensor([scores, scores]), 200, 60, limit),
    )
    for each, (own, own_scores) in enumerate(((chosen, scores), (other, scores))):
        wanted = one_by_one(own, own_scores, limit)[:60]
        assert len(wanted) > 5
        there = kept_scores[each] > suppression.NEVER / 2
        assert places[each][there].tolist() == wanted
        np.testing.assert_allclose(found[each][there], own[wanted])
        assert (found[each][~there] == 0).all()


def test_a_chain_of_boxes_is_gone_through_to_its_end():
    # each overlaps the next alone: every other one stays
    chosen = np.array([[0, 6 * i, 10, 6 * i + 10] for i in range(20)], np.float32)
    stays = array(suppression.kept(tensor([chosen]), tensor([np.arange(20, 0, -1)]), 0.2))
    assert stays[0].tolist() == [i % 2 == 0 for i in range(20)]


@pytest.mark.parametrize("each", [True, False])
def test_assignment(random, each):
    own, truth = some_boxes(random, 200), some_boxes(random, 8)
    there = np.array([True] * 6 + [False] * 2)
    yes, no, which = map(
        array, assignment.assigned(tensor([own]), tensor([truth]), tensor([there], bool), 0.5, 0.3, each)
    )
    table = np.array([[overlap(box, t) for t in truth[:6]] for box in own])
    for i, row in enumerate(table):
        most = [j for j in range(6) if each and table[i, j] > 0 and np.isclose(table[i, j], table[:, j].max())]
        is_yes = row.max() >= 0.5 or bool(most)
        assert yes[0, i] == is_yes and no[0, i] == (row.max() < 0.3 and not is_yes)
        if is_yes:
            assert which[0, i] == (row.argmax() if row.max() >= 0.5 else max(most, key=lambda j: row[j]))
    assert yes.sum() > 5 and (~yes & ~no).sum() > 5


def test_the_sample_is_drawn_by_lot_and_never_too_large():
    yes = np.zeros((2, 50), bool)
    yes[0, :20], yes[1, :3] = True, True
    no = ~yes
    no[:, 40:] = False
    seed = keras.random.SeedGenerator(3)
    seen = set()
    for _ in range(20):
        places, weights = map(array, assignment.drawn(tensor(yes, bool), tensor(no, bool), 16, 8, seed))
        assert places.shape == weights.shape == (2, 24)
        assert weights[:, :8].sum(axis=1).tolist() == [8, 3] and weights.sum(axis=1).tolist() == [16, 16]
        for i in range(2):
            counted = weights[i] > 0
            assert yes[i][places[i, :8][counted[:8]]].all() and no[i][places[i, 8:][counted[8:]]].all()
            assert len(set(places[i][counted])) == 16
        seen |= set(places[0, :8])
    assert seen == set(range(20))


def interpolated(level, y, x):
    """The value of h x w x C at a position, held inside."""
    y, x = min(max(y, 0), level.shape[0] - 1), min(max(x, 0), level.shape[1] - 1)
    top, left = int(y), int(x)
    below, right = min(top + 1, level.shape[0] - 1), min(left + 1, level.shape[1] - 1)
    down, along = y - top, x - left
    upper = level[top, left] * (1 - along) + level[top, right] * along
    return upper * (1 - down) + (level[below, left] * (1 - along) + level[below, right] * along) * down


@pytest.mark.parametrize("samples", [1, 2])
def test_roi_align(random, samples):
    levels = [random.normal(size=(2, 10, 12, 3)), random.normal(size=(2, 5, 6, 3))]
    own = np.stack([some_boxes(random, 7), some_boxes(random, 7)])
    sides = np.array([5.0, 14.0])
    found = array(
        roi_align.aligned([tensor(level) for level in levels], (4, 8), tensor(own), tensor(sides), 3, samples)
    )
    used = set()
    for image in range(2):
        for number, (top, left, bottom, right) in enumerate(own[image]):
            side = math.sqrt((bottom - top) * (right - left))
            which = int(abs(math.log(side / 14)) < abs(math.log(side / 5)))
            used.add(which)
            stride = (4, 8)[which]
            for i in range(3):
                for j in range(3):
                    points = [
                        interpolated(
                            levels[which][image],
                            (top + (bottom - top) * (i + (a + 0.5) / samples) / 3) / stride - 0.5,
                            (left + (right - left) * (j + (b + 0.5) / samples) / 3) / stride - 0.5,
                        )
                        for a in range(samples)
                        for b in range(samples)
                    ]
                    np.testing.assert_allclose(found[image, number, i, j], np.mean(points, axis=0), atol=1e-4)
    assert used == {0, 1}


def test_true_masks_in_boxes(random):
    numbers = random.integers(0, 3, (2, 20, 30)).astype(np.int32)
    own = np.array([[[2, 3, 10, 11.5], [0, 0, 20, 30]], [[15.2, 20.1, 19, 29], [1, 1, 3, 3]]], np.float32)
    objects = np.array([[1, 2], [2, 1]], np.int32)
    found = array(roi_align.masks(tensor(numbers, "int32"), tensor(own), tensor(objects, "int32"), 6))
    for image in range(2):
        for k, (top, left, bottom, right) in enumerate(own[image]):
            for i in range(6):
                for j in range(6):
                    y, x = top + (bottom - top) * (i + 0.5) / 6, left + (right - left) * (j + 0.5) / 6
                    assert found[image, k, i, j] == (numbers[image, int(y), int(x)] == objects[image, k])


def test_losses_by_hand_on_three_boxes():
    logits, truth, weights = [[0.0, 2.0, -3.0]], [[1.0, 0.0, 0.0]], [[1.0, 1.0, 0.0]]
    wanted = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert float(losses.told(tensor(logits), tensor(truth), tensor(weights))) == pytest.approx(wanted, rel=1e-5)
    changes = [[[0.5, 0, 0, 0], [0, 3, 0, -1], [9, 9, 9, 9]]]
    # half a square below 1, a straight line beyond: .125, and 2.5 + .5
    moved = losses.moved(tensor(changes), tensor(np.zeros((1, 3, 4))), tensor(weights))
    assert float(moved) == pytest.approx((0.125 + 3.0) / 2, rel=1e-5)
    masks, wanted = np.zeros((1, 3, 2, 2)), np.zeros((1, 3, 2, 2))
    masks[0, 1, 0, 0] = 4.0
    known = (math.log(2) + (3 * math.log(2) + math.log(1 + math.exp(4))) / 4) / 2
    assert float(losses.masked(tensor(masks), tensor(wanted), tensor(weights))) == pytest.approx(known, rel=1e-5)
    nothing = tensor(np.zeros((1, 3)))
    assert float(losses.told(tensor(logits), tensor(truth), nothing)) == 0


def pasted(mask, box, shape):
    found = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            down, along = (y + 0.5 - box[0]) / (box[2] - box[0]), (x + 0.5 - box[1]) / (box[3] - box[1])
            if 0 <= down <= 1 and 0 <= along <= 1:
                found[y, x] = interpolated(mask[..., None], down * len(mask) - 0.5, along * len(mask) - 0.5)[0]
    return found


def test_objects_are_drawn_one_by_one_and_none_over_another(random):
    own = np.stack([some_boxes(random, 12, side=32), some_boxes(random, 12, side=32)])
    masks = random.uniform(0.3, 1, (2, 12, 4, 4)).astype(np.float32)
    scores = np.sort(random.uniform(0.3, 1, (2, 12)).astype(np.float32))[:, ::-1].copy()
    scores[:, -2:] = 0
    found = array(drawing.drawn(tensor(masks), tensor(own), tensor(scores), 24, 30))
    for image in range(2):
        numbers = np.zeros((24, 30), int)
        for k in range(10):
            mask = pasted(masks[image, k], own[image, k], (24, 30)) >= 0.5
            free = mask & (numbers == 0)
            if 2 * free.sum() >= mask.sum():
                numbers[free] = k + 1
        np.testing.assert_array_equal(found[image, ..., 0], numbers)
        wanted = np.concatenate([[0], scores[image]])[numbers]
        np.testing.assert_allclose(found[image, ..., 1], wanted)
        assert len(np.unique(numbers)) < 11  # one at least is seen twice
