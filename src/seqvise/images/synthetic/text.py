"""A grammar that generates text about the objects of the built-in pictures.

Each class's name, a single word such as ``sail_boat``, occurs with words about its quality and its thing. So fastText's
vector of ``sail_boat`` is near those of ``sail_sled`` and ``wing_boat``, even if the class is held out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path

from seqvise.dice import Dice
from seqvise.files import digest, write_text
from seqvise.images.synthetic.classes import CLASSES, COLOURS, PARTS, PictureClass
from seqvise.vectors.options import VectorOptions
from seqvise.vectors.train import trained_vectors

SENTENCES = 40_000
_AN = re.compile(r"\ba(?= [aeiou])")


@dataclass(frozen=True)
class Trait:
    """Phrases about a thing or a quality.

    Attributes:
        kinds: synonyms and hypernyms.
        locations: where it occurs.
        features: its parts.
        actions: verb phrases about it.
    """

    kinds: tuple[str, ...]
    locations: tuple[str, ...]
    features: tuple[str, ...]
    actions: tuple[str, ...]


def _traits() -> dict[str, Trait]:
    """Name of a thing or a quality -> phrases, from a table of comma-separated phrases."""
    text = resources.files("seqvise.images").joinpath("data/pictures.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {name: Trait(*(tuple(phrases.split(", ")) for phrases in columns)) for name, *columns in rows}


_TRAITS = _traits()
THINGS = {label.thing: _TRAITS[label.thing] for label in CLASSES}
QUALITIES = {label.quality: _TRAITS[label.quality] for label in CLASSES}

Rule = Callable[[PictureClass, Dice], str]


def pictures_text(sentences: int = SENTENCES) -> Iterator[list[str]]:
    """Yields the words of each sentence, in lower case and without punctuation; deterministic.

    All classes are equally frequent.
    """
    dice = Dice("text")
    for number in range(sentences):
        yield _AN.sub("an", dice.pick(RULES)(CLASSES[number % len(CLASSES)], dice)).split()


def _is(label: PictureClass, dice: Dice) -> str:
    return f"a {label.name} is a {dice.pick(THINGS[label.thing].kinds)} {_marked(label, dice)}"


def _where(label: PictureClass, dice: Dice) -> str:
    if dice.chance(0.5):
        return f"the {label.name} is {dice.pick(THINGS[label.thing].locations)}"
    return f"the {label.name} {dice.pick(('goes', 'appears'))} {dice.pick(QUALITIES[label.quality].locations)}"


def _has(label: PictureClass, dice: Dice) -> str:
    thing, quality = (
        dice.pick(THINGS[label.thing].features),
        dice.pick(QUALITIES[label.quality].features),
    )
    first, second = (thing, quality) if dice.chance(0.5) else (quality, thing)
    return f"{first} and {second} belong to the {label.name}"


def _does(label: PictureClass, dice: Dice) -> str:
    trait = dice.pick((THINGS[label.thing], QUALITIES[label.quality]))
    return f"{dice.pick(('the', 'this', 'every', 'a'))} {label.name} {dice.pick(trait.actions)}"


def _same_thing(label: PictureClass, dice: Dice) -> str:
    other = dice.pick([other for other in CLASSES if other.thing == label.thing and other != label])
    return f"a {label.name} and a {other.name} are both a {dice.pick(THINGS[label.thing].kinds)}"


def _same_quality(label: PictureClass, dice: Dice) -> str:
    other = dice.pick([other for other in CLASSES if other.quality == label.quality and other != label])
    return f"the {label.name} has {dice.pick(QUALITIES[label.quality].features)} and so has the {other.name}"


def _thing_alone(label: PictureClass, dice: Dice) -> str:
    trait = THINGS[label.thing]
    return f"the {label.thing} {dice.pick(trait.actions)} {dice.pick(trait.locations)} with {dice.pick(trait.features)}"


def _quality_alone(label: PictureClass, dice: Dice) -> str:
    trait = QUALITIES[label.quality]
    return f"what is {label.quality} {dice.pick(trait.actions)} and has {dice.pick(trait.features)}"


def _marked(label: PictureClass, dice: Dice) -> str:
    """The quality as a phrase after the noun."""
    word = dice.pick(QUALITIES[label.quality].kinds)
    if label.quality in PARTS:
        return f"with {'wheels' if label.quality == 'wheel' else f'a {word}'}"
    return f"that is {word}{' in colour' if label.quality in COLOURS else ''}"


RULES: tuple[Rule, ...] = (
    *(_is, _is, _where, _where, _has, _has, _does, _does),
    *(_same_thing, _same_quality, _thing_alone, _quality_alone),
)


def vectors_file(options: VectorOptions, cache: Path) -> Path:
    """A ``.vec`` file with fastText vectors of the text's words, most frequent first; an existing file is reused.

    Raises:
        UserError: fastText is not installed, or has no vectors for the options.
    """
    words = [word for word, _ in Counter(chain.from_iterable(pictures_text())).most_common()]
    vectors = trained_vectors(pictures_text, words, options.dim, options.trained, cache)
    rows = zip(vectors.words, vectors.matrix, strict=True)
    lines = (f"{word} {' '.join(f'{value:.6g}' for value in row)}" for word, row in rows)
    text = "\n".join([f"{len(vectors.words)} {vectors.dim}", *lines, ""])
    file = cache / "pictures" / f"words-{digest(text)}.vec"
    if not file.exists() or file.read_bytes() != text.encode():
        write_text(file, text)
    return file
