"""Patterned and coloured things of the built-in pictures."""

from __future__ import annotations

import math
from collections.abc import Callable

from seqvise.dice import Dice
from seqvise.images.synthetic.brush import Brush, Points, oval
from seqvise.images.synthetic.colours import (
    INK,
    WHITE,
    Colour,
    any_colour,
    colour,
    contrasting,
    darker,
    lighter,
    shade_of,
)
from seqvise.images.synthetic.patterns import draw_pattern

Surface = Callable[[Points], None]
"""Fills a polygon with the pattern of the picture."""


def draw_patterned(brush: Brush, thing: str, pattern: str, dice: Dice) -> None:
    """Draws a cup, fish, hat or kite with a pattern."""
    ground, ink = contrasting(dice)
    _PATTERNED[thing](
        brush, lambda points: draw_pattern(brush, points, pattern, ground, ink, dice), darker(ground, 0.55), dice
    )


def draw_coloured(brush: Brush, thing: str, name: str, dice: Dice) -> None:
    """Draws a bird, flower, mushroom or star in a colour. name: the colour's name."""
    _COLOURED[thing](brush, shade_of(name, dice), dice)


def _cup(brush: Brush, surface: Surface, edge: Colour, dice: Dice) -> None:
    low, tall = dice.between(0.42, 0.56), dice.between(0.6, 0.8)
    handle = oval(0.62, 0, 0.3, 0.34)
    brush.line(handle, edge, 0.13)
    body = [(-0.66, -0.6), (0.66, -0.6), (low, tall), (-low, tall)]
    surface(body)
    brush.line([*body, body[0]], edge)
    brush.shape(oval(0, -0.6, 0.66, 0.15), darker(edge, 0.25), edge)


def _fish(brush: Brush, surface: Surface, edge: Colour, dice: Dice) -> None:
    fin = any_colour(dice)
    brush.shape([(0.5, 0), (0.98, -0.42), (0.86, 0), (0.98, 0.42)], fin, edge)
    brush.shape([(-0.2, -0.4), (0.1, -0.72), (0.3, -0.3)], fin, edge)
    body = oval(-0.12, 0, 0.76, dice.between(0.46, 0.56))
    surface(body)
    brush.line([*body, body[0]], edge)
    brush.shape(oval(-0.6, -0.12, 0.13), WHITE, edge, 0.03)
    brush.shape(oval(-0.62, -0.12, 0.06), INK)


def _hat(brush: Brush, surface: Surface, edge: Colour, dice: Dice) -> None:
    brim, band = any_colour(dice), any_colour(dice)
    brush.shape(oval(0, 0.45, 0.98, 0.22), brim, edge)
    half = dice.between(0.48, 0.58)
    crown = [(-half - 0.06, 0.45), *oval(0, -0.25, half, 0.45, 180, 360), (half + 0.06, 0.45)]
    surface(crown)
    brush.line([*crown, crown[0]], edge)
    brush.shape([(-half - 0.06, 0.48), (-half - 0.04, 0.28), (half + 0.04, 0.28), (half + 0.06, 0.48)], band)


def _kite(brush: Brush, surface: Surface, edge: Colour, dice: Dice) -> None:
    tail, wave = any_colour(dice), dice.between(0.07, 0.13)
    string = [(wave * math.sin(9 * step / 12), 0.5 + 0.48 * step / 12) for step in range(13)]
    brush.line(string, edge, 0.04)
    for x, y in string[4::4]:
        brush.shape([(x - 0.13, y - 0.07), (x, y), (x - 0.13, y + 0.07)], tail)
        brush.shape([(x + 0.13, y - 0.07), (x, y), (x + 0.13, y + 0.07)], tail)
    half = dice.between(0.56, 0.7)
    body = [(0, -0.98), (half, -0.3), (0, 0.52), (-half, -0.3)]
    surface(body)
    brush.line([*body, body[0]], edge, 0.06)


def _bird(brush: Brush, coat: Colour, dice: Dice) -> None:
    edge, leg = darker(coat, 0.45), colour(28, 0.8, 0.55)
    for x in (-0.1, 0.12):
        brush.line([(x, 0.4), (x, 0.85), (x - 0.12, 0.85)], leg, 0.05)
    brush.shape([(0.4, 0.05), (0.98, -0.2), (0.92, 0.1)], darker(coat, 0.25), edge)
    brush.shape(oval(0.02, 0.1, 0.56, 0.42), coat, edge)
    brush.shape([(-0.66, -0.42), (-0.98, -0.3), (-0.64, -0.22)], colour(35, 0.9, 0.9), leg, 0.03)
    brush.shape(oval(-0.42, -0.34, 0.3), coat, edge)
    brush.shape(oval(0.14, 0.08, 0.36, 0.24), darker(coat, dice.between(0.15, 0.3)), edge, 0.03)
    brush.shape(oval(-0.5, -0.4, 0.08), WHITE)
    brush.shape(oval(-0.51, -0.4, 0.05), INK)


def _flower(brush: Brush, petal: Colour, dice: Dice) -> None:
    green = colour(dice.between(95, 140), 0.65, dice.between(0.4, 0.65))
    brush.line([(0, -0.2), (dice.between(-0.1, 0.1), 0.5), (0, 0.98)], green, 0.1)
    for side in (-1, 1):
        brush.shape([(0, 0.75), (side * 0.32, 0.42), (side * 0.5, 0.45), (side * 0.34, 0.7)], green)
    count, turn = dice.pick((5, 6, 7)), dice.between(0, 60)
    for index in range(count):
        angle = math.radians(turn + 360 * index / count)
        brush.shape(oval(0.4 * math.cos(angle), -0.32 + 0.4 * math.sin(angle), 0.29), petal, darker(petal, 0.35), 0.03)
    brush.shape(oval(0, -0.32, 0.23), dice.pick((colour(25, 0.7, 0.35), WHITE)), darker(petal, 0.5), 0.03)


def _mushroom(brush: Brush, cap: Colour, dice: Dice) -> None:
    stem, half = colour(40, dice.between(0.05, 0.2), 0.93), dice.between(0.2, 0.3)
    foot = [(-half, 0), (half, 0), (half * 1.25, 0.85), (0, 0.95), (-half * 1.25, 0.85)]
    brush.shape(foot, stem, darker(stem, 0.45), 0.04)
    brush.shape(oval(0, 0.02, 0.78, 0.16), darker(stem, 0.2), darker(stem, 0.45), 0.03)
    hood = oval(0, 0.02, 0.84, dice.between(0.75, 0.95), 180, 360)
    brush.shape(hood, cap, darker(cap, 0.45))
    brush.line(oval(-0.08, 0.02, 0.5, 0.55, 205, 260), lighter(cap), 0.09)


def _star(brush: Brush, light: Colour, dice: Dice) -> None:
    depth = dice.between(0.4, 0.5)
    radii = [0.96 if index % 2 == 0 else depth for index in range(10)]
    angles = [math.radians(36 * index - 90) for index in range(10)]
    points = [(radius * math.cos(a), radius * math.sin(a)) for radius, a in zip(radii, angles, strict=True)]
    brush.shape(points, light, darker(light, 0.4), 0.07)
    for index in range(0, 10, 2):
        brush.shape([points[index], points[(index + 1) % 10], (0, 0)], darker(light, 0.12))


_PATTERNED = {"cup": _cup, "fish": _fish, "hat": _hat, "kite": _kite}
_COLOURED = {"bird": _bird, "flower": _flower, "mushroom": _mushroom, "star": _star}
