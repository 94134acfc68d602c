"""How to train: one dataclass with every default in one place.

A recipe is plain names and numbers. A competition's named recipes list only what differs from these defaults, the
command line overrides both, and the resolved recipe is saved with the run.
"""

import math
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """Every field is an option of the command line (`late_loss` is `--late-loss`)."""

    # folds
    folds: int = 5  # how many parts the data is split into
    split: str = ""  # kind: whole kinds of pictures are held out; blank: each fold has a like share of every kind
    trained_folds: int = 0  # how many of them are trained when no --fold is given; 0 is all
    seed: int = 0  # of initial weights, order and augmentation; the folds do not depend on it

    # the network
    model: str = "unet"  # see --help models
    encoder: str = ""  # a known network as the way down (resnet34, …: --help models); blank is the model's own
    weights: str = "none"  # that the encoder starts from: imagenet | none | FILE (of Keras, torchvision or timm)
    depth: int = 4  # how often the resolution is halved
    width: int = 32  # filters at full resolution, or behind the stem; doubled at every halving
    stem: int = 1  # stride of unet's first convolution: 2 sees twice the size at about the same cost; no encoder
    answer_stride: int = 1  # of unet with an encoder: 2, 4 or 8 ends the way up there, and enlarges the answer at once
    block: str = "residual"  # residual | plain
    normalization: str = "batch"  # batch | group | none
    downsampling: str = "pool"  # pool | strided (convolutions)
    decoder: str = "transposed2"  # transposed2 | transposed3 | upsampling
    dropout: float = 0.0  # share of channels dropped at the bottom of the U
    proposals: int = 256  # of maskrcnn: regions of a picture (window, tile) that are looked at more closely
    objects: int = 128  # of maskrcnn: the most that are learnt in a window, and found in a picture or tile
    mask_size: int = 28  # of maskrcnn: pixels a side of the mask of an object, however large that is; even

    # sizes
    size: int = 128  # side of the network's input in pixels; 0 is the image's own size
    fit: str = "pad"  # pad (mirrored) | resize | double (twice as large, then padded)
    crop: int = 0  # training learns random windows of this side (or a little more); 0 is the whole input
    non_empty: float = 0.0  # least share of these windows that hold something; several classes are sought alike
    tile: int = 1024  # larger pictures are predicted in overlapping tiles of this side; 0 is never
    tones: str = "stored"  # stored | own: each picture in grey, on dark ground, over the range that it uses itself
    neighbours: int = 0  # slices before and after that become channels (2.5-D), for images that are slices of volumes
    slices: int = 1  # of a volume, seen and answered together (3-D)

    # learning
    budget: str = ""  # time for the command (45m, 2h, 540s): picks the epochs of the folds it trains; blank is off
    epochs: int = 60  # how often every image is seen
    steps: int = 0  # batches an epoch; 0 is every image once, those of --pseudo too
    batch_size: int = 32  # images in a step
    learning_rate: float = 2e-3  # the peak, after the warm-up
    encoder_rate: float = 1.0  # of an encoder, times the learning rate; 0 never changes its weights
    freeze_epochs: int = 0  # in which the weights of an encoder stay as they are, before they learn, too
    optimizer: str = "adamw"  # adamw | sgd
    momentum: float = 0.9  # of sgd
    weight_decay: float = 1e-4  # times the learning rate, each step
    schedule: str = "cosine"  # cosine | constant: what follows the warm-up
    warmup: float = 0.05  # share of all steps
    ema: float = 0.995  # momentum of the moving average of the weights; 0 is off
    renew_statistics: str = "auto"  # auto (with an encoder) | on | off: batch statistics anew from plain images
    loss: str = "bce+dice"  # one or several, added: see --help losses
    class_balance: float = 0.0  # of ce, or bce with border_weight: a class counts by its share to minus this power
    border_weight: float = 0.0  # of bce: how much more a pixel counts between two objects that touch (w0, U-Net paper)
    border_sigma: float = 5.0  # pixels: how wide such a place may be
    late_loss: str = ""  # the loss of the last part of training; blank is none
    late_share: float = 0.3  # how long that part is
    precision: str = "auto"  # auto | float32 | bfloat16 | float16
    xla: str = "auto"  # auto (the step on a GPU, parts of it on a CPU) | on | off (TensorFlow; JAX always compiles)
    score_every: int = 1  # epochs between two scores of the held-out fold while training
    pseudo: str = ""  # a finished run whose confident test predictions are learnt, too; blank is none
    pseudo_share: float = 0.5  # of the test images, the share that is learnt: the most confident ones

    # augmentation: image and labels together; 0 is off
    flip: bool = True  # the flips and turns that the competition allows
    shift: float = 0.06  # at most, as a share of the side
    scale: float = 0.10  # zoom by at most this factor in or out
    rotation: float = 5.0  # at most, in degrees
    shear: float = 3.0  # at most, in degrees
    elastic: float = 0.0  # pixels, standard deviation at the nodes of a coarse grid
    elastic_grid: int = 4  # nodes a side
    brightness: float = 0.10  # added, as a share of the value range
    contrast: float = 0.15  # stretched or shrunk at most by this share
    gamma: float = 0.15  # exponent at most this share above or below 1
    noise: float = 0.01  # standard deviation, as a share of the value range
    hue: float = 0.0  # colours turned by at most this angle, in degrees (images of three channels)
    to_grey: float = 0.0  # share of the images that lose their colours
    invert: float = 0.0  # share of the images that become their negative
    augment: str = ""  # further ones by name and amount, joined by +: see --help augmentations; blank is none

    # predicting
    tta: bool = True  # average over the flips that the competition allows
    tta_scales: str = ""  # with tta: also seen so many times as large, as in 0.9+1.25; blank is off
    object_radius: float = 0.0  # with tta, pixels: larger objects are seen smaller, smaller ones larger; 0 is off

    def __post_init__(self):
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            # a whole number is a fine float; True is a fine nothing
            good = type(value) is kind or (kind is float and type(value) is int)
            if not good:
                raise UserError(f"{option(field.name)} is {value!r}; it must be of type {kind.__name__}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                names = ", ".join(choice or "''" for choice in allowed)
                raise UserError(f"{option(name)} is '{getattr(self, name)}'; known are: {names}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            # also what is no number at all
            if not low <= value <= high:
                raise UserError(f"{option(name)} is {value}; it must be from {low} to {high}")
        if self.budget and not _DURATION.fullmatch(self.budget):
            raise UserError(f"--budget is '{self.budget}'; it must be a time above 0 with its unit: 45m, 2h or 540s")
        scales(self.tta_scales)
        if self.answer_stride not in ANSWER_STRIDES:
            raise UserError(f"--answer-stride is {self.answer_stride}; it must be 1, 2, 4 or 8")
        if self.mask_size % 2:
            raise UserError(f"--mask-size is {self.mask_size}; it must be even, for masks are doubled once")
        if self.fit == "resize" and not self.size:
            raise UserError("--fit resize needs a --size; with --size 0 use --fit pad")
        if self.fit == "double" and self.crop:
            raise UserError("--fit double is of whole images: leave out --crop, or use --fit pad")
        if self.neighbours and self.slices > 1:
            raise UserError("--slices already shows a network the slices around: leave --neighbours at 0")
        if (self.hue or self.to_grey) and (self.neighbours or self.slices > 1):
            raise UserError("--hue and --to-grey are of pictures in colour, not of slices side by side")
        if (self.hue or self.to_grey) and self.tones == "own":
            raise UserError("--hue and --to-grey are of colours, and --tones own sees none; give --hue 0 --to-grey 0")
        if self.pseudo and self.slices > 1:
            raise UserError("--pseudo learns single images, --slices also those around them; leave one of them out")
        if self.non_empty and not self.crop:
            raise UserError("--non-empty is a share of the windows that --crop cuts; give a --crop")


# fields that say how a network predicts, not what it learns
PREDICTING = ("tile", "tta", "tta_scales", "object_radius")


def as_learnt(recipe: Recipe) -> Recipe:
    """The same for all recipes that differ in how a network predicts alone."""
    return replace(recipe, **{field.name: field.default for field in fields(Recipe) if field.name in PREDICTING})


# not 0: a digit that is not follows
_DURATION = re.compile(r"(?=[0.]*[1-9])([0-9]{1,9}(?:\.[0-9]{1,3})?)([smh])")
_LONG = re.compile(r"(?=[0h]*[1-9])([0-9]{1,3})h([0-9]{1,2})m")

ANSWER_STRIDES = (1, 2, 4, 8)

_CHOICES = {
    "split": ("", "kind"),
    "block": ("residual", "plain"),
    "normalization": ("batch", "group", "none"),
    "downsampling": ("pool", "strided"),
    "optimizer": ("adamw", "sgd"),
    "decoder": ("transposed2", "transposed3", "upsampling"),
    "fit": ("pad", "resize", "double"),
    "tones": ("stored", "own"),
    "schedule": ("cosine", "constant"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
    "xla": ("auto", "on", "off"),
    "renew_statistics": ("auto", "on", "off"),
}

_RANGES = {
    "folds": (2, 1000),
    "trained_folds": (0, 1000),
    "seed": (0, 2**31 - 1),
    "depth": (1, 8),
    "width": (1, 1024),
    "stem": (1, 8),
    "answer_stride": (1, 8),
    "dropout": (0, 0.95),
    "proposals": (8, 8192),
    "objects": (1, 8192),
    "mask_size": (8, 128),
    "size": (0, 8192),
    "crop": (0, 8192),
    "non_empty": (0, 1),
    "tile": (0, 8192),
    "neighbours": (0, 64),
    "slices": (1, 256),
    "epochs": (1, 100_000),
    "steps": (0, 1_000_000),
    "batch_size": (1, 4096),
    "learning_rate": (1e-9, 10),
    "encoder_rate": (0, 10),
    "freeze_epochs": (0, 100_000),
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1),
    "warmup": (0, 1),
    "ema": (0, 0.99999),
    "class_balance": (0, 2),
    "border_weight": (0, 100),
    "border_sigma": (0.5, 50),
    "late_share": (0, 1),
    "score_every": (1, 100_000),
    "pseudo_share": (0, 1),
    "shift": (0, 1),
    "scale": (0, 0.9),
    "rotation": (0, 180),
    "shear": (0, 45),
    "elastic": (0, 1000),
    "elastic_grid": (2, 64),
    "brightness": (0, 1),
    "contrast": (0, 0.95),
    "gamma": (0, 0.95),
    "noise": (0, 1),
    "hue": (0, 180),
    "to_grey": (0, 1),
    "invert": (0, 1),
    "object_radius": (0, 1000),
}

# for every competition: proves the path from files to submission, learns next to nothing
SMOKE = {
    "trained_folds": 2,
    "depth": 3,
    "width": 8,
    "size": 64,
    "fit": "resize",
    "epochs": 2,
    "steps": 6,
    "batch_size": 16,
    "ema": 0.5,
    "late_loss": "lovasz",
    "late_share": 0.5,
}


def explained() -> dict[str, str]:
    """What each field means: the comments behind the fields above, so that they are said in one place only."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    matches = (re.match(r"    (\w+): \w+ = .*?  # (.*)", line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def groups() -> dict[str, list[str]]:
    """The fields in the order above, under the titles that stand over them there."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch(r"    # (.*)", line):
            found[title[1]] = members = []
        elif (field := re.match(r"    (\w+): \w+ = ", line)) and found:
            members.append(field[1])
        elif found and line.startswith("    def "):
            break
    return found


def parts(text: str, sign: str = "") -> list[tuple[str, str]]:
    """`bce+dice` or `blur=1.5+cutout=0.2` (sign `=`) as pairs of a name and what follows the sign."""
    words = [word.strip() for word in text.split("+") if word.strip()]
    return [(word.partition(sign)[0], word.partition(sign)[2]) if sign else (word, "") for word in words]


def option(field: str) -> str:
    """The command line's spelling of a field: `late_loss` -> `--late-loss`."""
    return "--" + field.replace("_", "-")


def scales(text: str) -> tuple[float, ...]:
    """`0.9+1.25` as numbers. Raises UserError for what is none, 1 (always seen), one twice, or not from 0.25 to 4."""
    # Python takes 1_2 for 12
    words = [word.strip().replace("_", "nan") for word in text.split("+")] if text.strip() else []
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        found = (math.nan,)
    if len({*found, 1.0}) <= len(found) or not all(0.25 <= scale <= 4 for scale in found):
        raise UserError(
            f"--tta-scales is '{text}'; it must be different numbers from 0.25 to 4 beside 1, as in 0.9+1.25"
        )
    return found


def seconds(duration: str) -> float:
    """`45m`, `2h`, `540s` or `8h30m` in seconds. Raises ValueError for anything else."""
    if found := _LONG.fullmatch(duration):
        return 3600.0 * int(found[1]) + 60.0 * int(found[2])
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"'{duration}' is no time; write 45m, 2h, 540s or 8h30m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def resolve(named: dict, overrides: dict) -> Recipe:
    """The defaults, changed by a named recipe, changed by the command line. Raises UserError for an unknown field."""
    unknown = sorted({*named, *overrides} - {field.name for field in fields(Recipe)})
    if unknown:
        raise UserError(f"'{unknown[0]}' is no recipe field; ./run.sh --help fields lists them")
    return replace(Recipe(), **{**named, **overrides})


def from_json(content: dict, where: str) -> Recipe:
    """A saved recipe. Fields that did not exist when it was saved get their defaults.

    Raises UserError, with `where` it stands, when it holds a field that is not known, or a value that cannot be.
    """
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(content) - known)
    if unknown:
        raise UserError(f"{where} holds unknown recipe fields: {', '.join(unknown)}; start a new run with --run NAME")
    try:
        return Recipe(**content)
    except UserError as error:
        raise UserError(f"{where}: {error}; mend it, or start a new run with --run NAME") from error


def to_json(recipe: Recipe) -> dict:
    return asdict(recipe)


def completed(saved: dict) -> dict:
    """The fields of a recipe as it was recorded; those that did not exist then have their defaults."""
    return {**to_json(Recipe()), **saved} if isinstance(saved, dict) else {}


def differences(recipe: Recipe, other: Recipe) -> dict:
    """The fields of `recipe` that differ from `other`, with their values."""
    mine, theirs = asdict(recipe), asdict(other)
    return {name: value for name, value in mine.items() if value != theirs[name]}


def words(recipe: Recipe, named: Recipe) -> list[str]:
    """What to type for the fields of `recipe` that differ from `named`: `--width 24 --no-tta`."""
    found = []
    for field, value in differences(recipe, named).items():
        spelt = option(field)
        if isinstance(value, bool):
            found.append(spelt if value else spelt.replace("--", "--no-", 1))
        else:
            found += [spelt, str(value)]
    return found


def run_name(recipe_name: str, recipe: Recipe, named: Recipe) -> str:
    """`quick`, or `quick-epochs-3-loss-dice` when fields differ from the named recipe."""
    words = [recipe_name]
    for name, value in sorted(differences(recipe, named).items()):
        # of a path the file's name: a run is a folder
        words += [name.replace("_", "-"), str(value).rpartition("/")[2].lower() or "none"]
    return "-".join(words)
