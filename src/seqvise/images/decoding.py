"""From the bytes of an image file to red, green and blue, whatever a person's folder holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqvise.images.options import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes with more than eight bits a channel."""
STRIP = 1 << 20
"""Pixels that are converted at once."""


class BadImageError(Exception):
    """A file that is no image, or a part of one. Its text is the reason, without the file's name."""


def decode(path: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """The image in mode RGB, as a person would see it.

    Grey, palette and CMYK become RGB; transparent parts lie on white; sixteen bits become eight by their high byte; of
    an animation the first frame is taken; the camera's orientation is followed.

    Args:
        max_pixels: an image of more is read at a half, a third, ... of its width and height.

    Raises:
        BadImageError: the file is missing, empty, truncated or no image.
    """
    from PIL import Image

    try:
        if not path.stat().st_size:
            raise BadImageError("the file is empty")
        with Image.open(path) as image:
            factor = _factor(image, max_pixels)
            if factor > 1:
                image.draft(None, (image.width // factor, image.height // factor))  # JPEG alone can skip detail
                factor = _factor(image, max_pixels)
            image.load()
            return _upright(_as_rgb(image) if factor == 1 else _reduced(image, factor))
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise what their format's parser happens to raise.
        raise BadImageError(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Pillow names the file, which the caller does too.
    return "no image that Pillow knows" if text.startswith("cannot identify image file") else text


def _factor(image: Image, max_pixels: int) -> int:
    return math.ceil(math.sqrt(image.width * image.height / max_pixels))


def _reduced(image: Image, factor: int) -> Image:
    """The image in mode RGB, each pixel the mean of ``factor`` x ``factor``; read in strips, to spare memory."""
    from PIL import Image

    size = (math.ceil(image.width / factor), math.ceil(image.height / factor))
    small = Image.new("RGB", size)
    small.info = dict(image.info)
    wide = _is_wide(image)
    for top, strip in _strips(image, factor):
        small.paste(_as_rgb(strip, wide).reduce(factor), (0, top // factor))
    return small


def _strips(image: Image, rows: int = 1) -> Iterator[tuple[int, Image]]:
    """Pieces of about a million pixels, with the row that each begins in. rows: each has a multiple of so many."""
    height = rows * max(1, STRIP // (image.width * rows))
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def _as_rgb(image: Image, wide: bool | None = None) -> Image:
    """wide: see ``_is_wide``; None finds out."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in WIDE:
        return _eight_bits(image, _is_wide(image) if wide is None else wide).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _is_wide(image: Image) -> bool:
    """Whether a channel holds sixteen bits. Older Pillows call them I, which may also hold eight, as F does."""
    if image.mode not in WIDE or image.mode.startswith("I;16"):
        return image.mode in WIDE
    return any(bool((np.asarray(strip) > 255).any()) for _, strip in _strips(image))


def _eight_bits(image: Image, wide: bool) -> Image:
    """Pillow's own conversion cuts off at 255."""
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


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)
