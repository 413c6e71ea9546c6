"""Options of images: their files, the held-out labels, and the network that computes their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seqvise.corpus.options import RANDOM, REFUSE, dataset_errors
from seqvise.options import NODE, Options, Problem, at_least, one_of

MAX_PIXELS = 50_000_000
MOST_PIXELS = 178_956_970
"""The largest image that Pillow opens. Runs before format 2 of config.yaml read images up to this size in full."""
LAYOUTS = ("imagenet", "folder", "csv", "pictures")
POLICIES = ("exact", "any", "mean", "head")
MISSING = ("refuse", "leave_out")
INTERPOLATIONS = ("bilinear", "bicubic")
WEIGHTS_SUFFIXES = (".pt", ".pth", ".bin")


def is_weights_file(weights: str) -> bool:
    """Whether the weights are the name of a file instead of a name of weights in torchvision."""
    return "/" in weights or weights.endswith(WEIGHTS_SUFFIXES)


@dataclass
class TransformOptions(Options):
    """Preprocessing of images. null: as the weights require; for a file of weights, as is usual for ImageNet."""

    resize: int | None = None  # pixels of the shorter side; 256
    crop: int | None = None  # pixels of the square cut from the middle; 224
    mean: list[float] | None = None  # of red, green and blue, in [0, 1]; (.485, .456, .406)
    std: list[float] | None = None  # (.229, .224, .225)
    interpolation: str | None = None  # bilinear

    def validate(self) -> Iterator[Problem]:
        for name in ("resize", "crop"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield name, f"is {value}, but must be at least 1 pixel, or null for the value that the weights require."
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            yield "crop", f"is {self.crop} and {NODE}.resize is {self.resize}, but the crop cannot be the larger."
        for name in ("mean", "std"):
            value = getattr(self, name)
            if value is not None and (len(value) != 3 or (name == "std" and min(value) <= 0)):
                yield name, f"is {value}, but must be three numbers{', all above 0' * (name == 'std')}."
        if self.interpolation is not None:
            yield from one_of(self, interpolation=INTERPOLATIONS)


@dataclass
class AugmentOptions(Options):
    """Random changes to training images, if the network reads the images and not their stored features."""

    zoom: float = 1.1  # maximum magnification, followed by a random crop
    flip: bool = True  # half of the images are mirrored
    rotate: float = 10.0  # maximum degrees to either side
    lighting: float = 0.05  # maximum relative change of brightness and contrast

    def validate(self) -> Iterator[Problem]:
        if self.zoom < 1:
            yield "zoom", f"is {self.zoom}, but must be at least 1, which is no zoom."
        if not 0 <= self.rotate <= 180:
            yield "rotate", f"is {self.rotate}, but must be 0 to 180 degrees."
        if not 0 <= self.lighting < 1:
            yield "lighting", f"is {self.lighting}, but must be at least 0 and below 1."


@dataclass
class ImageOptions(Options):
    """Images with labels: their files, the labels that are held out, and the network that computes features."""

    kind: str = "images"
    name: str = "images"
    layout: str = "folder"
    root: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    columns: list[str] = field(default_factory=lambda: ["path", "label"])  # csv: of the path and of the label
    on_bad: str = REFUSE  # csv: a row with another number of fields
    limit: int | None = None  # images of each label and part
    limit_choice: str = RANDOM
    valid_fraction: float = 0.1
    held_out: Any = None  # a number of labels, a list of them, or a file with one per line
    fold: int | None = None  # drops the held-out labels, and holds out a fifth of the others instead
    seed: int = 0  # of the choice of held-out labels and of validation images
    policy: str = "any"
    missing: str = "refuse"  # labels without a word vector
    wordnet: str | None = None  # a folder with words.txt and parent_child.txt
    hypernyms: float = 0.6  # weight of WordNet's hypernyms in a label's vector, for each level; 0: none
    synsets: str | None = None  # a file of label TAB synset; null: the built-in table, for the labels in it
    backbone: str = "resnet50"
    weights: str | None = "DEFAULT"
    precompute: bool = True
    max_pixels: int = MAX_PIXELS  # larger images are read at a reduced size
    transform: TransformOptions = field(default_factory=TransformOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    shard: int = 1024  # images in a file of features
    extract_batch_size: int = 32
    batch_size: int = 256  # images per process and step
    valid_batch_size: int = 512
    workers: int | None = None  # processes that decode images; null: one per processor, at most eight

    def validate(self) -> Iterator[Problem]:
        yield from dataset_errors(self)
        yield from one_of(self, layout=LAYOUTS, policy=POLICIES, missing=MISSING)
        yield from self._validate_files()
        yield from self._validate_selection()
        yield from self._validate_network()
        yield from self._validate_batches()

    def _validate_files(self) -> Iterator[Problem]:
        if self.layout != "pictures" and not self.root:
            yield "root", "is not set: set it to the folder that holds the images."
        if self.layout == "csv" and not self.train:
            yield "train", f"is not set: set it to the name of the CSV file of the training part, in {NODE}.root."
        if self.layout == "folder" and not self.train and (self.valid or self.test):
            yield (
                "train",
                f"is not set, but {NODE}.valid or {NODE}.test is: set it to the folder of the training part.",
            )
        if len(self.columns) != 2 or len(set(self.columns)) != 2:
            yield "columns", f"is {self.columns}, but must be two names: of the path's column and of the label's."

    def _validate_selection(self) -> Iterator[Problem]:
        if not 0 <= self.hypernyms <= 1:
            yield "hypernyms", f"is {self.hypernyms}, but must be 0 (label vectors of the words alone) to 1."
        if not _are_labels(self.held_out):
            yield (
                "held_out",
                f"is {self.held_out!r}, but must be a number of labels from 1, a list of labels, the name of a file "
                "with one label per line, or null.",
            )

    def _validate_network(self) -> Iterator[Problem]:
        if not self.backbone:
            yield "backbone", "is not set: set it to a torchvision model such as resnet50, or a module's dotted path."
        if self.precompute and not self.weights and self.layout != "pictures":
            yield (
                "weights",
                "is null, but features of an untrained network are useless: set it to a name of weights or a file, or "
                f"train the network with {NODE}.precompute=false.",
            )

    def _validate_batches(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "shard", "extract_batch_size", "batch_size", "valid_batch_size")
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            yield "max_pixels", f"is {self.max_pixels}, but must be 1 to {MOST_PIXELS}, the most that Pillow opens."


def _are_labels(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, str) for item in value)
    if isinstance(value, int):
        return not isinstance(value, bool) and value >= 1
    return value is None or (isinstance(value, str) and bool(value))
