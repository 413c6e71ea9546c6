"""How fast training goes, validation left out."""

from __future__ import annotations

import time
from collections.abc import Callable


class Speedometer:
    """Counts tokens and sentences over the time between laps; data loading counts, validation does not.

    Args:
        clock: seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mark = clock()
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted, and counts time from now."""
        self.seconds, self.tokens, self.sentences = 0.0, 0, 0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time since the last batch."""
        self._mark = self._clock()

    def add(self, tokens: int, sentences: int) -> None:
        """Counts a batch that has just ended."""
        now = self._clock()
        self.seconds += now - self._mark
        self._mark = now
        self.tokens += tokens
        self.sentences += sentences

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second since the last reset; 0 before the first batch."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def sentences_per_second(self) -> float:
        """Sentences a second since the last reset; 0 before the first batch."""
        return self.sentences / self.seconds if self.seconds else 0.0
