"""The words of the phrasebook: pairs of French and English words, with their irregular forms, from tables in data/."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import TypeVar

EntryT = TypeVar("EntryT")


@dataclass(frozen=True)
class Noun:
    """A noun.

    Attributes:
        french, english: the singular forms.
        gender: ``m`` or ``f``.
        counted: it has a plural; False for mass nouns (« du pain ») and unique relatives (« ma mère »).
        irregular: the English plural, if it is irregular.
    """

    french: str
    english: str
    gender: str
    counted: bool = True
    irregular: str = ""

    @property
    def feminine(self) -> bool:
        """Whether determiners and adjectives take their feminine form."""
        return self.gender == "f"


@dataclass(frozen=True)
class Adjective:
    """An adjective.

    Attributes:
        masculine, feminine: the singular forms.
        before_vowel: the masculine singular before a vowel, if it differs (« un bel hôtel »).
        precedes: it precedes the French noun.
        comparative: the English comparative, if it is used.
    """

    masculine: str
    feminine: str
    english: str
    before_vowel: str = ""
    precedes: bool = False
    comparative: str = ""


@dataclass(frozen=True)
class Verb:
    """A verb, with its six French present forms from « je » to « ils ».

    Attributes:
        infinitive, present, participle: the French forms.
        base, past: the English forms; a particle follows the base after a space ("look for").
        with_etre: its past takes « être » and the participle agrees with the subject.
        progressive: its French present is an English progressive ("are you waiting").
        objects: nouns that it takes as its object.
    """

    infinitive: str
    present: tuple[str, ...]
    participle: str
    base: str
    past: str
    with_etre: bool = False
    progressive: bool = False
    objects: tuple[Noun, ...] = ()


def read_table(name: str, word: Callable[[dict[str, str]], EntryT]) -> dict[str, tuple[EntryT, ...]]:
    """Group -> words of a table, both in its order. word: makes a word of a row."""
    text = resources.files("seqvise.corpus.phrasebook").joinpath(f"data/{name}.tsv").read_text("utf-8")
    groups: defaultdict[str, tuple[EntryT, ...]] = defaultdict(tuple)
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        groups[row.pop("group")] += (word(row),)
    return groups


def _noun(row: dict[str, str]) -> Noun:
    """A noun; its plural is ``-`` if it is not counted, and empty if it is regular."""
    plural = row.pop("plural")
    return Noun(**row, counted=plural != "-", irregular=plural.removeprefix("-"))


def _adjective(row: dict[str, str]) -> Adjective:
    precedes = row.pop("precedes") == "yes"
    return Adjective(**row, precedes=precedes)


def _verb(row: dict[str, str]) -> Verb:
    """A verb; its objects are groups of nouns."""
    objects = tuple(noun for group in row.pop("objects").split() for noun in _NOUNS[group])
    present = tuple(row.pop("present").split())
    with_etre, progressive = (row.pop(flag) == "yes" for flag in ("with_etre", "progressive"))
    return Verb(**row, present=present, with_etre=with_etre, progressive=progressive, objects=objects)


_NOUNS = read_table("nouns", _noun)
PEOPLE, STRANGERS, FAMILY, FOOD, DRINKS, TEXTS, CLOTHES, THINGS, *_OTHERS = _NOUNS.values()
VEHICLES, HOMES, ANIMALS, OPENINGS, SHOWS, PLACES, SPOTS = _OTHERS
COLOURS, SIZES, MOODS, TRAITS = read_table("adjectives", _adjective).values()
FUR_COLOURS = COLOURS[2:4]
_SINGLE, PASTIMES, SPORTS, MOVES, ACTIONS, ENCOUNTERS = read_table("verbs", _verb).values()
ETRE, AVOIR, ALLER, POUVOIR, VOULOIR, DEVOIR, SAVOIR, CROIRE, COUTER, HABITER = _SINGLE
ACTIVITIES = PASTIMES + SPORTS
