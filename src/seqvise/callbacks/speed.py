"""How fast training goes, validation left out."""

from __future__ import annotations

import time
from collections.abc import Callable

from seqvise.callbacks.hooks import SENTENCES


class Speedometer:
    """Counts tokens and items, such as sentences, over the time between laps; data loading counts, validation does not.

    Args:
        clock: seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mark = clock()
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted, and counts time from now."""
        self.seconds, self.tokens, self.items = 0.0, 0, 0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time since the last batch."""
        self._mark = self._clock()

    def add(self, tokens: int, items: int) -> None:
        """Counts a batch that has just ended."""
        now = self._clock()
        self.seconds += now - self._mark
        self._mark = now
        self.tokens += tokens
        self.items += items

    def rates(self, unit: str = SENTENCES) -> dict[str, float]:
        """Items a second since the last reset, by the name of their unit, behind the tokens of sentences; 0 before the
        first batch."""
        found = {"tokens": self.tokens, unit: self.items} if unit == SENTENCES else {unit: self.items}
        return {name: count / self.seconds if self.seconds else 0.0 for name, count in found.items()}
