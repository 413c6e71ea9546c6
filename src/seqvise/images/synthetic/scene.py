"""Built-in pictures: background, clutter, and one object at a random position."""

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
from seqvise.progress_bar import counting

if TYPE_CHECKING:
    from PIL.Image import Image


SIDE = 64
SUPERSAMPLING = 4
"""Factor by which pictures are drawn larger and then downscaled."""


def draw_picture(picture_class: PictureClass, seed: str) -> Image:
    """Draws a picture of 64 by 64 pixels in mode RGB; the same seed draws the same picture."""
    from PIL import Image

    dice = Dice(f"{picture_class.name} {seed}")
    side = SIDE * SUPERSAMPLING
    image = Image.new("RGB", (side, side))
    _background(image, dice)
    for _ in range(dice.pick(range(3, 8))):
        _clutter(image, muted(dice) if dice.chance(0.7) else any_colour(dice), dice)
    _draw(Brush(image, _placement(side, dice)), picture_class, dice)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _draw(brush: Brush, picture_class: PictureClass, dice: Dice) -> None:
    if picture_class.thing in PATTERNED:
        draw_patterned(brush, picture_class.thing, picture_class.quality, dice)
    elif picture_class.thing in BODIES:
        draw_vehicle(brush, picture_class.thing, picture_class.quality, dice)
    else:
        draw_coloured(brush, picture_class.thing, picture_class.quality, dice)


def _placement(side: int, dice: Dice) -> Placement:
    """A random placement with nearly all of the object inside the picture, slightly rotated."""
    size = side * dice.between(0.28, 0.42)
    room = side / 2 - 0.9 * size
    centre = (side / 2 + dice.between(-room, room), side / 2 + dice.between(-room, room))
    return Placement(centre, size, math.radians(dice.between(-18, 18)), dice.chance(0.5))


def _background(image: Image, dice: Dice) -> None:
    """Draws a vertical gradient between muted colours, with a horizon in half of the pictures."""
    from PIL import Image

    top, bottom = muted(dice), muted(dice)
    slope = Image.linear_gradient("L").resize(image.size)
    image.paste(bottom, box=(0, 0, *image.size))
    image.paste(top, mask=slope.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    if dice.chance(0.5):
        horizon = round(image.height * dice.between(0.45, 0.8))
        image.paste(muted(dice), box=(0, horizon, image.width, image.height))


def _clutter(image: Image, paint: Colour, dice: Dice) -> None:
    """Draws a small distracting shape."""
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
"""Version of the pictures; increase it with every change to them."""
PICTURES_PER_CLASS = {"train": 40, "valid": 10, "test": 10}
"""Part -> number of pictures per class."""


def pictures_folder(cache: Path, seed: int) -> Path:
    """The folder for the pictures of a seed: ``cache/pictures/<hash>``."""
    return cache / "pictures" / digest(json.dumps([FORMAT, PICTURES_PER_CLASS, seed]))


def draw_set(cache: Path, seed: int) -> Path:
    """Draws the pictures into their folder, unless it exists, and returns the folder."""
    folder = pictures_folder(cache, seed)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            with atomic_folder(folder) as temporary, counting("drawing", "pictures") as count:
                size = sum(PICTURES_PER_CLASS.values())
                for index, picture_class in enumerate(CLASSES, 1):
                    _draw_class(temporary, picture_class, seed)
                    count(index * size, len(CLASSES) * size)
    return folder


def _draw_class(root: Path, picture_class: PictureClass, seed: int) -> None:
    for part, count in PICTURES_PER_CLASS.items():
        folder = root / part / picture_class.name
        folder.mkdir(parents=True)
        for number in range(count):
            draw_picture(picture_class, f"{seed} {part} {number}").save(folder / f"{number:03}.png")
