"""Random draws of the phrasebook's rules: subjects, objects, times, negation, the form of the question."""

from __future__ import annotations

from collections.abc import Sequence

from seqvise.corpus.phrasebook import english, french, lexicon
from seqvise.corpus.phrasebook.clause import NOT, NOTHING, Clause, Form, Nominal, Phrase, Tense
from seqvise.corpus.phrasebook.lexicon import Adjective, Noun, Verb
from seqvise.corpus.phrasebook.nominals import (
    MY,
    OUR,
    POSSESSIVES,
    PRONOUNS,
    THE,
    THIS,
    indefinite,
    noun_phrase,
    possessive_of,
)
from seqvise.dice import Dice

EVENTS = (Tense.PRESENT, Tense.PAST, Tense.FUTURE)
_TIMES = lexicon.read_table("times", lambda row: Phrase(**row))
TIMES = {tense: _TIMES[tense.name.lower()] for tense in Tense}
NOW = _TIMES["now"]


def subject(dice: Dice) -> Nominal:
    """A pronoun, or less often a noun: pronouns have more verb forms to learn."""
    return dice.pick(PRONOUNS) if dice.chance(0.65) else person(dice)


def person(dice: Dice) -> Nominal:
    """Somebody, or several people: « ma sœur », « ces hommes », « les enfants »."""
    noun = dice.pick(lexicon.PEOPLE + lexicon.FAMILY + lexicon.STRANGERS)
    if noun in lexicon.FAMILY:
        determiner = dice.pick(POSSESSIVES)
    else:
        determiner = dice.pick((THE, THIS) if noun in lexicon.STRANGERS else (THE, THE, *POSSESSIVES))
    return noun_phrase(noun, determiner, many=dice.chance(0.4))


def possession(dice: Dice, nouns: Sequence[Noun]) -> Nominal:
    """A definite thing, perhaps with an adjective: « ta robe rouge », « le vieux livre »."""
    noun = dice.pick(nouns)
    adjective = quality(dice, noun) if dice.chance(0.3) else None
    return noun_phrase(noun, dice.pick((THE, THIS, *POSSESSIVES)), dice.chance(0.4), adjective)


def quality(dice: Dice, noun: Noun) -> Adjective:
    """An adjective that suits the noun: no green cats, no blue letters."""
    if noun in lexicon.ANIMALS:
        return dice.pick((*lexicon.SIZES, *lexicon.FUR_COLOURS))
    return dice.pick(lexicon.SIZES if noun in lexicon.TEXTS else lexicon.SIZES + lexicon.COLOURS)


def thing(dice: Dice, verb: Verb, actor: Nominal | None, negative: bool, yes_no: bool) -> Nominal:
    """An object of the verb. actor: its possible owner; None in questions about the actor."""
    noun = dice.pick(verb.objects)
    possessive = () if actor is None or noun in lexicon.DRINKS else (possessive_of(actor),)
    determiner = dice.pick((THE, THIS, indefinite(noun, negative, yes_no), *possessive))
    return noun_phrase(noun, determiner, dice.chance(0.4))


def company(dice: Dice, actor: Nominal | None) -> Nominal:
    """People as the object of an encounter; never the actor."""
    others = [noun for noun in lexicon.PEOPLE if actor is None or noun.english not in actor.text.english]
    return noun_phrase(dice.pick(others), dice.pick((THE, MY, OUR)), dice.chance(0.4))


def when(dice: Dice, verb: Verb, tense: Tense) -> Phrase:
    """A time that suits the tense, or none."""
    if dice.chance(0.5):
        return NOTHING
    return dice.pick(NOW if verb.progressive and tense is Tense.PRESENT else TIMES[tense])


def negation(dice: Dice, probability: float = 0.25) -> Phrase:
    """``NOT`` with the given probability, else ``NOTHING``."""
    return NOT if dice.chance(probability) else NOTHING


def ask(dice: Dice, clause: Clause, asked: Phrase = NOTHING) -> Phrase:
    """The clause as a question, in one of the French forms."""
    form = dice.pick((Form.INVERSION, Form.INVERSION, Form.EST_CE_QUE))
    return Phrase(french.question(clause, form, asked.french), english.question(clause, asked.english))


def both(*phrases: Phrase) -> Phrase:
    """Concatenates phrases in both languages."""
    return Phrase(french.join(*(phrase.french for phrase in phrases)), english.join(*(p.english for p in phrases)))
