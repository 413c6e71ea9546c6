"""Boats, chairs, houses and sleds of the built-in pictures, with an engine, a sail, wheels or wings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqvise.dice import Dice
from seqvise.images.synthetic.brush import Brush, Point, box, moved, oval
from seqvise.images.synthetic.colours import INK, WHITE, Colour, any_colour, colour, darker, lighter

EDGE = 0.05

WING = (
    *((0, 0.12), (0.25, 0.06), (0.3, -0.06), (0.45, -0.16), (0.46, -0.28)),
    *((0.58, -0.42), (0.56, -0.72), (0.3, -0.62), (0.1, -0.35), (0, -0.1)),
)
"""The outline of a right wing from its root."""
FEATHERS = (((0.08, -0.08), (0.28, -0.02)), ((0.14, -0.25), (0.44, -0.2)), ((0.25, -0.42), (0.52, -0.42)))


@dataclass(frozen=True)
class Joints:
    """Attachment points of parts on a body.

    Attributes:
        mast: the foot of a sail's mast.
        shoulders: the roots of the left and the right wing.
        axles: the centres of the wheels.
        stern: the front end of an engine.
    """

    mast: Point
    shoulders: tuple[Point, Point]
    axles: tuple[Point, Point]
    stern: Point


JOINTS = {
    "boat": Joints((0.0, 0.3), ((-0.45, 0.2), (0.45, 0.2)), ((-0.4, 0.72), (0.4, 0.72)), (0.6, 0.12)),
    "chair": Joints((-0.02, 0.1), ((-0.38, -0.15), (0.4, -0.05)), ((-0.34, 0.8), (0.36, 0.8)), (0.42, 0.3)),
    "house": Joints((0.0, -0.1), ((-0.5, 0.15), (0.5, 0.15)), ((-0.36, 0.8), (0.36, 0.8)), (0.54, 0.45)),
    "sled": Joints((-0.05, 0.25), ((-0.5, 0.15), (0.45, 0.15)), ((-0.28, 0.74), (0.46, 0.74)), (0.45, 0.05)),
}


def draw_vehicle(brush: Brush, body: str, part: str, dice: Dice) -> None:
    """Draws a body with a part: wings and sails behind it, wheels and engines in front."""
    joints, behind = JOINTS[body], part in ("sail", "wing")
    if behind:
        _PARTS[part](brush, joints, dice)
    _BODIES[body](brush, any_colour(dice), dice)
    if not behind:
        _PARTS[part](brush, joints, dice)


def _boat(brush: Brush, paint: Colour, dice: Dice) -> None:
    depth, bow = dice.between(0.62, 0.75), dice.between(-0.98, -0.86)
    hull = [(bow, 0.14), (-0.7, 0.24), (0.82, 0.24), (0.62, depth), (-0.52, depth)]
    brush.shape(hull, paint, darker(paint, 0.5), EDGE)
    brush.line([(-0.66, 0.36), (0.74, 0.36)], lighter(paint, 0.6), 0.07)


def _chair(brush: Brush, paint: Colour, dice: Dice) -> None:
    edge, high = darker(paint, 0.5), dice.between(-0.75, -0.6)
    for x in (-0.3, 0.34):
        brush.line([(x, 0.25), (x * 1.15, 0.85)], edge, 0.1)
    brush.shape(box(-0.46, high, -0.28, 0.3), paint, edge, EDGE)
    brush.shape(box(-0.46, 0.12, 0.5, 0.34), paint, edge, EDGE)
    brush.line([(-0.37, high), (-0.37, 0.05)], lighter(paint, 0.4), 0.05)


def _house(brush: Brush, paint: Colour, dice: Dice) -> None:
    wall, roof = lighter(paint, 0.55), any_colour(dice)
    brush.shape(box(-0.58, 0.04, 0.58, 0.74), wall, darker(paint, 0.4), EDGE)
    gable = [(-0.78, 0.08), (0, dice.between(-0.46, -0.36)), (0.78, 0.08)]
    brush.shape(gable, darker(roof, 0.2), darker(roof, 0.6), EDGE)
    side = dice.pick((-1, 1))
    door = (0.08, 0.4) if side > 0 else (-0.4, -0.08)
    brush.shape(box(door[0], 0.26, door[1], 0.74), darker(paint, 0.45), darker(paint, 0.7), 0.03)
    pane = (-0.42, -0.08) if side > 0 else (0.08, 0.42)
    brush.shape(box(pane[0], 0.22, pane[1], 0.5), colour(200, 0.25, 0.95), darker(paint, 0.6), 0.04)


def _sled(brush: Brush, paint: Colour, dice: Dice) -> None:
    edge, curl = darker(paint, 0.5), dice.between(0.16, 0.24)
    runner = [(0.86, 0.66), (-0.62, 0.66), *oval(-0.62, 0.66 - curl, curl * 1.5, curl, 90, 230)]
    brush.line(runner, edge, 0.1)
    for x in (-0.4, 0.1, 0.6):
        brush.line([(x, 0.3), (x, 0.64)], edge, 0.08)
    brush.shape(box(-0.68, 0.16, 0.84, 0.34), paint, edge, EDGE)
    brush.line([(-0.6, 0.25), (0.76, 0.25)], lighter(paint, 0.4), 0.04)


def _engine(brush: Brush, joints: Joints, dice: Dice) -> None:
    x, y = joints.stern
    metal = colour(dice.between(190, 230), dice.between(0, 0.1), dice.between(0.4, 0.6))
    flame = dice.between(0.28, 0.42)
    brush.shape([(x + 0.18, y - 0.15), (x + 0.18 + flame, y), (x + 0.18, y + 0.15)], colour(22, 0.95, 0.95))
    brush.shape([(x + 0.18, y - 0.08), (x + 0.18 + flame * 0.6, y), (x + 0.18, y + 0.08)], colour(52, 0.85, 1))
    brush.shape(box(x - 0.34, y - 0.2, x + 0.1, y + 0.2), metal, darker(metal, 0.55), EDGE)
    nozzle = [(x + 0.1, y - 0.12), (x + 0.22, y - 0.18), (x + 0.22, y + 0.18), (x + 0.1, y + 0.12)]
    brush.shape(nozzle, darker(metal, 0.4))
    for bar in (-0.24, -0.12, 0.0):
        brush.line([(x + bar, y - 0.12), (x + bar, y + 0.12)], darker(metal, 0.6), 0.04)
    brush.line([(x - 0.22, y - 0.2), (x - 0.22, y - 0.36), (x - 0.1, y - 0.36)], darker(metal, 0.4), 0.08)


def _sail(brush: Brush, joints: Joints, dice: Dice) -> None:
    x, foot = joints.mast
    cloth = lighter(any_colour(dice), dice.between(0.55, 0.9)) if dice.chance(0.6) else WHITE
    top, low, edge = -1.0, min(foot - 0.3, -0.02), darker(cloth, 0.4)
    brush.line([(x, foot), (x, top)], colour(28, 0.5, 0.4), 0.07)
    right, left = x + dice.between(0.6, 0.75), x - dice.between(0.38, 0.5)
    bulge = (x + 0.42, (top + low) / 2 - 0.05)
    brush.shape([(x + 0.05, top + 0.02), bulge, (right, low), (x + 0.05, low)], cloth, edge, 0.04)
    brush.shape([(x - 0.05, top + 0.2), (x - 0.05, low), (left, low)], darker(cloth, 0.08), edge, 0.04)


def _wheel(brush: Brush, joints: Joints, dice: Dice) -> None:
    radius, spokes = dice.between(0.2, 0.25), dice.pick((2, 3))
    rubber, hub = colour(0, 0, dice.between(0.1, 0.22)), colour(0, 0, dice.between(0.7, 0.9))
    for x, y in joints.axles:
        brush.shape(oval(x, y, radius), rubber)
        brush.shape(oval(x, y, radius * 0.62), hub)
        for index in range(spokes):
            a = math.pi * index / spokes + 0.4
            dx, dy = radius * 0.6 * math.cos(a), radius * 0.6 * math.sin(a)
            brush.line([(x - dx, y - dy), (x + dx, y + dy)], INK, 0.035)


def _wing(brush: Brush, joints: Joints, dice: Dice) -> None:
    white = colour(dice.between(30, 60), dice.between(0, 0.12), dice.between(0.9, 1))
    rise, edge = dice.between(-0.1, 0.12), darker(white, 0.4)
    lifted = [(x, y - rise * x) for x, y in WING]
    for root, mirrored in zip(joints.shoulders, (True, False), strict=True):
        brush.shape(moved(lifted, *root, scale=0.95, mirrored=mirrored), white, edge, EDGE)
        for feather in FEATHERS:
            brush.line(moved(feather, *root, scale=0.95, mirrored=mirrored), edge, 0.035)


_BODIES = {"boat": _boat, "chair": _chair, "house": _house, "sled": _sled}
_PARTS = {"engine": _engine, "sail": _sail, "wheel": _wheel, "wing": _wing}
