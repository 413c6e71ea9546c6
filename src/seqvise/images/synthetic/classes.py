"""What the built-in pictures show: things, each with a quality that other things have too."""

from __future__ import annotations

from dataclasses import dataclass

PATTERNS = ("checkered", "dotted", "striped", "zigzag")
PATTERNED = ("cup", "fish", "hat", "kite")
PARTS = ("engine", "sail", "wheel", "wing")
BODIES = ("boat", "chair", "house", "sled")
COLOURS = ("blue", "red", "yellow")
COLOURED = ("bird", "flower", "mushroom", "star")


@dataclass(frozen=True)
class PictureClass:
    """A kind of object.

    Attributes:
        quality: a pattern, a colour, or a part that the thing has in addition to its own.
        thing: what it is.
    """

    quality: str
    thing: str

    @property
    def name(self) -> str:
        """One word of the text and the name of a folder: ``sail_boat``."""
        return f"{self.quality}_{self.thing}"


CLASSES = tuple(
    PictureClass(quality, thing)
    for qualities, things in ((PATTERNS, PATTERNED), (PARTS, BODIES), (COLOURS, COLOURED))
    for thing in things
    for quality in qualities
)
"""Every quality of a group with every thing of it, 44 in all."""

NAMES = tuple(sorted(one.name for one in CLASSES))
