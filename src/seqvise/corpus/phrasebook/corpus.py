"""A built-in corpus: French questions and their English translations, from a synchronous grammar of our own.

The lexicon holds words in pairs (``phrasebook_lexicon``); a rule draws words and a meaning (``phrasebook_draws``,
``phrasebook_rules``), and each language puts that one meaning into its own words, with its own agreement and order
(``phrasebook_french``, ``phrasebook_english``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

from seqvise.corpus.phrasebook import english, french
from seqvise.corpus.phrasebook.rules import RULES, Rule
from seqvise.dice import Dice

PAIRS_OF_A_RULE = 330
DRAWS_OF_A_RULE = 3 * PAIRS_OF_A_RULE
"""A rule that cannot say enough different things ends here with fewer pairs."""


def phrasebook_pairs() -> Iterator[tuple[str, str]]:
    """French questions and their English translations, each French one once, always in the same order.

    The rules take turns, so that the first pairs are of all kinds.
    """
    said: set[str] = set()
    for pair in chain.from_iterable(zip_longest(*map(_pairs, RULES))):
        if pair is not None and pair[0] not in said:
            said.add(pair[0])
            yield pair


def _pairs(rule: Rule) -> Iterator[tuple[str, str]]:
    dice = Dice(rule.__name__)
    found: dict[str, str] = {}
    for _ in range(DRAWS_OF_A_RULE):
        if len(found) == PAIRS_OF_A_RULE:
            break
        phrase = rule(dice)
        found[french.sentence(phrase.french)] = english.sentence(phrase.english)
    yield from found.items()
