"""Counts of what was read, dropped and noticed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
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

    def plus(self, other: Tally) -> Tally:
        """The counts of both."""
        return Tally(self.read + other.read, _sum(self.dropped, other.dropped), _sum(self.noticed, other.noticed))

    def summary(self) -> str:
        """For example ``10 pairs read; dropped: an empty side 4``."""
        dropped = f"{self.read:,} pairs read; dropped: {_listed(self.dropped) or 'none'}"
        return f"{dropped}; noticed: {_listed(self.noticed)}" if self.noticed else dropped


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in left | right}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
