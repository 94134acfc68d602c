"""Drawn seismic tiles with salt in them: warped layers, faults, and bodies without layering. NumPy and OpenCV.

Grey values alone do not give the salt away: it is brighter or darker than its surroundings by chance, and water,
faded layers, chaotic zones and bright spots look like it without being it. What tells it apart is the texture inside
a sharp outline: weak, fine and without direction.

Inside this file a tile is SIDE x SIDE, float64, with the mean grey at 0 and one unit about the contrast of layers.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

SIDE = 101

# --- how hard it is: all in one place; pairs are the two ends of a uniform draw ---
EMPTY_SHARE = 0.40  # tiles without salt
COVERAGE = (0.10, 0.60)  # of a body, as a share of the tile
SMALL_SHARE = 0.10  # bodies that are small instead
SMALL_COVERAGE = (0.02, 0.08)
FAINT_SHARE = 0.15  # bodies whose outline is blurred and has no rim
EDGE = (0.6, 1.2)  # pixels over which layers become salt
FAINT_EDGE = (2.5, 4.0)
RIM = (0.4, 2.2)  # strength of the reflection along the outline, bright or dark
WOBBLE = (0.5, 2.0)  # pixels by which the outline wanders
SALT_TEXTURE = (0.15, 0.35)  # contrast inside the salt
SALT_GRAIN = (0.9, 1.6)  # pixels, the size of its texture
SALT_SHIFT = (-0.8, 0.8)  # how much brighter it is than its surroundings
EMPTY_DECOYS = 0.75  # empty tiles that hold something like salt
SALT_DECOYS = 0.30  # tiles with salt that hold something like it besides
NOISE = (0.05, 0.25)
# ---

GREY, GREY_SPREAD = 120.0, 22.0  # the mean grey value, and how far it differs between tiles
CONTRAST = (20.0, 44.0)  # grey values of one unit

_Y, _X = np.mgrid[:SIDE, :SIDE].astype(np.float64)


class Tile(NamedTuple):
    """A drawn tile.

    image: SIDE x SIDE, uint8, grey.
    mask: SIDE x SIDE, uint8, 1 where there is salt.
    depth: below the surface, 50 to 959; layers fade and widen with it.
    """

    image: np.ndarray
    mask: np.ndarray
    depth: int


def draw(seed: tuple[int, ...]) -> Tile:
    """The tile of a seed; the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    depth = int(rng.integers(50, 960))
    empty = rng.random() < EMPTY_SHARE
    mask = np.zeros((SIDE, SIDE), np.uint8) if empty else _body(rng)
    picture = _layers(rng, mask, depth / 1000)
    if rng.random() < (EMPTY_DECOYS if empty else SALT_DECOYS):
        decoy = DECOYS[rng.integers(len(DECOYS))]
        picture = decoy(rng, picture)
    if not empty:
        picture = _with_salt(rng, picture, mask)
    return Tile(_developed(rng, picture), mask, depth)


# --- layers ---


def _layers(rng: Generator, mask: np.ndarray, depth: float) -> np.ndarray:
    """Layering: one trace of reflections, read at the warped height of every pixel; about unit contrast."""
    period = rng.uniform(6, 12) * (1 + 0.5 * depth)
    trace = _trace(rng, 5 * SIDE, period)
    height = _warped(rng, mask)
    picture = np.interp(height + 2 * SIDE, np.arange(len(trace)), trace)
    fade = 1 - (0.3 + 0.4 * depth) * _Y / SIDE
    # along a layer the reflections swell and weaken
    swell = 1 + 0.3 * _smooth(rng, 5, 25)
    return picture * fade * swell


