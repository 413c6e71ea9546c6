"""What preparing a corpus found, kept in the store's manifest."""

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
    """What was read of one input.

    Attributes:
        read: pairs.
        dropped: by reason, pairs that a filter dropped.
        noticed: by kind, faults of text that was kept.
    """

    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    noticed: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, pairs: int = 1) -> None:
        """Counts pairs that a filter dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + pairs

    def notice(self, fault: str, times: int = 1) -> None:
        """Counts a fault of text that goes on."""
        if times:
            self.noticed[fault] = self.noticed.get(fault, 0) + times

    def plus(self, other: FilterCounts) -> FilterCounts:
        """The counts of both."""
        return FilterCounts(
            self.read + other.read, _sum(self.dropped, other.dropped), _sum(self.noticed, other.noticed)
        )

    def summary(self) -> str:
        """For example ``10 pairs read; dropped: an empty side 4``."""
        dropped = f"{self.read:,} pairs read; dropped: {_listed(self.dropped) or 'none'}"
        return f"{dropped}; noticed: {_listed(self.noticed)}" if self.noticed else dropped


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in left | right}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


PERCENTILES = (50, 90, 95, 97, 99, 100)


@dataclass(frozen=True)
class SideReport:
    """One side of the training part.

    Attributes:
        language: its code.
        words: entries of the vocabulary, the four specials included.
        distinct: distinct words of the training part before the vocabulary was limited.
        tokens: words of the training part, ``<eos>`` not counted.
        unknown: share of the validation part's words that the vocabulary lacks.
        lengths: percentile -> length in words of training sentences, ``<eos>`` counted, before the cut.
        cut: length with ``<eos>`` at which sentences were cut, or None.
    """

    language: str
    words: int
    distinct: int
    tokens: int
    unknown: float
    lengths: dict[int, int]
    cut: int | None


@dataclass(frozen=True)
class CorpusReport:
    """A prepared corpus in numbers.

    Attributes:
        inputs: what was read and dropped of each input (``train``, and ``valid`` and ``test`` where given).
        kept: pairs of each part.
        source, target: the two sides.
        warnings: sentences about what is probably not meant.
    """

    inputs: dict[str, FilterCounts]
    kept: dict[str, int]
    source: SideReport
    target: SideReport
    warnings: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """Pairs read of all inputs."""
        return sum(tally.read for tally in self.inputs.values())

    @property
    def dropped(self) -> dict[str, int]:
        """Pairs that each filter dropped of all inputs."""
        return dict(sum((Counter(tally.dropped) for tally in self.inputs.values()), Counter()))

    @property
    def noticed(self) -> dict[str, int]:
        """Faults of text that was kept, of all inputs."""
        return dict(sum((Counter(tally.noticed) for tally in self.inputs.values()), Counter()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CorpusReport:
        """The inverse of ``as_dict``, after a JSON file has made every key a string."""
        inputs = {name: _tally(tally) for name, tally in content["inputs"].items()}
        sides = _side(content["source"]), _side(content["target"])
        return cls(inputs, dict(content["kept"]), *sides, tuple(content.get("warnings", ())))


def length_percentile(counts: NDArray[np.int64], percentile: float) -> int:
    """The length at a percentile, rounded down as in the lesson.

    Between two sentences it is interpolated as ``numpy.percentile`` does.

    Args:
        counts: (longest + 1,) sentences of each length; there is at least one.
    """
    up_to = np.cumsum(counts)
    place = percentile / 100 * (int(up_to[-1]) - 1)
    below, above = np.searchsorted(up_to, [math.floor(place), math.ceil(place)], side="right")
    share = place - math.floor(place)
    return int(below + (above - below) * share if share < 0.5 else above - (above - below) * (1 - share))


def length_percentiles(counts: NDArray[np.int64]) -> dict[int, int]:
    """Percentile -> length. counts: see ``length_percentile``."""
    return {p: length_percentile(counts, p) for p in PERCENTILES}


def _tally(content: Mapping[str, Any]) -> FilterCounts:
    return FilterCounts(content["read"], dict(content["dropped"]), dict(content.get("noticed", {})))


def _side(content: Mapping[str, Any]) -> SideReport:
    lengths = {int(p): int(length) for p, length in content["lengths"].items()}
    return SideReport(**{**content, "lengths": lengths})
