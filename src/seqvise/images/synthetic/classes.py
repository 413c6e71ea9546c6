"""Classes of the built-in pictures: things combined with qualities that several things share."""

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
        quality: a pattern, a colour, or an additional part.
    """

    quality: str
    thing: str

    @property
    def name(self) -> str:
        """The class's word in the text and its folder name, such as ``sail_boat``."""
        return f"{self.quality}_{self.thing}"


CLASSES = tuple(
    PictureClass(quality, thing)
    for qualities, things in ((PATTERNS, PATTERNED), (PARTS, BODIES), (COLOURS, COLOURED))
    for thing in things
    for quality in qualities
)
"""All 44 combinations of qualities and things within each group."""

NAMES = tuple(sorted(picture_class.name for picture_class in CLASSES))
