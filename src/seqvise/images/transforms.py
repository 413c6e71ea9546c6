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
    steps = [v2.Resize(preset.resize, scale, antialias=True), v2.CenterCrop(preset.crop), v2.PILToTensor()]
    return cast(Transform, v2.Compose(steps))


def training_transform(preset: Preset, augment: AugmentOptions) -> Transform:
    """Random zoom, slight rotation, random crop, mirroring and lighting, drawn from torch's generator.

    fast.ai's ``tfms_from_model(arch, size, transforms_side_on, max_zoom=1.1)``: the shorter side becomes the crop's
    size or up to ``zoom`` times it, and the square is cut from anywhere.
    """
    from torchvision.transforms import v2

    scale = v2.InterpolationMode(preset.interpolation)
    sizes = range(preset.crop, round(preset.crop * augment.zoom) + 1)
    steps = [
        v2.RandomShortestSize(list(sizes), interpolation=scale, antialias=True),
        v2.RandomRotation(augment.rotate, v2.InterpolationMode.BILINEAR),
        v2.RandomCrop(preset.crop),
        v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0),
        v2.ColorJitter(augment.lighting, augment.lighting),
        v2.PILToTensor(),
    ]
    return cast(Transform, v2.Compose(steps))


def drawn(transform: Transform, image: Image, place: tuple[int, ...]) -> Tensor:
    """A random transform's result, the same for the same ``place``, as (seed, epoch, row)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(digest(repr(place), 15), 16))
        return transform(image)
