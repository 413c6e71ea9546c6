"""Sentences told apart by a number that each has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LENGTHS = (0, 1, 6, 11, 16, 21, 31, 41, 61, 101)
"""Where each range of source lengths starts."""
UNKNOWNS = (0, 1, 2, 3, 5, 9)
"""Where each range of counts of unknown words starts."""


class Group(NamedTuple):
    """Sentences whose number lies in one range.

    Attributes:
        label: the range, as ``0``, ``6-10`` or ``101+``.
        members: their places, ascending.
    """

    label: str
    members: NDArray[np.int64]


def grouped(values: NDArray[np.int64], starts: Sequence[int]) -> list[Group]:
    """The ranges that have members, in order.

    Args:
        values: (N,) a number for each sentence, none below ``starts[0]``.
        starts: where each range starts, ascending; the last one has no end.
    """
    places = np.searchsorted(starts, values, side="right") - 1
    ends = [following - 1 for following in starts[1:]]
    labels = [str(low) if low == high else f"{low}-{high}" for low, high in zip(starts, ends, strict=False)]
    labels.append(f"{starts[-1]}+")
    groups = [Group(label, np.flatnonzero(places == place)) for place, label in enumerate(labels)]
    return [group for group in groups if len(group.members)]