def _trace(rng: Generator, length: int, period: float) -> np.ndarray:
    """Band-limited reflectivity: sparse strong and many weak reflections, convolved with a Ricker wavelet."""
    reflections = rng.standard_normal(length) * rng.random(length) ** 3
    t = np.arange(-2 * period, 2 * period + 1) * np.pi / period
    trace = np.convolve(reflections, (1 - 2 * t**2) * np.exp(-(t**2)), mode="same")
    # strong and quiet packages of layers
    packages = np.exp(0.5 * np.sin(np.arange(length) * 2 * np.pi / rng.uniform(40, 90) + rng.uniform(0, 6.3)))
    return packages * trace / trace.std()


def _warped(rng: Generator, mask: np.ndarray) -> np.ndarray:
    """The height, in pixels, at which every pixel's layer was laid down: tilted, folded, faulted, dragged by salt."""
    height = _Y + rng.normal(0, 0.25) * (_X - SIDE / 2)
    fold = rng.uniform(0, 7) * np.sin(2 * np.pi * _X / rng.uniform(60, 180) + rng.uniform(0, 6.3))
    height = height + fold * (0.4 + 0.6 * _Y / SIDE) + rng.uniform(0.5, 2) * _smooth(rng, 12, 16)
    for _ in range(rng.choice(4, p=(0.45, 0.3, 0.15, 0.1))):
        crossing = rng.uniform(0, SIDE) + rng.uniform(-0.6, 0.6) * (_Y - SIDE / 2)
        # a fault dies out along its length, and smears the layers it cuts by a pixel
        throw = rng.uniform(-10, 10) * (1 + rng.uniform(-0.8, 0.8) * (_Y / SIDE - 0.5))
        height = height + throw / (1 + np.exp(2 * (crossing - _X)))
    # rising salt bends the layers around it
    return height + rng.uniform(-6, 14) * cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 9)


# --- salt ---


def _body(rng: Generator) -> np.ndarray:
    """The mask of one body, drawn again until its size is as wanted. SIDE x SIDE, uint8, {0, 1}."""
    low, high = SMALL_COVERAGE if rng.random() < SMALL_SHARE else COVERAGE
    while True:
        shape = SHAPES[rng.integers(len(SHAPES))]
        level = shape(rng) + rng.uniform(*WOBBLE) * _smooth(rng, 6, 6)
        mask = _largest_part(level > 0)
        if low <= mask.mean() <= high:
            return mask


def _blob(rng: Generator) -> np.ndarray:
    """Above 0 inside a rounded body whose middle may lie outside of the tile."""
    y, x = _Y - rng.uniform(-10, SIDE + 10), (_X - rng.uniform(-10, SIDE + 10)) * rng.uniform(0.6, 1)
    angle = np.arctan2(y, x)
    radius = rng.uniform(12, 55) * (
        1 + sum(rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (2, 3, 4))
    )
    return radius - np.hypot(y, x)


def _dome(rng: Generator) -> np.ndarray:
    """Above 0 inside a dome that rises from below the tile, leaning and with steep flanks."""
    below = _Y - rng.uniform(-5, 70)
    across = np.abs(_X - rng.uniform(0, SIDE) - rng.uniform(-0.3, 0.3) * below)
    width = rng.uniform(12, 38) * np.sqrt(np.clip(below / rng.uniform(8, 30), 0, 1))
    return np.where(below > 0, width + rng.uniform(0, 0.5) * below - across, -1 - np.hypot(below, across))


