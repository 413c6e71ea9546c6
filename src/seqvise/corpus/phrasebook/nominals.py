"""Pronouns, determiners and noun phrases of the phrasebook, in both languages at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seqvise.corpus.phrasebook import english, french
from seqvise.corpus.phrasebook.clause import Nominal, Phrase
from seqvise.corpus.phrasebook.lexicon import Adjective, Noun

PRONOUNS = tuple(
    Nominal(Phrase(*pair.split("/")), person, feminine, pronoun=True)
    for pair, person, feminine in (
        ("je/I", 0, False),
        ("tu/you", 1, False),
        ("il/he", 2, False),
        ("elle/she", 2, True),
        ("nous/we", 3, False),
        ("vous/you", 4, False),
        ("ils/they", 5, False),
        ("elles/they", 5, True),
    )
)
WHO = Nominal(Phrase("qui", "who"), person=2)


@dataclass(frozen=True)
class Determiner:
    """A determiner. English ``a`` and French « de le » are changed to ``an`` and « du » when a phrase is assembled.

    Attributes:
        masculine, feminine, plural: the French forms.
        english, english_plural: the English forms.
        masculine_vowel, feminine_vowel: the French singular forms before a vowel, unless they are just elided.
        feminine_plural: the French feminine plural, if it has a different form.
    """

    masculine: str
    feminine: str
    plural: str
    english: str
    english_plural: str
    masculine_vowel: str = ""
    feminine_vowel: str = ""
    feminine_plural: str = ""

    def before(self, following: str, feminine: bool, many: bool) -> str:
        """The French form before the word that follows it."""
        if many:
            return (feminine and self.feminine_plural) or self.plural
        at_vowel = following.startswith(tuple(french.VOWELS))
        if feminine:
            return (at_vowel and self.feminine_vowel) or self.feminine
        return (at_vowel and self.masculine_vowel) or self.masculine


def _possessive(masculine: str, feminine: str, plural: str, owner: str) -> Determiner:
    return Determiner(masculine, feminine, plural, owner, owner, feminine_vowel=masculine)


THE = Determiner("le", "la", "les", "the", "the")
THIS = Determiner("ce", "cette", "ces", "this", "these", masculine_vowel="cet")
MY = _possessive("mon", "ma", "mes", "my")
YOUR = _possessive("ton", "ta", "tes", "your")
HIS = _possessive("son", "sa", "ses", "his")
HER = replace(HIS, english="her", english_plural="her")
OUR = Determiner("notre", "notre", "nos", "our", "our")
YOUR_POLITE = Determiner("votre", "votre", "vos", "your", "your")
THEIR = Determiner("leur", "leur", "leurs", "their", "their")
WHICH = Determiner("quel", "quelle", "quels", "which", "which", feminine_plural="quelles")
BARE = Determiner("", "", "", "", "")
POSSESSIVES = (MY, YOUR, OUR, YOUR_POLITE, THEIR)


def possessive_of(subject: Nominal) -> Determiner:
    """The possessive that refers to the subject: « son » is *his* or *her*, depending on the subject."""
    owners = (MY, YOUR, HER if subject.feminine else HIS, OUR, YOUR_POLITE, THEIR)
    return owners[subject.person]


def indefinite(noun: Noun, negative: bool, yes_no: bool) -> Determiner:
    """« un, des, du »: *a*; *any* in yes-no questions, else *some*. Under negation « de », always *any*."""
    amount = "any" if negative or yes_no else "some"
    singular = "a" if noun.counted else amount
    if negative:
        return Determiner("de", "de", "de", singular, amount)
    if noun.counted:
        return Determiner("un", "une", "des", singular, amount)
    return Determiner("de le", "de la", "des", singular, amount)


def noun_phrase(noun: Noun, determiner: Determiner, many: bool = False, adjective: Adjective | None = None) -> Nominal:
    """The noun with its determiner and an optional adjective, all in agreement.

    many: plural; an uncountable noun stays singular.
    """
    many = many and noun.counted
    text = Phrase(_french(noun, determiner, many, adjective), _english(noun, determiner, many, adjective))
    return Nominal(text, 5 if many else 2, noun.feminine)


def owned(noun: Noun, owner: Nominal, many: bool = False) -> Nominal:
    """« La voiture de l'ami »: *the friend's car*."""
    head = noun_phrase(noun, THE, many)
    possessed = english.join(english.genitive(owner), english.noun(noun, many and noun.counted))
    return replace(head, text=Phrase(f"{head.text.french} de {owner.text.french}", possessed))


def _french(noun: Noun, determiner: Determiner, many: bool, adjective: Adjective | None) -> str:
    words = [french.noun(noun, many)]
    if adjective is not None:
        position = 0 if adjective.precedes else 1
        words.insert(position, french.adjective(adjective, noun.feminine, many, words[0] if adjective.precedes else ""))
        if determiner.plural == "des" and many and adjective.precedes:
            words.insert(0, "de")
            return french.join(*words)
    return french.join(determiner.before(words[0], noun.feminine, many), *words)


def _english(noun: Noun, determiner: Determiner, many: bool, adjective: Adjective | None) -> str:
    words = english.join(adjective.english if adjective else "", english.noun(noun, many))
    article = determiner.english_plural if many else determiner.english
    return english.join(english.indefinite(words) if article == "a" else article, words)
