"""Clauses of the phrasebook, independent of the language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from seqvise.corpus.phrasebook.lexicon import Verb


class Phrase(NamedTuple):
    """A text in both languages."""

    french: str
    english: str


NOTHING = Phrase("", "")
NOT = Phrase("pas", "not")
NEVER = Phrase("jamais", "never")


class Tense(Enum):
    """Each French tense has a single English tense, so that every question has a single translation."""

    PRESENT = auto()  # mange -> eat; attend -> is waiting
    PAST = auto()  # a mangé -> ate
    IMPERFECT = auto()  # mangeait -> was eating
    FUTURE = auto()  # va manger -> is going to eat


class Form(Enum):
    """How French marks a question; English does not show the difference."""

    INVERSION = auto()
    EST_CE_QUE = auto()


@dataclass(frozen=True)
class Nominal:
    """A subject or an object: a pronoun or a noun phrase.

    Attributes:
        person: 0 to 5, from « je » to « ils ».
        feminine: participles and adjectives that agree with it take their feminine form.
        pronoun: it is a personal pronoun, which moves after the verb in a question.
    """

    text: Phrase
    person: int
    feminine: bool = False
    pronoun: bool = False

    @property
    def plural(self) -> bool:
        """Whether participles and adjectives that agree with it take their plural form."""
        return self.person > 2


@dataclass(frozen=True)
class Clause:
    """A clause: subject, verb and complements.

    Attributes:
        complement: everything after the verb.
        negation: NOT or NEVER; NOTHING for a positive clause.
        adverb: after the first verb in French, before the last in English.
        clitic: an object pronoun, before the verb in French, after it in English.
        agreement: the object that precedes a participle with « avoir », which then agrees with it.
    """

    subject: Nominal
    verb: Verb
    tense: Tense = Tense.PRESENT
    complement: Phrase = NOTHING
    negation: Phrase = NOTHING
    adverb: Phrase = NOTHING
    clitic: Phrase = NOTHING
    agreement: Nominal | None = None
