"""Images made small for a page or a sheet."""

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
    """Why images cannot be drawn here, empty where they can. key: what asks for it, for the message."""
    if find_spec("PIL"):
        return ""
    return f"{key}= needs Pillow, which is not installed: `pip install 'seqvise[images]'`."


def thumbnail(path: Path, size: int) -> Image | None:
    """The image as a person would see it, at most ``size`` pixels wide and high; None where it cannot be read."""
    from PIL import Image

    try:
        small = decode(path)
    except BadImageError:
        return None
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    return small


def enlarged(image: Image, size: int) -> Image:
    """A tiny image so many times larger as fit into ``size`` pixels; others as they are."""
    from PIL import Image

    times = size // max(image.size)
    return image if times < 2 else image.resize((times * image.width, times * image.height), Image.Resampling.BICUBIC)


def inlined(path: Path, size: int) -> str | None:
    """The image as a small JPEG in a ``data:`` address; None where it cannot be read."""
    small = thumbnail(path, size)
    if small is None:
        return None
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
