"""Nuclei: from probabilities to objects, and which of them are matched."""

import numpy as np

from benchmarks.rows.drawn import nuclei
from benchmarks.table import Row, in_turns, optional, version
from pipeline.imaging.objects import matches
from pipeline.tasks.ahead import in_order
from pipeline.tasks.instances import Instances

COUNT = 1000
IOUS = [(10 + level) / 20 for level in range(10)]
TASK = Instances(("nucleus",))


def instances(repeats: int) -> Row:
    import skimage.segmentation  # noqa: F401 (part of nobody's time)

    truth = [nuclei(seed) for seed in range(COUNT)]
    answers = [TASK.target(labels[..., None]) for labels in truth]
    rules = TASK.plain_thresholds()

    pairs = list(zip(answers, truth, strict=True))

    def one(pair: tuple) -> np.ndarray:
        answer, labels = pair
        return matches(TASK.decode(answer, rules)[..., 0], labels)[0]

    def ours():
        return np.array(list(in_order(one, pairs, quiet=True)))

    def peer():
        return np.array([_matched(_flooded(answer), labels) for answer, labels in pairs])

    def stardist():
        return np.array(
            [found.tp for answer, labels in pairs for found in module.matching(labels, _flooded(answer), IOUS)]
        )

    # the same objects are matched, up to what a watershed gives to which side
    found, theirs = (side()[:, 0, 0].sum() for side in (ours, peer))
    assert abs(found - theirs) < 0.03 * theirs
    actions = {"ours": ours, "peer": peer}
    peers = {"peer": f"label, watershed and a loop over pairs, {version('scikit-image')}"}
    module, name = optional("stardist.matching", "stardist")
    if module is not None:
        assert abs(found - stardist()[:: len(IOUS)].sum()) < 0.03 * theirs
        actions["stardist"], peers["stardist"] = stardist, f"label, watershed and its matching, {name}"
    times = in_turns(repeats, **actions)
    objects = [len(np.unique(labels)) - 1 for labels in truth]
    return Row(
        what=f"pictures of 256 x 256 decoded and matched at ten IoU, {min(objects)} to {max(objects)} nuclei each",
        unit="s",
        n=COUNT,
        ours=times["ours"],
        peers={title: times[key] for key, title in peers.items()},
    )


def _flooded(answer: np.ndarray) -> np.ndarray:
    """The way the kernels do it: seeds labelled, the mask flooded from them."""
    from skimage.measure import label
    from skimage.segmentation import watershed

    mask, _, centre = np.moveaxis(answer, -1, 0).astype(np.int16)
    seeds = label(centre >= 128)
    return watershed(-centre, seeds, mask=mask >= 128)


def _matched(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """10 x 3: matched, invented, missed at each IoU, from a loop over all pairs that touch."""
    names, numbers = np.unique(truth[truth != 0]), np.unique(found[found != 0])
    best = np.zeros(len(names))
    for k, name in enumerate(names):
        mine = truth == name
        for other in np.unique(found[mine]):
            if other:
                theirs = found == other
                best[k] = max(best[k], (mine & theirs).sum() / (mine | theirs).sum())
    hits = np.array([(best > (10 + level) / 20).sum() for level in range(10)])
    return np.stack([hits, len(numbers) - hits, len(names) - hits], axis=1)
