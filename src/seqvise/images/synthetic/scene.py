"""A whole built-in picture: background, clutter, and one object somewhere on it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.dice import Dice
from seqvise.files import atomic_folder, digest, locked
from seqvise.images.synthetic.brush import Brush, Placement, box, oval
from seqvise.images.synthetic.classes import BODIES, CLASSES, PATTERNED, PictureClass
from seqvise.images.synthetic.colours import Colour, any_colour, muted
from seqvise.images.synthetic.objects import draw_coloured, draw_patterned
from seqvise.images.synthetic.vehicles import draw_vehicle

if TYPE_CHECKING:
    from PIL.Image import Image


SIDE = 64
FINER = 4
"""Drawn so many times larger, and then reduced."""


def draw_picture(shown: PictureClass, seed: str) -> Image:
    """A picture of 64 by 64 pixels in mode RGB; the same seed gives the same picture."""
    from PIL import Image

    dice = Dice(f"{shown.name} {seed}")
    side = SIDE * FINER
    image = Image.new("RGB", (side, side))
    _background(image, dice)
    for _ in range(dice.pick(range(3, 8))):
        _clutter(image, muted(dice) if dice.chance(0.7) else any_colour(dice), dice)
    _draw(Brush(image, _placement(side, dice)), shown, dice)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _draw(brush: Brush, shown: PictureClass, dice: Dice) -> None:
    if shown.thing in PATTERNED:
        draw_patterned(brush, shown.thing, shown.quality, dice)
    elif shown.thing in BODIES:
        draw_vehicle(brush, shown.thing, shown.quality, dice)
    else:
        draw_coloured(brush, shown.thing, shown.quality, dice)


def _placement(side: int, dice: Dice) -> Placement:
    """Anywhere that leaves nearly all of the object in the picture, upright or a little tilted."""
    size = side * dice.between(0.28, 0.42)
    room = side / 2 - 0.9 * size
    centre = (side / 2 + dice.between(-room, room), side / 2 + dice.between(-room, room))
    return Placement(centre, size, math.radians(dice.between(-18, 18)), dice.chance(0.5))


def _background(image: Image, dice: Dice) -> None:
    """From one muted colour at the top to another at the bottom, half of the time with a horizon."""
    from PIL import Image

    top, bottom = muted(dice), muted(dice)
    slope = Image.linear_gradient("L").resize(image.size)
    image.paste(bottom, box=(0, 0, *image.size))
    image.paste(top, mask=slope.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    if dice.chance(0.5):
        horizon = round(image.height * dice.between(0.45, 0.8))
        image.paste(muted(dice), box=(0, horizon, image.width, image.height))


def _clutter(image: Image, paint: Colour, dice: Dice) -> None:
    """A small shape that belongs to nothing."""
    side = image.width
    centre = (dice.between(0, side), dice.between(0, side))
    brush = Brush(image, Placement(centre, side * dice.between(0.04, 0.13), dice.between(0, 2 * math.pi)))
    match dice.pick(("blob", "box", "triangle", "stroke")):
        case "blob":
            brush.shape(oval(0, 0, 1, dice.between(0.5, 1)), paint)
        case "box":
            brush.shape(box(-1, -0.6, 1, 0.6), paint)
        case "triangle":
            brush.shape([(-1, 0.8), (0, -0.9), (1, 0.7)], paint)
        case _:
            brush.line([(-1.8, 0), (0, dice.between(-0.6, 0.6)), (1.8, 0)], paint, 0.25)


FORMAT = 1
"""Changes with anything that changes a picture."""
EACH = {"train": 40, "valid": 10, "test": 10}
"""Pictures of a label, by part."""
COUNT = len(CLASSES) * sum(EACH.values())


def pictures_folder(cache: Path, seed: int) -> Path:
    """Where the pictures of a seed belong: ``cache/pictures/<hash>``."""
    return cache / "pictures" / digest(json.dumps([FORMAT, EACH, seed]))


def draw_set(cache: Path, seed: int) -> Path:
    """The folder of the pictures, drawn into it where it is not there yet."""
    folder = pictures_folder(cache, seed)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            with atomic_folder(folder) as temporary:
                for shown in CLASSES:
                    _draw_class(temporary, shown, seed)
    return folder


def _draw_class(root: Path, shown: PictureClass, seed: int) -> None:
    for part, count in EACH.items():
        folder = root / part / shown.name
        folder.mkdir(parents=True)
        for number in range(count):
            draw_picture(shown, f"{seed} {part} {number}").save(folder / f"{number:03}.png")
