"""From the bytes of an image file to red, green and blue, whatever a person's folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes with more than eight bits a channel."""


class BadImageError(Exception):
    """A file that is no image, or a part of one. Its text is the reason, without the file's name."""


def decode(path: Path) -> Image:
    """The image in mode RGB, as a person would see it.

    Grey, palette and CMYK become RGB; transparent parts lie on white; sixteen bits become eight by their high byte; of
    an animation the first frame is taken; the camera's orientation is followed.

    Raises:
        BadImageError: the file is missing, empty, truncated or no image.
    """
    from PIL import Image

    try:
        if not path.stat().st_size:
            raise BadImageError("the file is empty")
        with Image.open(path) as image:
            image.load()
            return _upright(_as_rgb(image))
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise what their format's parser happens to raise.
        raise BadImageError(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Pillow names the file, which the caller does too.
    return "no image that Pillow knows" if text.startswith("cannot identify image file") else text


def _as_rgb(image: Image) -> Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in WIDE:
        return _eight_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Pillow's own conversion cuts off at 255. Older ones call sixteen bits I, which may also hold eight, as F does."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode.startswith("I;16") or values.max(initial=0) > 255:
        values = values / 256
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _on_white(image: Image) -> Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)
