"""Which pairs of a corpus are kept, with a count of what each filter dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from seqvise.corpus.options import QUESTION_PATTERNS, DataOptions
from seqvise.corpus.readers import Pair

EMPTY, QUESTION, DUPLICATE, LONG, LIMIT = (
    "an empty side",
    "not a question on both sides",
    "a repeated pair",
    "longer than data.max_tokens",
    "beyond data.limit",
)


@dataclass
class Tally:
    """What was read of one input, and how many pairs each filter dropped of it."""

    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str) -> None:
        """Counts a pair that a filter dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def summary(self) -> str:
        """For example ``10 pairs read; dropped: an empty side 4``."""
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.dropped.items())
        return f"{self.read:,} pairs read; dropped: {reasons or 'none'}"


def question_patterns(data: DataOptions) -> dict[str, str]:
    """The regular expression of each language whose questions are kept."""
    return data.question_patterns or QUESTION_PATTERNS


def keep_pairs(pairs: Iterator[Pair], data: DataOptions, tally: Tally, whole: bool = False) -> Iterator[Pair]:
    """The pairs that pass the filters on text: no empty side, questions on both sides if asked for, no exact repeat.

    Of a question only what its pattern matched is kept, as in the lesson.

    Args:
        tally: receives the counts.
        whole: keep repeats, as a test set that others score on must stay whole.
    """
    pairs = _counted(pairs, tally)
    if data.questions_only:
        pairs = _questions(pairs, data, tally)
    pairs = _non_empty(pairs, tally)
    return _distinct(pairs, tally) if data.deduplicate and not whole else pairs


def _counted(pairs: Iterator[Pair], tally: Tally) -> Iterator[Pair]:
    for pair in pairs:
        tally.read += 1
        yield pair


def _non_empty(pairs: Iterator[Pair], tally: Tally) -> Iterator[Pair]:
    for pair in pairs:
        if pair.source and pair.target:
            yield pair
        else:
            tally.drop(EMPTY)


def _distinct(pairs: Iterator[Pair], tally: Tally) -> Iterator[Pair]:
    seen: set[bytes] = set()
    for pair in pairs:
        key = blake2b("\n".join(pair).encode(), digest_size=8).digest()
        if key in seen:
            tally.drop(DUPLICATE)
        else:
            seen.add(key)
            yield pair


def _questions(pairs: Iterator[Pair], data: DataOptions, tally: Tally) -> Iterator[Pair]:
    patterns = question_patterns(data)
    search_source, search_target = (re.compile(patterns[language]).search for language in data.languages())
    for pair in pairs:
        source, target = search_source(pair.source), search_target(pair.target)
        if source and target:
            yield Pair(_matched(source), _matched(target))
        else:
            tally.drop(QUESTION)


def _matched(match: re.Match[str]) -> str:
    return str(match[min(1, match.re.groups)] or "").strip()
