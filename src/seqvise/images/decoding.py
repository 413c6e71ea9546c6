"""Decoding of image files of any format and mode to RGB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqvise.images.options import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes with more than eight bits per channel."""
STRIP_PIXELS = 1 << 20
"""Number of pixels converted at once."""


class BadImageError(Exception):
    """A file is not an image, or truncated. The message is the reason, without the file's name."""


def decode(path: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """Decodes an image to mode RGB, upright.

    Grey, palette and CMYK images are converted to RGB, transparency is composited on white, and 16-bit channels are
    reduced to their high byte. The first frame of an animation is used. The EXIF orientation is applied.

    Args:
        max_pixels: larger images are reduced to a half, a third, ... of their width and height.

    Raises:
        BadImageError: the file is missing, empty, truncated or not an image.
    """
    from PIL import Image, ImageOps

    try:
        if not path.stat().st_size:
            raise BadImageError("the file is empty")
        with Image.open(path) as image:
            factor = _factor(image, max_pixels)
            if factor > 1:
                image.draft(None, (image.width // factor, image.height // factor))  # only JPEG supports this
                factor = _factor(image, max_pixels)
            image.load()
            return ImageOps.exif_transpose(_as_rgb(image) if factor == 1 else _reduced(image, factor))
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of any type.
        raise BadImageError(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Pillow's message contains the file name, which the caller adds, too.
    return "not an image format that Pillow supports" if text.startswith("cannot identify image file") else text


def _factor(image: Image, max_pixels: int) -> int:
    return math.ceil(math.sqrt(image.width * image.height / max_pixels))


def _reduced(image: Image, factor: int) -> Image:
    """The image in mode RGB, downscaled by averaging ``factor`` x ``factor`` pixels, in strips to save memory."""
    from PIL import Image

    size = (math.ceil(image.width / factor), math.ceil(image.height / factor))
    small = Image.new("RGB", size)
    small.info = dict(image.info)
    wide = _is_wide(image)
    for top, strip in _strips(image, factor):
        small.paste(_as_rgb(strip, wide).reduce(factor), (0, top // factor))
    return small


def _strips(image: Image, rows: int = 1) -> Iterator[tuple[int, Image]]:
    """Yields (first row, strip) for strips of about a million pixels. rows: a strip's height is a multiple of this."""
    height = rows * max(1, STRIP_PIXELS // (image.width * rows))
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def _as_rgb(image: Image, wide: bool | None = None) -> Image:
    """Converts an image to mode RGB. wide: see ``_is_wide``; None to determine it."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in WIDE_MODES:
        return _eight_bits(image, _is_wide(image) if wide is None else wide).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _is_wide(image: Image) -> bool:
    """Whether channels have 16 bits. Older Pillow versions use mode I for these, which may also have 8, like F."""
    if image.mode not in WIDE_MODES or image.mode.startswith("I;16"):
        return image.mode in WIDE_MODES
    return any(bool((np.asarray(strip) > 255).any()) for _, strip in _strips(image))


def _eight_bits(image: Image, wide: bool) -> Image:
    """Converts wide channels to 8 bits; Pillow's conversion would clip at 255."""
    from PIL import Image

    grey = Image.new("L", image.size)
    grey.info = dict(image.info)
    for top, strip in _strips(image):
        values = np.asarray(strip)
        if values.dtype.kind == "f":
            values = np.nan_to_num(values) / (256 if wide else 1)
        elif wide:
            values = values >> 8
        grey.paste(Image.fromarray(values.clip(0, 255).astype(np.uint8)), (0, top))
    return grey


def _on_white(image: Image) -> Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
