"""Which target words translate a source word: IBM Model 1.

Brown et al. 1993, "The Mathematics of Statistical Machine Translation: Parameter Estimation", section 4.2: each target
word comes from one source word of its pair, or from none, each equally likely to be the one; chances by expectation
maximisation, whose likelihood has one maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.vocabulary import BOS, EOS

Ints = NDArray[np.int64]

NOTHING = BOS
"""Stands for the source word that is none: no sentence holds it."""
ROUNDS = 5
SAMPLE = 10_000
"""Pairs by which the size of a corpus is judged."""
MOST_PLACES = 20_000_000
"""Meetings of a source and a target word that are looked at; of a larger corpus, pairs are taken evenly."""


class Column(Protocol):
    """Sentences by their place."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> NDArray[np.int32]: ...


@dataclass(frozen=True, eq=False)
class LexicalTable:
    """The likeliest target words of source words.

    Attributes:
        source: (n,) ids, ascending.
        target: (n,) ids; those of one source word stand together, the likeliest first.
        chance: (n,), the probability of the target word, given that it comes from the source word.
    """

    source: Ints
    target: Ints
    chance: NDArray[np.float64]


def lexical_table(sources: Column, targets: Column, most: int, rounds: int = ROUNDS) -> LexicalTable:
    """The table of a parallel corpus.

    Args:
        sources, targets: ids of each pair, ``EOS`` at the end.
        most: target words kept of each source word.
        rounds: of expectation maximisation.
    """
    pairs = list(_taken(sources, targets))
    first, counts, met, keys, which = _meetings(pairs)
    chance = np.ones(len(keys))
    for _ in range(rounds):
        value = chance[which]
        share = value / np.repeat(np.add.reduceat(value, first), counts)
        expected = np.bincount(which, share, len(keys))
        chance = expected / np.bincount(met[0], expected)[met[0]]
    order = np.lexsort((-chance, met[0]))
    source, target, chance = met[0][order], met[1][order], chance[order]
    begins = np.searchsorted(source, source)  # where the first entry of the same source word stands
    kept = (np.arange(len(source)) - begins < most) & (source != NOTHING)
    return LexicalTable(source[kept], target[kept], chance[kept])


def _taken(sources: Column, targets: Column) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Pairs without their end marks, those without a word left out; evenly over the corpus where it is too large."""
    count = len(sources)
    looked = np.linspace(0, count - 1, min(count, SAMPLE)).astype(int).tolist()
    places = count * float(np.mean([len(sources[row]) * len(targets[row]) for row in looked]))
    for row in np.arange(0, count, max(1.0, places / MOST_PLACES)).astype(int).tolist():
        source, target = sources[row], targets[row]
        source, target = source[source != EOS], target[target != EOS]
        if len(source) and len(target):
            yield source, target


def _meetings(
    pairs: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]],
) -> tuple[Ints, Ints, tuple[Ints, Ints], Ints, Ints]:
    """Every target word beside every source word of its pair.

    Returns:
        for each target word where its meetings begin, and how many they are; for each two words that meet, both; and a
        key of the two; for each meeting, which two they are.
    """
    source = np.concatenate([np.append(NOTHING, source) for source, _ in pairs]).astype(np.int64)
    target = np.concatenate([target for _, target in pairs]).astype(np.int64)
    heard = np.array([len(source) + 1 for source, _ in pairs])
    said = np.array([len(target) for _, target in pairs])
    counts = np.repeat(heard, said)
    first = np.cumsum(counts) - counts
    begins = np.repeat(np.cumsum(heard) - heard, said)
    at = np.arange(counts.sum()) - np.repeat(first - begins, counts)
    width = int(target.max()) + 1
    keys, which = np.unique(source[at] * width + np.repeat(target, counts), return_inverse=True)
    return first, counts, (keys // width, keys % width), keys, which
