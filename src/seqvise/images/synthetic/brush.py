"""Drawing in an object's coordinates, from -1 to 1 with x to the right and y downwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqvise.images.synthetic.colours import Colour

if TYPE_CHECKING:
    from PIL.Image import Image

Point = tuple[float, float]
Points = Sequence[Point]

SMALL_WIDTH = 0.15
"""Ovals up to this width are drawn with fewer corners."""


@dataclass(frozen=True)
class Placement:
    """Position, size and orientation of an object in a picture.

    Attributes:
        centre: position in pixels.
        size: pixels per unit of the object's coordinates.
        angle: clockwise rotation in radians.
        mirrored: whether left and right are swapped.
    """

    centre: Point
    size: float
    angle: float = 0.0
    mirrored: bool = False

    def pixels(self, points: Points) -> list[Point]:
        """Converts points from the object's coordinates to pixels."""
        (left, top), side = self.centre, -1 if self.mirrored else 1
        cos, sin = self.size * math.cos(self.angle), self.size * math.sin(self.angle)
        return [(left + side * cos * x - sin * y, top + side * sin * x + cos * y) for x, y in points]


class Brush:
    """Draws on an image in an object's coordinates.

    Args:
        image: in mode RGB, at a multiple of the final size for antialiasing.
    """

    def __init__(self, image: Image, placement: Placement) -> None:
        from PIL import ImageDraw

        self.image, self.placement = image, placement
        self._draw = ImageDraw.Draw(image)

    def shape(self, points: Points, fill: Colour, edge: Colour | None = None, width: float = 0.05) -> None:
        """Draws a filled polygon, with an outline if ``edge`` is given."""
        self._draw.polygon(self.placement.pixels(points), fill=fill)
        if edge is not None:
            self.line([*points, points[0]], edge, width)

    def line(self, points: Points, fill: Colour, width: float = 0.05) -> None:
        """Draws a line with round ends. width: in the object's coordinates."""
        thick = max(1, round(width * self.placement.size))
        pixels = self.placement.pixels(points)
        self._draw.line(pixels, fill=fill, width=thick, joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=fill)

    def fill_pattern(self, points: Points, pattern: Sequence[Points], fill: Colour) -> None:
        """Draws the polygons of ``pattern``, clipped to the polygon ``points``."""
        from PIL import Image, ImageChops, ImageDraw

        mask = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(mask)
        for polygon in pattern:
            draw.polygon(self.placement.pixels(polygon), fill=255)
        outline = Image.new("L", self.image.size)
        ImageDraw.Draw(outline).polygon(self.placement.pixels(points), fill=255)
        self.image.paste(fill, mask=ImageChops.darker(mask, outline))


def oval(x: float, y: float, width: float, height: float | None = None, start: float = 0, end: float = 360) -> Points:
    """Points of an ellipse, or of an arc between two angles, in degrees clockwise from the right.

    Args:
        width, height: half of its extent; without a height it is a circle.
    """
    steps = max(8, round(abs(end - start) / (9 if width > SMALL_WIDTH else 22)))
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + width * math.cos(a), y + (width if height is None else height) * math.sin(a)) for a in angles]


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """The corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rotated(points: Points, angle: float, about: Point = (0, 0)) -> Points:
    """Points rotated clockwise. angle: in degrees."""
    return Placement(about, 1, math.radians(angle)).pixels([(x - about[0], y - about[1]) for x, y in points])


def moved(points: Points, x: float, y: float, scale: float = 1, mirrored: bool = False) -> Points:
    """Points scaled, optionally mirrored, then translated."""
    return [(x + scale * (-px if mirrored else px), y + scale * py) for px, py in points]
