"""English: number, the third person's s, -ing, do-support, genitives."""

from __future__ import annotations

import re

from seqvise.corpus.phrasebook.clause import NOT, Clause, Nominal, Tense
from seqvise.corpus.phrasebook.lexicon import ETRE, POUVOIR, Noun, Verb

BE = ("am", "is", "are")
WAS = ("was", "was", "were")
HISSING = ("s", "x", "z", "ch", "sh")
_SHORT = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")


def noun(word: Noun, many: bool) -> str:
    """The noun in its number."""
    return (word.irregular or add_s(word.english)) if many else word.english


def add_s(word: str) -> str:
    """A regular plural, or a regular third person."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return word + ("es" if word.endswith((*HISSING, "o")) else "s")


def third_person(base: str) -> str:
    """The present after he, she or it: "looks for", "goes"."""
    head, particle = _split(base)
    return ("has" if head == "have" else add_s(head)) + particle


def progressive(base: str) -> str:
    """The -ing form: "writing", "running", "looking for"."""
    head, particle = _split(base)
    if head.endswith("e") and not head.endswith("ee"):
        return f"{head[:-1]}ing{particle}"
    doubled = head[-1] if _SHORT.fullmatch(head) else ""
    return f"{head}{doubled}ing{particle}"


def genitive(owner: Nominal) -> str:
    """The genitive of an owner, used as a determiner: "the neighbours'", "the children's"."""
    text = owner.text.english
    return text + ("'" if owner.plural and text.endswith("s") else "'s")


def indefinite(following: str) -> str:
    """The article before the word that follows it."""
    return "an" if following.startswith(tuple("aeiou")) else "a"


def agreeing(forms: tuple[str, str, str], person: int) -> str:
    """The form of "be" for a grammatical person. forms: for I; for he, she or it; for all others."""
    return {0: forms[0], 2: forms[1]}.get(person, forms[2])


def question(clause: Clause, asked: str = "") -> str:
    """The words of a question. asked: the question word or phrase; "" in a yes-no question."""
    auxiliary, rest = _support(clause)
    subject = clause.subject.text.english
    if clause.negation is NOT and auxiliary != "am":
        opening = ["can't" if auxiliary == "can" else f"{auxiliary}n't", subject]
    else:
        opening = [auxiliary, subject, clause.negation.english]
    return join(asked, *opening, clause.adverb.english, rest, *_after_verb(clause))


def statement(clause: Clause) -> str:
    """The words of a positive statement, or of a question about the subject."""
    return join(clause.subject.text.english, clause.adverb.english, _finite(clause), *_after_verb(clause))


def join(*words: str) -> str:
    """Joins the words that are not empty."""
    return " ".join(word for word in words if word)


def sentence(text: str) -> str:
    """The written question, with capital letter and question mark."""
    return f"{text[0].upper()}{text[1:]}?"


def _finite(clause: Clause) -> str:
    verb, person = clause.verb, clause.subject.person
    if clause.tense is Tense.PAST:
        return verb.past
    if clause.tense is Tense.PRESENT and not (verb.progressive or verb in (ETRE, POUVOIR)):
        return third_person(verb.base) if person == 2 else verb.base
    return join(*_support(clause))


def _support(clause: Clause) -> tuple[str, str]:
    """The auxiliary before the subject of a question, and the verb form after it."""
    verb, person = clause.verb, clause.subject.person
    be = agreeing(BE, person)
    match clause.tense:
        case Tense.FUTURE:
            return be, f"going to {verb.base}"
        case Tense.IMPERFECT:
            return agreeing(WAS, person), "" if verb is ETRE else progressive(verb.base)
        case Tense.PAST:
            return "did", verb.base
        case Tense.PRESENT:
            return _present_support(verb, person, be)


def _present_support(verb: Verb, person: int, be: str) -> tuple[str, str]:
    if verb is ETRE:
        return be, ""
    if verb is POUVOIR:
        return "can", ""
    if verb.progressive:
        return be, progressive(verb.base)
    return ("does" if person == 2 else "do"), verb.base


def _after_verb(clause: Clause) -> tuple[str, str]:
    return clause.clitic.english, clause.complement.english


def _split(base: str) -> tuple[str, str]:
    head, space, particle = base.partition(" ")
    return head, space + particle
