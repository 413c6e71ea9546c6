"""Counts and statistics of a prepared corpus, stored in its manifest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class FilterCounts:
    """Pairs read and dropped from one input.

    Attributes:
        dropped: reason -> pairs that a filter dropped.
        noticed: kind of fault -> occurrences in text that was kept.
    """

    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    noticed: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, pairs: int = 1) -> None:
        """Counts pairs that a filter dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + pairs

    def notice(self, fault: str, times: int = 1) -> None:
        """Counts a fault of text that is kept."""
        if times:
            self.noticed[fault] = self.noticed.get(fault, 0) + times

    def plus(self, other: FilterCounts) -> FilterCounts:
        """The sum of both counts."""
        return FilterCounts(
            self.read + other.read, summed(self.dropped, other.dropped), summed(self.noticed, other.noticed)
        )

    def summary(self) -> str:
        """For example ``10 pairs read; dropped: an empty side 4``."""
        dropped = f"{self.read:,} pairs read; dropped: {_listed(self.dropped) or 'none'}"
        return f"{dropped}; noticed: {_listed(self.noticed)}" if self.noticed else dropped


def counts_from_dict(content: Mapping[str, Any]) -> dict[str, FilterCounts]:
    """Input -> its counts, from the values of a JSON file; the first stores noticed nothing."""
    return {name: FilterCounts(**{"noticed": {}, **counts}) for name, counts in content.items()}


def summed(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    """The sum of the counts of each name."""
    return {name: left.get(name, 0) + right.get(name, 0) for name in left | right}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


PERCENTILES = (50, 90, 95, 97, 99, 100)


@dataclass(frozen=True)
class SideReport:
    """One side of the training part.

    Attributes:
        words: vocabulary size, including the four special tokens.
        distinct: distinct tokens of the training part, before the vocabulary was limited.
        tokens: tokens of the training part, without ``<eos>``.
        unknown: out-of-vocabulary rate of the validation part.
        lengths: percentile -> length of training sentences in tokens, with ``<eos>``, before truncation.
        cut: maximum length with ``<eos>``, to which longer sentences were truncated, or None.
    """

    language: str
    words: int
    distinct: int
    tokens: int
    unknown: float
    lengths: dict[int, int]
    cut: int | None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SideReport:
        """A report from the values of a JSON file."""
        return cls(**{**content, "lengths": {int(p): int(length) for p, length in content["lengths"].items()}})


@dataclass(frozen=True)
class CorpusReport:
    """Statistics of a prepared corpus.

    Attributes:
        inputs: input (``train``; ``valid`` and ``test`` if they are set) -> its counts.
        kept: part -> pairs.
        source, target: statistics of the two sides.
        warnings: sentences about probable mistakes.
    """

    inputs: dict[str, FilterCounts]
    kept: dict[str, int]
    source: SideReport
    target: SideReport
    warnings: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """Pairs read from all inputs."""
        return sum(tally.read for tally in self.inputs.values())

    @property
    def dropped(self) -> dict[str, int]:
        """Reason -> pairs that a filter dropped, over all inputs."""
        return dict(sum((Counter(tally.dropped) for tally in self.inputs.values()), Counter()))

    @property
    def noticed(self) -> dict[str, int]:
        """Kind of fault -> occurrences in text that was kept, over all inputs."""
        return dict(sum((Counter(tally.noticed) for tally in self.inputs.values()), Counter()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CorpusReport:
        """The inverse of ``as_dict``; accepts the string keys of a JSON file."""
        sides = SideReport.from_dict(content["source"]), SideReport.from_dict(content["target"])
        inputs = counts_from_dict(content["inputs"])
        return cls(inputs, dict(content["kept"]), *sides, tuple(content.get("warnings", ())))


def length_percentile(counts: NDArray[np.int64], percentile: float) -> int:
    """The length at a percentile, rounded down as in the fast.ai (2018) lesson.

    Interpolates between two lengths as ``numpy.percentile`` does.

    Args:
        counts: (maximum length + 1,) number of sentences of each length; at least one sentence in all.
    """
    cumulative = np.cumsum(counts)
    position = percentile / 100 * (int(cumulative[-1]) - 1)
    below, above = np.searchsorted(cumulative, [math.floor(position), math.ceil(position)], side="right")
    fraction = position - math.floor(position)
    return int(below + (above - below) * fraction if fraction < 0.5 else above - (above - below) * (1 - fraction))


def length_percentiles(counts: NDArray[np.int64]) -> dict[int, int]:
    """Percentile -> length. counts: see ``length_percentile``."""
    return {p: length_percentile(counts, p) for p in PERCENTILES}
