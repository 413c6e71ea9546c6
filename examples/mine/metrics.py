"""A metric for short sentences, in which every word counts."""

from __future__ import annotations

from collections.abc import Sequence


def exact_match(outputs: Sequence[str], references: Sequence[str]) -> float:
    """The percentage of translations that equal their reference."""
    return 100 * sum(map(str.__eq__, outputs, references)) / len(references)
