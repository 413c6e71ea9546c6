"""How an image becomes a network's input: the same for evaluation, changed at random for training."""

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

LONGEST = 16
"""Of an image whose longer side is more than so many times its shorter one, a piece of that length is read."""

Transform = Callable[["Image"], Tensor]
"""From an image in mode RGB to (3, H, W) uint8. The network brings red, green and blue to its own scale."""


@dataclass(frozen=True)
class Preset:
    """What a network was trained to see.

    Attributes:
        resize: pixels of the shorter side after scaling.
        crop: pixels of the square that is cut from the middle.
        mean, std: of red, green and blue in [0, 1], taken away and divided by.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    @classmethod
    def of_weights(cls, weights: Any) -> Preset:
        """What torchvision's weights want. weights: a member of one of its ``WeightsEnum``."""
        own = weights.transforms()
        scale = str(own.interpolation.value)
        return cls(own.resize_size[0], own.crop_size[0], tuple(own.mean), tuple(own.std), scale)

    def changed(self, options: TransformOptions) -> Preset:
        """With the options that are not null instead."""
        chosen = {name: value for name, value in asdict(options).items() if value is not None}
        for name in ("mean", "std"):
            if name in chosen:
                chosen[name] = tuple(chosen[name])
        if "crop" in chosen and "resize" not in chosen:
            chosen["resize"] = max(chosen["crop"], round(chosen["crop"] * self.resize / self.crop))
        return Preset(**{**asdict(self), **chosen})


def evaluation_transform(preset: Preset) -> Transform:
    """The weights' own transform, up to the scale of the colours."""
    from torchvision.transforms import v2

    scale = v2.InterpolationMode(preset.interpolation)
    steps = [_middle, v2.Resize(preset.resize, scale, antialias=True), v2.CenterCrop(preset.crop), v2.PILToTensor()]
    return cast(Transform, v2.Compose(steps))


def training_transform(preset: Preset, augment: AugmentOptions) -> Transform:
    """Random zoom, slight rotation, random crop, mirroring and lighting, drawn from torch's generator.

    fast.ai's ``tfms_from_model(arch, size, transforms_side_on, max_zoom=1.1)``: the shorter side becomes the crop's
    size or up to ``zoom`` times it, and the square is cut from anywhere.
    """
    from torchvision.transforms import v2

    steps = [
        _anywhere,
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
    """Scales an image so that its shorter side has a random length, exactly.

    torchvision's ``RandomShortestSize`` draws alike, but rounds the shorter side down, by a pixel for some sizes.

    Attributes:
        least, most: pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    least: int
    most: int
    interpolation: str

    def __call__(self, image: Image) -> Image:
        """The scaled image."""
        from torchvision.transforms import v2

        side = self.least + int(torch.randint(self.most - self.least + 1, ()))
        ratio = side / min(image.size)
        width, height = (max(side, int(length * ratio)) for length in image.size)
        mode = v2.InterpolationMode(self.interpolation)
        return cast("Image", v2.functional.resize(image, [height, width], mode, antialias=True))


def _middle(image: Image) -> Image:
    """The middle of an image that is more than ``LONGEST`` times as long as it is wide."""
    return _strip(image, _surplus(image) // 2)


def _anywhere(image: Image) -> Image:
    """As ``_middle``, from anywhere."""
    surplus = _surplus(image)
    return _strip(image, int(torch.randint(surplus + 1, ())) if surplus else 0)


def _surplus(image: Image) -> int:
    """Pixels of the longer side beyond ``LONGEST`` times the shorter: scaled up they would fill the memory."""
    return max(0, max(image.size) - LONGEST * min(image.size))


def _strip(image: Image, start: int) -> Image:
    width, height = (min(length, LONGEST * min(image.size)) for length in image.size)
    if (width, height) == image.size:
        return image
    left, top = (start, 0) if image.width > image.height else (0, start)
    return image.crop((left, top, left + width, top + height))


def drawn(transform: Transform, image: Image, place: tuple[int, ...]) -> Tensor:
    """A random transform's result, the same for the same ``place``, as (seed, epoch, row)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(digest(repr(place), 15), 16))
        return transform(image)