def _wall(rng: Generator) -> np.ndarray:
    """Above 0 on one side of a bent line: the flank, roof or floor of a body far larger than the tile."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = _Y - SIDE / 2, _X - SIDE / 2
    across, along = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y
    bend = rng.uniform(0, 8) * np.sin(2 * np.pi * along / rng.uniform(60, 150) + rng.uniform(0, 6.3))
    return across + bend - rng.uniform(-15, 45)


SHAPES = (_blob, _dome, _wall)


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part as uint8 {0, 1}: wandering outlines leave crumbs."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if len(stats) == 1:
        return mask.astype(np.uint8)
    return (parts == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)


def _with_salt(rng: Generator, picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Replaces the layers under the mask by salt, and draws the reflection along its outline."""
    faint = rng.random() < FAINT_SHARE
    distance = _inside(mask)
    share = 1 / (1 + np.exp(-2 * distance / rng.uniform(*(FAINT_EDGE if faint else EDGE))))
    grain, drawn_out = rng.uniform(*SALT_GRAIN), rng.uniform(1, 1.6)
    cloud = 0.2 * _smooth(rng, 12, 12)
    salt = rng.uniform(*SALT_SHIFT) + cloud + rng.uniform(*SALT_TEXTURE) * _smooth(rng, grain, grain * drawn_out)
    picture = picture * (1 - share) + salt * share
    if faint:
        return picture
    strength = rng.choice((1, 1, -1)) * rng.uniform(*RIM) * (1 + 0.4 * _smooth(rng, 10, 10))
    # a bright line on the outline has a weaker dark one behind it
    return picture + strength * (_bell(distance / 1.4) - 0.5 * _bell((distance - 3.2) / 1.6))


def _inside(mask: np.ndarray) -> np.ndarray:
    """Pixels to the outline, above 0 inside and below 0 outside. Outside the tile the body is taken to go on."""
    return np.where(mask, _distance(mask) - 0.5, 0.5 - _distance(1 - mask))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Of each pixel of a mask to the nearest one outside, in pixels.

    OpenCV's last bit differs from one call to the next; the squares are whole numbers.
    """
    found = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    return np.sqrt(np.rint(found**2))


# --- what looks like salt and is not ---


def _faded(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """A zone in which the layers nearly vanish; they keep their direction, and the zone has no outline."""
    share = _soft_zone(rng)
    return picture * (1 - rng.uniform(0.75, 0.9) * share) + rng.uniform(*SALT_SHIFT) * share


def _chaos(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """A zone of strong torn texture, coarser than salt and drawn out sideways."""
    share = _soft_zone(rng)
    return picture * (1 - share) + rng.uniform(0.6, 1.0) * _smooth(rng, 1.5, rng.uniform(3, 5)) * share


def _spot(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """A bright or dark patch with layers running through it, its outline as sharp as that of salt."""
    share = 1 / (1 + np.exp(-_inside(_body(rng)) / rng.uniform(0.5, 3)))
    return picture * (1 - 0.3 * share) + rng.choice((-1, 1)) * rng.uniform(0.5, 1.3) * share


def _water(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """Water above the sea floor: flat grey without texture, and strong layers below a nearly level line."""
    floor = rng.uniform(20, 70) + rng.normal(0, 0.06) * (_X - SIDE / 2) + 1.5 * _smooth(rng, 25, 25)[:1]
    below = _Y - floor
    share = 1 / (1 + np.exp(2 * below))
    return picture * (1 - share) + rng.uniform(*SALT_SHIFT) * share + 2 * _bell((below - 1.5) / 1.5)


DECOYS = (_faded, _chaos, _spot, _water)


def _soft_zone(rng: Generator) -> np.ndarray:
    """0 to 1: a body without an outline."""
    return cv2.GaussianBlur(_body(rng).astype(np.float64), (0, 0), rng.uniform(5, 9))


# --- the picture ---


def _developed(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """Units to grey values, with the noise of the recording: fine grain, and grain drawn out along the layers."""
    noise = rng.uniform(*NOISE)
    picture = picture + noise * (0.6 * _smooth(rng, 0.5, 0.5) + 0.8 * _smooth(rng, 0.8, 1.6))
    grey = GREY + GREY_SPREAD * np.clip(rng.standard_normal(), -2, 2) + rng.uniform(*CONTRAST) * picture
    return np.rint(grey).clip(0, 255).astype(np.uint8)


def _bell(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2))


def _smooth(rng: Generator, down: float, across: float) -> np.ndarray:
    """Gaussian noise smoothed by that many pixels; mean 0 and standard deviation 1 over the tile."""
    noise = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)), (0, 0), sigmaX=across, sigmaY=down)
    return (noise - noise.mean()) / noise.std()
