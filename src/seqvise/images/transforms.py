"""Image transforms: deterministic for evaluation, random augmentation for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from seqvise.files import digest
from seqvise.images.options import AugmentOptions, TransformOptions

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_ASPECT_RATIO = 16
"""Maximum ratio of the longer to the shorter side; longer images are cropped to this ratio."""

Transform = Callable[["Image"], Tensor]
"""Maps an image in mode RGB to (3, H, W) uint8. The network normalizes the colours."""


@dataclass(frozen=True)
class Preset:
    """Image preprocessing of a network's weights.

    Attributes:
        resize: length of the shorter side after scaling, in pixels.
        crop: side of the central square crop, in pixels.
        mean, std: mean and standard deviation of red, green and blue in [0, 1], for normalization.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    @classmethod
    def of_weights(cls, weights: Any) -> Preset:
        """The preprocessing of torchvision's weights. weights: a member of one of its ``WeightsEnum``."""
        transform = weights.transforms()
        scale = str(transform.interpolation.value)
        return cls(transform.resize_size[0], transform.crop_size[0], tuple(transform.mean), tuple(transform.std), scale)

    def with_options(self, options: TransformOptions) -> Preset:
        """A copy with the options that are not null."""
        values = {name: value for name, value in asdict(options).items() if value is not None}
        for name in ("mean", "std"):
            if name in values:
                values[name] = tuple(values[name])
        if "crop" in values and "resize" not in values:
            values["resize"] = max(values["crop"], round(values["crop"] * self.resize / self.crop))
        return Preset(**{**asdict(self), **values})


def evaluation_transform(preset: Preset) -> Transform:
    """The transform of the weights, without colour normalization."""
    from torchvision.transforms import v2

    scale = v2.InterpolationMode(preset.interpolation)
    steps = [
        _middle_strip,
        v2.Resize(preset.resize, scale, antialias=True),
        v2.CenterCrop(preset.crop),
        v2.PILToTensor(),
    ]
    return cast(Transform, v2.Compose(steps))


def training_transform(preset: Preset, augment: AugmentOptions) -> Transform:
    """Random zoom, rotation, crop, horizontal flip and lighting, drawn from torch's generator.

    Like fast.ai's ``tfms_from_model(arch, size, transforms_side_on, max_zoom=1.1)``: the shorter side is scaled to 1
    to ``zoom`` times the crop size, and the crop is at a random position.
    """
    from torchvision.transforms import v2

    steps = [
        _random_strip,
        RandomShorterSide(preset.crop, round(preset.crop * augment.zoom), preset.interpolation),
        v2.RandomRotation(augment.rotate, v2.InterpolationMode.BILINEAR),
        v2.RandomCrop(preset.crop),
        v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0),
        v2.ColorJitter(augment.lighting, augment.lighting),
        v2.PILToTensor(),
    ]
    return cast(Transform, v2.Compose(steps))


@dataclass(frozen=True)
class RandomShorterSide:
    """Scales an image so that its shorter side has exactly a random length.

    torchvision's ``RandomShortestSize`` is similar, but its shorter side is one pixel too short for some sizes.

    Attributes:
        min_size, max_size: range of the shorter side, in pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    min_size: int
    max_size: int
    interpolation: str

    def __call__(self, image: Image) -> Image:
        """The scaled image."""
        from torchvision.transforms import v2

        side = self.min_size + int(torch.randint(self.max_size - self.min_size + 1, ()))
        ratio = side / min(image.size)
        width, height = (max(side, int(length * ratio)) for length in image.size)
        mode = v2.InterpolationMode(self.interpolation)
        return cast("Image", v2.functional.resize(image, [height, width], mode, antialias=True))


def _middle_strip(image: Image) -> Image:
    """The central part of an image that exceeds ``MAX_ASPECT_RATIO``."""
    return _strip(image, _surplus(image) // 2)


def _random_strip(image: Image) -> Image:
    """Like ``_middle_strip``, but at a random position."""
    surplus = _surplus(image)
    return _strip(image, int(torch.randint(surplus + 1, ())) if surplus else 0)


def _surplus(image: Image) -> int:
    """Pixels of the longer side beyond ``MAX_ASPECT_RATIO``; scaling such images up would exhaust memory."""
    return max(0, max(image.size) - MAX_ASPECT_RATIO * min(image.size))


def _strip(image: Image, start: int) -> Image:
    width, height = (min(length, MAX_ASPECT_RATIO * min(image.size)) for length in image.size)
    if (width, height) == image.size:
        return image
    left, top = (start, 0) if image.width > image.height else (0, start)
    return image.crop((left, top, left + width, top + height))


def apply_seeded(transform: Transform, image: Image, key: tuple[int, ...]) -> Tensor:
    """Applies a random transform reproducibly. key: determines the random numbers, such as (seed, epoch, row)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(digest(repr(key), 15), 16))
        return transform(image)
