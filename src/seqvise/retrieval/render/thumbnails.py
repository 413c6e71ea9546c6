"""Thumbnails for pages and contact sheets."""

from __future__ import annotations

import base64
import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.images.decoding import BadImageError, decode

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITY = 80


def pillow_problem(key: str) -> str:
    """The reason why images cannot be drawn; empty if they can. key: the option's name, for the message."""
    if find_spec("PIL"):
        return ""
    return f"{key}= needs Pillow, which is not installed: `pip install 'seqvise[images]'`."


def thumbnail(path: Path, size: int) -> Image | None:
    """The upright image, at most ``size`` pixels wide and high; None if it cannot be read."""
    from PIL import Image

    try:
        image = decode(path)
    except BadImageError:
        return None
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def enlarged(image: Image, size: int) -> Image:
    """Enlarges a tiny image by the largest integer factor that fits into ``size`` pixels; others are unchanged."""
    from PIL import Image

    factor = size // max(image.size)
    return (
        image if factor < 2 else image.resize((factor * image.width, factor * image.height), Image.Resampling.BICUBIC)
    )


def inlined(path: Path, size: int) -> str | None:
    """The image as a small JPEG in a ``data:`` URL; None if it cannot be read."""
    image = thumbnail(path, size)
    if image is None:
        return None
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
