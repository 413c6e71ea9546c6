"""The grammar against pairs written by hand, and against the spelling rules of French and English."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from seqvise.corpus.phrasebook import english, french, lexicon
from seqvise.corpus.phrasebook.clause import NEVER, NOT, NOTHING, Clause, Form, Nominal, Phrase, Tense
from seqvise.corpus.phrasebook.corpus import PAIRS_OF_A_RULE, phrasebook_pairs
from seqvise.corpus.phrasebook.lexicon import Adjective, Noun, Verb
from seqvise.corpus.phrasebook.nominals import (
    HER,
    HIS,
    MY,
    PRONOUNS,
    THE,
    THIS,
    WHICH,
    Determiner,
    indefinite,
    noun_phrase,
    owned,
    possessive_of,
)
from seqvise.corpus.phrasebook.rules import RULES, Rule
from seqvise.dice import Dice

ME, YOU, HE, SHE, WE, YOU_ALL, THEY, THEY_WOMEN = PRONOUNS
EAT, DRINK, READ = lexicon.ACTIONS[:3]
SEE = lexicon.ENCOUNTERS[1]
WAIT = lexicon.ENCOUNTERS[0]
SING = lexicon.PASTIMES[0]
LEAVE = lexicon.MOVES[2]
SWIM, RUN = lexicon.SPORTS
WHY = Phrase("pourquoi", "why")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    return list(phrasebook_pairs())


def question_pair(clause: Clause, form: Form = Form.INVERSION, asked: Phrase = NOTHING) -> tuple[str, str]:
    source = french.sentence(french.question(clause, form, asked.french))
    return source, english.sentence(english.question(clause, asked.english))


def word(french_form: str) -> Noun:
    nouns = [noun for group in vars(lexicon).values() if isinstance(group, tuple) for noun in group]
    return next(noun for noun in nouns if isinstance(noun, Noun) and noun.french == french_form)


def test_thousands_of_distinct_pairs(pairs: list[tuple[str, str]]) -> None:
    assert 6_000 <= len(pairs) <= 12_000
    assert len({source for source, _ in pairs}) == len(pairs)


def test_the_order_is_fixed(pairs: list[tuple[str, str]]) -> None:
    assert list(phrasebook_pairs()) == pairs


def test_no_rule_contradicts_another() -> None:
    translations = defaultdict(set)
    for rule in RULES:
        dice = Dice("another seed")
        for _ in range(PAIRS_OF_A_RULE):
            phrase = rule(dice)
            translations[phrase.french].add(phrase.english)
    assert [source for source, targets in translations.items() if len(targets) > 1] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_yields_hundreds_of_pairs(rule: Rule) -> None:
    dice = Dice(rule.__name__)
    assert len({rule(dice) for _ in range(3 * PAIRS_OF_A_RULE)}) > 150


def test_every_sentence_is_one_question(pairs: list[tuple[str, str]]) -> None:
    for source, target in pairs:
        assert re.fullmatch(r"[^?.!]+\?", source), source
        assert re.fullmatch(r"[^?.!]+[^\s?]\?", target), target
        assert re.fullmatch(r"[A-ZÀÂÉÈÊÔÎ]\S* ?[^?.!]* \?", source), source
        assert target[0].isupper(), target
        assert "  " not in source + target, source


VOWEL = "aeiouyàâéèêîôûœh"
FORBIDDEN_FRENCH = (
    rf"\b(?<!-)(je|me|te|le|la|ne|de|que) [{VOWEL}]",
    r"\bsi ils?\b",
    r"\b(à|de) les?\b",
    rf"\b(ma|ta|sa|ce) [{VOWEL}]",
    rf"\b(le|un|mon|ton|son|notre|votre|leur|ce) (beau|vieux|nouveau) [{VOWEL}]",
    r"[^td]-(il|elle)\b(?<!-t-il)(?<!-t-elle)",
    r"\bque \w+ \w+ (a|va)-t-",
    r"-t-(je|tu|nous|vous|ils|elles)\b",
    r"\bpeux-je\b",
    r"'[^aeiouyàâéèêîôûœh]",
)


@pytest.mark.parametrize("pattern", FORBIDDEN_FRENCH)
def test_french_spelling(pattern: str, pairs: list[tuple[str, str]]) -> None:
    assert [source for source, _ in pairs if re.search(pattern, source, re.IGNORECASE)] == []


FORBIDDEN_ENGLISH = (
    r"\ba [aeiou]",
    r"\ban [^aeiou]",
    r"\bam \w+n't|amn't|cann't",
    r"\b(do|does|did|can) \w+ (\w+ )?\w+ing to\b",
    r"\b(he|she) (do|are)\b",
    r"\b(does|has|is|was) (they|we|you|I)\b(?<!was I)",
    r"\bi\b",
)


@pytest.mark.parametrize("pattern", FORBIDDEN_ENGLISH)
def test_english_spelling(pattern: str, pairs: list[tuple[str, str]]) -> None:
    assert [target for _, target in pairs if re.search(pattern, target[0].lower() + target[1:])] == []


OUTPUT = (
    ("Où habites-tu ?", "Where do you live?"),
    ("Où est-ce que tu habites ?", "Where do you live?"),
    ("Où habite-t-il ?", "Where does he live?"),
    ("Avec qui habitent-elles ?", "Who do they live with?"),
    ("Où habitait-elle ?", "Where was she living?"),
    ("Quel âge as-tu ?", "How old are you?"),
    ("Quel âge avons-nous ?", "How old are we?"),
    ("Est-il prêt ?", "Is he ready?"),
    ("Étais-tu malade ?", "Were you ill?"),
    ("Que vont-ils acheter demain ?", "What are they going to buy tomorrow?"),
    ("Comment s'appelle ton père ?", "What is your father's name?"),
    ("Avec qui est-elle sortie ?", "Who did she go out with?"),
)


@pytest.mark.parametrize("pair", OUTPUT, ids=lambda pair: pair[0])
def test_common_questions_are_in_the_output(pair: tuple[str, str], pairs: list[tuple[str, str]]) -> None:
    assert pair in pairs


SISTER = noun_phrase(word("sœur"), MY)
CHILDREN = noun_phrase(word("enfant"), THE, many=True)
APPLES = noun_phrase(word("pomme"), THE, many=True)
WHICH_APPLES = noun_phrase(word("pomme"), WHICH, many=True)
NO_WATER = noun_phrase(word("eau"), indefinite(word("eau"), negative=True, yes_no=True))
THEM = Phrase("les", "them")
BY_HAND = (
    (Clause(CHILDREN, SING), WHY, "Pourquoi les enfants chantent-ils ?", "Why do the children sing?"),
    (Clause(SISTER, SING), WHY, "Pourquoi ma sœur chante-t-elle ?", "Why does my sister sing?"),
    (Clause(HE, EAT, Tense.PAST), WHY, "Pourquoi a-t-il mangé ?", "Why did he eat?"),
    (Clause(SHE, LEAVE, Tense.PAST), WHY, "Pourquoi est-elle partie ?", "Why did she leave?"),
    (Clause(THEY_WOMEN, LEAVE, Tense.PAST), WHY, "Pourquoi sont-elles parties ?", "Why did they leave?"),
    (Clause(WE, SWIM, Tense.IMPERFECT), WHY, "Pourquoi nagions-nous ?", "Why were we swimming?"),
    (Clause(ME, RUN, Tense.IMPERFECT), WHY, "Pourquoi est-ce que je courais ?", "Why was I running?"),
    (Clause(ME, SEE, Tense.FUTURE), Phrase("que", "what"), "Que vais-je voir ?", "What am I going to see?"),
    (Clause(YOU, EAT, negation=NOT), WHY, "Pourquoi ne manges-tu pas ?", "Why don't you eat?"),
    (Clause(SHE, SING, negation=NEVER), WHY, "Pourquoi ne chante-t-elle jamais ?", "Why does she never sing?"),
    (
        Clause(ME, EAT, Tense.FUTURE, negation=NOT),
        WHY,
        "Pourquoi ne vais-je pas manger ?",
        "Why am I not going to eat?",
    ),
    (
        Clause(YOU, WAIT, Tense.PAST, negation=NOT, clitic=Phrase("me", "me")),
        WHY,
        "Pourquoi ne m'as-tu pas attendu ?",
        "Why didn't you wait for me?",
    ),
    (
        Clause(HE, WAIT, Tense.FUTURE, clitic=THEM),
        WHY,
        "Pourquoi va-t-il les attendre ?",
        "Why is he going to wait for them?",
    ),
    (
        Clause(YOU_ALL, EAT, Tense.PAST, agreement=WHICH_APPLES),
        WHICH_APPLES.text,
        "Quelles pommes avez-vous mangées ?",
        "Which apples did you eat?",
    ),
    (
        Clause(SHE, DRINK, complement=NO_WATER.text, negation=NOT),
        WHY,
        "Pourquoi ne boit-elle pas d'eau ?",
        "Why doesn't she drink any water?",
    ),
    (
        Clause(THEY, READ, adverb=Phrase("souvent", "often"), complement=APPLES.text),
        WHY,
        "Pourquoi lisent-ils souvent les pommes ?",
        "Why do they often read the apples?",
    ),
    (
        Clause(ME, lexicon.POUVOIR, complement=Phrase("manger", "eat")),
        Phrase("où", "where"),
        "Où puis-je manger ?",
        "Where can I eat?",
    ),
)


@pytest.mark.parametrize(("clause", "asked", "source", "target"), BY_HAND, ids=[case[2] for case in BY_HAND])
def test_clauses_by_hand(clause: Clause, asked: Phrase, source: str, target: str) -> None:
    assert question_pair(clause, asked=asked) == (source, target)


def test_est_ce_que_elides_and_keeps_the_order() -> None:
    clause = Clause(SHE, EAT, Tense.PAST)
    assert question_pair(clause, Form.EST_CE_QUE, Phrase("que", "what")) == (
        "Qu'est-ce qu'elle a mangé ?",
        "What did she eat?",
    )


RED, SMALL, OLD = lexicon.COLOURS[0], lexicon.SIZES[0], lexicon.SIZES[2]


@pytest.mark.parametrize(
    ("noun", "determiner", "many", "adjective", "source", "target"),
    [
        ("ami", THE, False, None, "L'ami ?", "The friend?"),
        ("amie", MY, False, None, "Mon amie ?", "My friend?"),
        ("sœur", MY, False, None, "Ma sœur ?", "My sister?"),
        ("homme", THIS, False, None, "Cet homme ?", "This man?"),
        ("homme", THIS, True, None, "Ces hommes ?", "These men?"),
        ("dame", THIS, True, None, "Ces dames ?", "These ladies?"),
        ("oiseau", THE, True, None, "Les oiseaux ?", "The birds?"),
        ("œuf", THIS, False, OLD, "Ce vieil œuf ?", "This old egg?"),
        ("robe", THIS, True, lexicon.COLOURS[2], "Ces robes blanches ?", "These white dresses?"),
        ("écharpe", MY, False, SMALL, "Ma petite écharpe ?", "My small scarf?"),
        ("écharpe", MY, True, RED, "Mes écharpes rouges ?", "My red scarves?"),
        ("lait", THE, True, None, "Le lait ?", "The milk?"),
        ("maison", WHICH, True, None, "Quelles maisons ?", "Which houses?"),
    ],
)
def test_noun_phrases_by_hand(
    noun: str, determiner: Determiner, many: bool, adjective: Adjective | None, source: str, target: str
) -> None:
    phrase = noun_phrase(word(noun), determiner, many, adjective)
    assert (french.sentence(phrase.text.french), english.sentence(phrase.text.english)) == (source, target)


@pytest.mark.parametrize(
    ("noun", "negative", "many", "adjective", "expected"),
    [
        ("orange", False, False, None, ("Une orange ?", "An orange?")),
        ("orange", False, False, RED, ("Une orange rouge ?", "A red orange?")),
        ("sac", False, True, SMALL, ("De petits sacs ?", "Any small bags?")),
        ("pain", False, False, None, ("Du pain ?", "Any bread?")),
        ("soupe", False, False, None, ("De la soupe ?", "Any soup?")),
        ("eau", False, False, None, ("De l'eau ?", "Any water?")),
        ("oiseau", True, False, None, ("D'oiseau ?", "A bird?")),
        ("chat", True, True, None, ("De chats ?", "Any cats?")),
    ],
)
def test_indefinite_phrases_by_hand(
    noun: str, negative: bool, many: bool, adjective: Adjective | None, expected: tuple[str, str]
) -> None:
    entry = word(noun)
    phrase = noun_phrase(entry, indefinite(entry, negative, yes_no=True), many, adjective)
    assert (french.sentence(phrase.text.french), english.sentence(phrase.text.english)) == expected


def test_owners_contract_and_take_the_genitive() -> None:
    teachers = noun_phrase(word("professeur"), THE, many=True)
    keys = owned(word("clé"), teachers, many=True)
    assert french.sentence(keys.text.french) == "Les clés des professeurs ?"
    assert keys.text.english == "the teachers' keys"
    assert owned(word("sac"), CHILDREN).text.english == "the children's bag"
    assert french.sentence(owned(word("sac"), noun_phrase(word("voisin"), THE)).text.french) == "Le sac du voisin ?"


def test_son_is_his_or_her_by_the_owner() -> None:
    assert possessive_of(SHE) is HER
    assert possessive_of(Nominal(Phrase("mon frère", "my brother"), 2)) is HIS


@pytest.mark.parametrize(
    ("verb", "person", "form"),
    [(EAT, 0, "mangeais"), (EAT, 3, "mangions"), (lexicon.ETRE, 4, "étiez"), (SING, 5, "chantaient")],
)
def test_imperfect(verb: Verb, person: int, form: str) -> None:
    assert french.imperfect(verb, person) == form


@pytest.mark.parametrize(
    ("base", "third", "ing"),
    [
        ("write", "writes", "writing"),
        ("study", "studies", "studying"),
        ("play", "plays", "playing"),
        ("swim", "swims", "swimming"),
        ("see", "sees", "seeing"),
        ("open", "opens", "opening"),
        ("watch", "watches", "watching"),
        ("go out", "goes out", "going out"),
        ("look for", "looks for", "looking for"),
        ("have", "has", "having"),
    ],
)
def test_english_verb_forms(base: str, third: str, ing: str) -> None:
    assert (english.third_person(base), english.progressive(base)) == (third, ing)


@pytest.mark.parametrize("verb", [value for value in vars(lexicon).values() if isinstance(value, Verb)])
def test_every_verb_has_six_forms(verb: Verb) -> None:
    assert len(verb.present) == 6
