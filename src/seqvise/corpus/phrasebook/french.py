"""French: agreement, elision, contraction, inversion."""

from __future__ import annotations

import re

from seqvise.corpus.phrasebook.clause import Clause, Form, Nominal, Tense
from seqvise.corpus.phrasebook.lexicon import ALLER, AVOIR, ETRE, Adjective, Noun, Verb

IMPERFECT_ENDINGS = ("ais", "ais", "ait", "ions", "iez", "aient")
INVERTED_FIRST_PERSON = {"ai": "ai", "suis": "suis", "vais": "vais", "dois": "dois", "peux": "puis"}
"""Verb form -> form before « je », for the verbs that can be inverted in the first person."""

VOWELS = "aeiouyàâéèêîôûœh"
"""First letters that cause elision; every h of the lexicon is mute."""

_ELIDING = re.compile(rf"(?<![-\w'])(je|me|te|le|la|ne|de|que) (?=[{VOWELS}])")
_CONTRACTED = {"à le": "au", "à les": "aux", "de le": "du", "de les": "des"}
_CONTRACTING = re.compile(r"\b(à|de) les?\b(?!')")


def plural(word: str) -> str:
    """The plural of a noun, an adjective or a participle."""
    if word.endswith(("s", "x")):
        return word
    return word + ("x" if word.endswith("eau") else "s")


def noun(word: Noun, many: bool) -> str:
    """The noun in its number."""
    return plural(word.french) if many else word.french


def adjective(word: Adjective, feminine: bool, many: bool, following: str = "") -> str:
    """The adjective in agreement; before a vowel in its special form, if it has one. following: the next word."""
    if not feminine and not many and word.before_vowel and following.startswith(tuple(VOWELS)):
        return word.before_vowel
    singular = word.feminine if feminine else word.masculine
    return plural(singular) if many else singular


def participle(verb: Verb, agreement: Nominal | None) -> str:
    """The past participle, in agreement with the nominal if there is one."""
    if agreement is None:
        return verb.participle
    word = verb.participle + ("e" if agreement.feminine else "")
    return plural(word) if agreement.plural else word


def imperfect(verb: Verb, person: int) -> str:
    """The imperfect, from the stem of the « nous » form; the only exception is « être »."""
    stem = "ét" if verb is ETRE else verb.present[3].removesuffix("ons")
    ending = IMPERFECT_ENDINGS[person]
    return (stem.removesuffix("e") if ending.startswith("i") else stem) + ending


def question(clause: Clause, form: Form, asked: str = "") -> str:
    """The words of a question. asked: the question word or phrase; "" in a yes-no question."""
    subject = clause.subject
    first_person = subject.pronoun and subject.person == 0
    if form is Form.EST_CE_QUE or (first_person and _finite(clause) not in INVERTED_FIRST_PERSON):
        return join(asked, "est-ce que", statement(clause))
    noun_subject = "" if subject.pronoun else subject.text.french
    return join(asked, noun_subject, _predicate(clause, _inverted(_finite(clause), subject)))


def statement(clause: Clause) -> str:
    """The words of a statement, as after « est-ce que »."""
    return join(clause.subject.text.french, _predicate(clause, _finite(clause)))


def join(*words: str) -> str:
    """Joins the words that are not empty, without elision or contraction."""
    return " ".join(word for word in words if word)


def sentence(text: str) -> str:
    """The written question: with elision, contraction, capital letter and question mark."""
    text = re.sub(r"\bsi (?=ils?\b)", "s'", _ELIDING.sub(lambda word: word[1][:-1] + "'", text))
    text = _CONTRACTING.sub(lambda words: _CONTRACTED[words[0]], text)
    return f"{text[0].upper()}{text[1:]} ?"


def _predicate(clause: Clause, finite: str) -> str:
    before_finite, before_infinitive = clause.clitic.french, ""
    if clause.tense is Tense.FUTURE:
        before_finite, before_infinitive = before_infinitive, before_finite
    negation = clause.negation.french
    return join(
        "ne" if negation else "",
        before_finite,
        finite,
        negation,
        clause.adverb.french,
        before_infinitive,
        _non_finite(clause),
        clause.complement.french,
    )


def _finite(clause: Clause) -> str:
    person = clause.subject.person
    match clause.tense:
        case Tense.PRESENT:
            return clause.verb.present[person]
        case Tense.IMPERFECT:
            return imperfect(clause.verb, person)
        case Tense.PAST:
            return (ETRE if clause.verb.with_etre else AVOIR).present[person]
        case Tense.FUTURE:
            return ALLER.present[person]


def _non_finite(clause: Clause) -> str:
    match clause.tense:
        case Tense.PAST:
            return participle(clause.verb, clause.subject if clause.verb.with_etre else clause.agreement)
        case Tense.FUTURE:
            return clause.verb.infinitive
        case _:
            return ""


def _inverted(finite: str, subject: Nominal) -> str:
    third = {2: "elle" if subject.feminine else "il", 5: "elles" if subject.feminine else "ils"}
    pronoun = third.get(subject.person, subject.text.french)
    if pronoun == "je":
        finite = INVERTED_FIRST_PERSON[finite]
    hiatus = subject.person == 2 and not finite.endswith(("t", "d"))
    return f"{finite}-t-{pronoun}" if hiatus else f"{finite}-{pronoun}"
