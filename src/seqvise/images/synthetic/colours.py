"""Colours of the built-in pictures: shades of the named colours, and random others."""

from __future__ import annotations

import colorsys

from seqvise.dice import Dice

Colour = tuple[int, int, int]

HUES = {"red": (-10, 6), "yellow": (46, 57), "blue": (205, 240)}
"""Hue ranges in degrees of the colours that name classes."""
DARKEST = {"red": 0.72, "yellow": 0.86, "blue": 0.65}
"""Minimum HSV value: below it, red is brown and yellow is olive."""

WHITE, INK = (246, 244, 238), (38, 36, 42)


def colour(hue: float, saturation: float, value: float) -> Colour:
    """Converts HSV to RGB. hue: in degrees; saturation, value: from 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def shade_of(name: str, dice: Dice) -> Colour:
    """A random shade of a named colour."""
    return colour(dice.between(*HUES[name]), dice.between(0.7, 0.95), dice.between(DARKEST[name], 1))


def any_colour(dice: Dice) -> Colour:
    """A random saturated colour."""
    return colour(dice.between(0, 360), dice.between(0.45, 0.9), dice.between(0.5, 0.95))


def muted(dice: Dice) -> Colour:
    """A random unsaturated colour for backgrounds."""
    return colour(dice.between(0, 360), dice.between(0.05, 0.35), dice.between(0.4, 0.95))


def contrasting(dice: Dice) -> tuple[Colour, Colour]:
    """A pale and a saturated colour, in random order."""
    hue = dice.between(0, 360)
    pale = colour(hue + dice.between(60, 300), dice.between(0.02, 0.25), dice.between(0.88, 1))
    strong = colour(hue, dice.between(0.65, 0.95), dice.between(0.3, 0.7))
    return (pale, strong) if dice.chance(0.6) else (strong, pale)


def darker(base: Colour, share: float = 0.3) -> Colour:
    """The colour blended with black. share: of black."""
    return _towards(base, (0, 0, 0), share)


def lighter(base: Colour, share: float = 0.35) -> Colour:
    """The colour blended with white. share: of white."""
    return _towards(base, (255, 255, 255), share)


def _towards(base: Colour, target_colour: Colour, share: float) -> Colour:
    red, green, blue = (
        round(channel + (target - channel) * share) for channel, target in zip(base, target_colour, strict=True)
    )
    return red, green, blue
