"""What a person chooses about images: where they lie, which labels are held out, what network looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seqvise.corpus.options import LIMIT_CHOICES, ON_BAD, RANDOM, REFUSE

MAX_PIXELS = 50_000_000
MOST_PIXELS = 178_956_970
"""What Pillow opens at all; runs before format 2 of config.yaml read images up to it at their full size."""
LAYOUTS = ("imagenet", "folder", "csv", "pictures")
POLICIES = ("exact", "any", "mean", "head")
MISSING = ("refuse", "leave_out")
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass
class TransformOptions:
    """How an image becomes the network's input. null: as the weights want it; of a file, ImageNet's usual way."""

    resize: int | None = None  # pixels of the shorter side; 256
    crop: int | None = None  # pixels of the square cut from the middle; 224
    mean: list[float] | None = None  # of red, green and blue, in [0, 1]; (.485, .456, .406)
    std: list[float] | None = None  # (.229, .224, .225)
    interpolation: str | None = None  # bilinear

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name in ("resize", "crop"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{key}.{name} is {value}, but must be at least 1 pixel, or null for what the weights want."
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            yield f"{key}.crop is {self.crop} and {key}.resize is {self.resize}, but the crop cannot be the larger."
        for name in ("mean", "std"):
            value = getattr(self, name)
            if value is not None and (len(value) != 3 or (name == "std" and min(value) <= 0)):
                yield f"{key}.{name} is {value}, but must be three numbers{', all above 0' * (name == 'std')}."
        if self.interpolation not in (None, *INTERPOLATIONS):
            yield f"{key}.interpolation is '{self.interpolation}', but must be one of {', '.join(INTERPOLATIONS)}."


@dataclass
class AugmentOptions:
    """What training changes at random in an image, where it sees the image and not its stored features."""

    zoom: float = 1.1  # up to so many times nearer, then a random crop
    flip: bool = True  # half of the images are mirrored
    rotate: float = 10.0  # degrees, at most, to either side
    lighting: float = 0.05  # brightness and contrast change by this share, at most

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.zoom < 1:
            yield f"{key}.zoom is {self.zoom}, but must be at least 1, which is no zoom."
        if not 0 <= self.rotate <= 180:
            yield f"{key}.rotate is {self.rotate}, but must be 0 to 180 degrees."
        if not 0 <= self.lighting < 1:
            yield f"{key}.lighting is {self.lighting}, but must be at least 0 and below 1."


@dataclass
class ImageOptions:
    """Images with labels: where they lie, which labels are never trained on, what makes features of them."""

    kind: str = "images"
    name: str = "images"
    layout: str = "folder"
    root: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    columns: list[str] = field(default_factory=lambda: ["path", "label"])  # csv: of the path and of the label
    on_bad: str = REFUSE  # csv: a row of another number of fields
    limit: int | None = None  # images of each label and part
    limit_choice: str = RANDOM
    valid_fraction: float = 0.1
    held_out: Any = None  # a number of labels, a list of them, or a file with one a line
    fold: int | None = None  # leaves the held-out labels out, and holds a fifth of the others out in their place
    seed: int = 0  # of the labels that are held out and of the images set aside for validation
    policy: str = "any"
    missing: str = "refuse"  # labels without a word vector
    wordnet: str | None = None  # a folder with words.txt and parent_child.txt
    hypernyms: float = 0.6  # weight of WordNet's hypernyms in a label's vector, a step up; 0: none
    synsets: str | None = None  # a file of label TAB synset; null: the built-in table where the labels are in it
    backbone: str = "resnet50"
    weights: str | None = "DEFAULT"
    precompute: bool = True
    max_pixels: int = MAX_PIXELS  # larger images are read at a part of their size
    transform: TransformOptions = field(default_factory=TransformOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    shard: int = 1024  # images in a file of features
    extract_batch_size: int = 32
    batch_size: int = 256  # images a process and step
    valid_batch_size: int = 512
    workers: int | None = None  # processes that decode images; null: one a processor, eight at most

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if not self.name or "/" in self.name or self.name.startswith("."):
            yield f"{key}.name is '{self.name}', but it names a folder of the cache: give one plain word."
        allowed_values = (
            ("layout", LAYOUTS),
            ("policy", POLICIES),
            ("missing", MISSING),
            ("on_bad", ON_BAD),
            ("limit_choice", LIMIT_CHOICES),
        )
        for name, allowed in allowed_values:
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        yield from self._problems_of_files(key)
        yield from self._problems_of_selection(key)
        yield from self._problems_of_network(key)
        yield from self._problems_of_batches(key)
        yield from self.transform.problems(f"{key}.transform")
        yield from self.augment.problems(f"{key}.augment")

    def _problems_of_files(self, key: str) -> Iterator[str]:
        if self.layout != "pictures" and not self.root:
            yield f"{key}.root is not set: give the folder that holds the images."
        if self.layout == "csv" and not self.train:
            yield f"{key}.train is not set: give the name of the CSV file of the training part, in {key}.root."
        if self.layout == "folder" and not self.train and (self.valid or self.test):
            yield f"{key}.train is not set, but {key}.valid or {key}.test is: give the folder of the training part too."
        if len(self.columns) != 2 or len(set(self.columns)) != 2:
            yield f"{key}.columns is {self.columns}, but must be two names: of the path's column and of the label's."

    def _problems_of_selection(self, key: str) -> Iterator[str]:
        if self.limit is not None and self.limit < 1:
            yield f"{key}.limit is {self.limit}, but must be at least 1, or null for no limit."
        if not 0 < self.valid_fraction < 1:
            yield f"{key}.valid_fraction is {self.valid_fraction}, but must be above 0 and below 1."
        if not 0 <= self.hypernyms <= 1:
            yield f"{key}.hypernyms is {self.hypernyms}, but must be 0 (label vectors of the words alone) to 1."
        if not 0 <= self.seed < 2**63:
            yield f"{key}.seed is {self.seed}, but must be at least 0 and below 2**63."
        if not _are_labels(self.held_out):
            yield (
                f"{key}.held_out is {self.held_out!r}, but must be a number of labels from 1, a list of labels, the "
                "name of a file with one label a line, or null."
            )

    def _problems_of_network(self, key: str) -> Iterator[str]:
        if not self.backbone:
            yield f"{key}.backbone is not set: give a torchvision model, as resnet50, or the dotted path of a module."
        if self.precompute and not self.weights and self.layout != "pictures":
            yield (
                f"{key}.weights is null, but features of an untrained network say nothing: give the name of weights or "
                f"a file, or train the network with {key}.precompute=false."
            )

    def _problems_of_batches(self, key: str) -> Iterator[str]:
        for name in ("shard", "extract_batch_size", "batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            yield f"{key}.max_pixels is {self.max_pixels}, but must be 1 to {MOST_PIXELS}, the most that Pillow opens."
        if self.workers is not None and self.workers < 0:
            yield f"{key}.workers is {self.workers}, but must be 0 (decode in the training process) or more, or null."


def _are_labels(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, str) for item in value)
    if isinstance(value, int):
        return not isinstance(value, bool) and value >= 1
    return value is None or (isinstance(value, str) and bool(value))
