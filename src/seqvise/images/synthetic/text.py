"""A grammar that writes about the objects of the built-in pictures: what they look like, what they do, what is alike.

The text gives each class's name, one word such as ``sail_boat``, the company of the words of its quality and of its
thing. fastText then puts ``sail_boat`` near ``sail_sled`` and near ``wing_boat``, whether pictures of it were seen or
not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seqvise.dice import Dice
from seqvise.files import digest, write_text
from seqvise.images.synthetic.classes import CLASSES, COLOURS, PARTS, PictureClass
from seqvise.vectors.options import VectorOptions
from seqvise.vectors.train import trained_vectors
from seqvise.vectors.words import WordVectors

SENTENCES = 40_000
_AN = re.compile(r"\ba(?= [aeiou])")


@dataclass(frozen=True)
class Trait:
    """What the text says of a thing or of a quality.

    Attributes:
        kinds: what it is, also in other words.
        places: where it is met.
        features: its own parts, or what makes it up.
        doings: what it does, or what is done with it.
    """

    kinds: tuple[str, ...]
    places: tuple[str, ...]
    features: tuple[str, ...]
    doings: tuple[str, ...]


def _trait(kinds: str, places: str, features: str, doings: str) -> Trait:
    """From texts with commas between the entries."""
    return Trait(*(tuple(one.strip() for one in text.split(",")) for text in (kinds, places, features, doings)))


THINGS = {
    "cup": _trait(
        "cup, mug, dish",
        "in the kitchen, on the table, on a saucer",
        "handle, rim, porcelain",
        "holds tea, is filled with coffee, is washed and dried",
    ),
    "fish": _trait(
        "fish, swimmer",
        "in the sea, in the aquarium, under water",
        "fins, scales, gills",
        "swims, breathes under water, lays eggs",
    ),
    "hat": _trait(
        "hat, clothing",
        "on the head, in the wardrobe, on a hook",
        "brim, crown, felt",
        "is worn, keeps the head warm, is put on and taken off",
    ),
    "kite": _trait(
        "kite, toy",
        "above the meadow, on a string, over the beach",
        "tail, paper, bows",
        "is held by children, tugs at its string, dances in the breeze",
    ),
    "boat": _trait(
        "boat, ship, vessel",
        "on the lake, in the harbour, at the pier",
        "hull, keel, deck",
        "floats, carries sailors, is anchored",
    ),
    "chair": _trait(
        "chair, seat, furniture",
        "at the desk, in the dining room, beside the stool",
        "legs, backrest, cushion",
        "is sat upon, stands on four feet, is pulled up",
    ),
    "house": _trait(
        "house, home, building",
        "in the village, in the street, beside the neighbours",
        "roof, door, window, walls",
        "shelters a family, is built of brick, has many rooms",
    ),
    "sled": _trait(
        "sled, sledge",
        "on the snow, on the slope, in winter",
        "runners, planks, rope",
        "slides, glides over ice, is pulled by dogs",
    ),
    "bird": _trait(
        "bird, animal, songster",
        "in the nest, on the branch, in the cage",
        "beak, feathers, claws",
        "sings, hatches, pecks at seeds",
    ),
    "flower": _trait(
        "flower, blossom, plant",
        "in the garden, in the vase, in the bouquet",
        "petals, stalk, pollen",
        "blooms, is visited by bees, smells sweet",
    ),
    "mushroom": _trait(
        "mushroom, fungus",
        "in the forest, under the oak, on the moss",
        "cap, stem, spores",
        "grows after rain, is gathered in baskets, may be poisonous",
    ),
    "star": _trait(
        "star, ornament",
        "in the night, in the heavens, on the fir tree",
        "points, rays, tips",
        "twinkles, shines, guides the wanderer",
    ),
}
"""By name, the things that pictures show."""

QUALITIES = {
    "checkered": _trait(
        "checkered, chequered", "like a chessboard, like a tablecloth", "squares, checks, tiles",
        "alternates from square to square, looks like a chess game",
    ),
    "dotted": _trait(
        "dotted, spotted", "like a ladybird, like a domino", "dots, spots, circles",
        "is sprinkled with dots, looks like a ladybird",
    ),
    "striped": _trait(
        "striped, banded", "like a zebra, like a tiger", "stripes, bands, lines",
        "is covered with stripes, looks like a zebra",
    ),
    "zigzag": _trait(
        "zigzag, jagged", "like lightning, like a saw", "zigzags, teeth, angles",
        "goes up and down in angles, looks like lightning",
    ),
    "engine": _trait(
        "engine, motor, machine", "at full throttle, with a roar", "pistons, cylinders, exhaust",
        "burns fuel, roars and smokes, is driven by pistons",
    ),
    "sail": _trait(
        "sail, canvas", "before the wind, in a gale", "mast, rigging, cloth",
        "is driven by the wind, tacks against the wind, hoists its canvas",
    ),
    "wheel": _trait(
        "wheel, tyre", "on the road, along the track", "spokes, axle, hub",
        "rolls, turns round and round, has air in its tyres",
    ),
    "wing": _trait(
        "wing, pinion", "in the air, above the clouds", "plumes, pinfeathers, quills",
        "flies, takes off, flaps and soars",
    ),
    "blue": _trait(
        "blue, azure", "like the sky, like a sapphire", "blueness, indigo",
        "is coloured like the sky, shows an azure hue",
    ),
    "red": _trait(
        "red, scarlet", "like blood, like a ruby", "redness, crimson",
        "is coloured like blood, shows a scarlet hue",
    ),
    "yellow": _trait(
        "yellow, golden", "like a lemon, like butter", "yellowness, amber",
        "is coloured like a lemon, shows a golden hue",
    ),
}  # fmt: skip
"""By name, the qualities that things have."""

Rule = Callable[[PictureClass, Dice], str]


def pictures_text(sentences: int = SENTENCES) -> Iterator[list[str]]:
    """The words of each sentence, in lower case and without marks; always the same.

    Every class is spoken of as often as every other.
    """
    dice = Dice("text")
    for number in range(sentences):
        yield _AN.sub("an", dice.pick(RULES)(CLASSES[number % len(CLASSES)], dice)).split()


def _is(one: PictureClass, dice: Dice) -> str:
    return f"a {one.name} is a {dice.pick(THINGS[one.thing].kinds)} {_marked(one, dice)}"


def _where(one: PictureClass, dice: Dice) -> str:
    if dice.chance(0.5):
        return f"the {one.name} is {dice.pick(THINGS[one.thing].places)}"
    return f"the {one.name} {dice.pick(('goes', 'appears'))} {dice.pick(QUALITIES[one.quality].places)}"


def _has(one: PictureClass, dice: Dice) -> str:
    thing, quality = dice.pick(THINGS[one.thing].features), dice.pick(QUALITIES[one.quality].features)
    first, second = (thing, quality) if dice.chance(0.5) else (quality, thing)
    return f"{first} and {second} belong to the {one.name}"


def _does(one: PictureClass, dice: Dice) -> str:
    trait = dice.pick((THINGS[one.thing], QUALITIES[one.quality]))
    return f"{dice.pick(('the', 'this', 'every', 'a'))} {one.name} {dice.pick(trait.doings)}"


def _same_thing(one: PictureClass, dice: Dice) -> str:
    other = dice.pick([other for other in CLASSES if other.thing == one.thing and other != one])
    return f"a {one.name} and a {other.name} are both a {dice.pick(THINGS[one.thing].kinds)}"


def _same_quality(one: PictureClass, dice: Dice) -> str:
    other = dice.pick([other for other in CLASSES if other.quality == one.quality and other != one])
    return f"the {one.name} has {dice.pick(QUALITIES[one.quality].features)} and so has the {other.name}"


def _thing_alone(one: PictureClass, dice: Dice) -> str:
    trait = THINGS[one.thing]
    return f"the {one.thing} {dice.pick(trait.doings)} {dice.pick(trait.places)} with {dice.pick(trait.features)}"


def _quality_alone(one: PictureClass, dice: Dice) -> str:
    trait = QUALITIES[one.quality]
    return f"what is {one.quality} {dice.pick(trait.doings)} and has {dice.pick(trait.features)}"


def _marked(one: PictureClass, dice: Dice) -> str:
    """How the quality is told behind the noun."""
    word = dice.pick(QUALITIES[one.quality].kinds)
    if one.quality in PARTS:
        return f"with {'wheels' if one.quality == 'wheel' else f'a {word}'}"
    return f"that is {word}{' in colour' if one.quality in COLOURS else ''}"


RULES: tuple[Rule, ...] = (
    *(_is, _is, _where, _where, _has, _has, _does, _does),
    *(_same_thing, _same_quality, _thing_alone, _quality_alone),
)


def vectors_file(options: VectorOptions, cache: Path) -> Path:
    """A ``.vec`` file of the text's words, the most frequent first, trained where that was not done yet.

    Raises:
        UserError: fastText is not installed, or knows no word for the options.
    """
    words = [word for word, _ in Counter(chain.from_iterable(pictures_text())).most_common()]
    text = _as_text(trained_vectors(pictures_text, words, options.dim, options.trained, cache))
    file = cache / "pictures" / f"words-{digest(text)}.vec"
    if not file.exists() or file.read_bytes() != text.encode():
        write_text(file, text)
    return file


def _as_text(vectors: WordVectors) -> str:
    rows = zip(vectors.words, vectors.matrix, strict=True)
    lines = (f"{word} {' '.join(f'{value:.6g}' for value in row)}" for word, row in rows)
    return "\n".join([f"{len(vectors.words)} {vectors.dim}", *lines, ""])
