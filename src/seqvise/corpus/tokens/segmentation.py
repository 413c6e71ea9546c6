"""Random segmentations into sub-words, drawn here: a seed gives the same pieces in every process.

SentencePiece's own draws follow its seed within one process only.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

SPACE = "▁"
"""How SentencePiece writes the space before a word; no piece goes on behind the next one."""
UNKNOWN_PENALTY = 10.0
"""How far the score of a character without a piece is below the lowest score of a piece; as in SentencePiece."""
CACHED = 1 << 15
"""Words whose lattices are kept."""

Draw = Callable[[], float]
"""A random number, 0 <= x < 1."""
# For each end in the word: where the last piece can start, and the chance that it starts there or before.
_Lattice = list[tuple[list[int], list[float]]]


class UnigramDraws:
    """Draws of a unigram model: each segmentation x with a chance in proportion to p(x) ** alpha (Kudo 2018,
    arXiv:1804.10959, equation 8, over all segmentations), by forward filtering and backward sampling.

    Args:
        scores: each piece's natural logarithm of probability.
        alpha: the power, at least 0.
    """

    def __init__(self, scores: Mapping[str, float], alpha: float) -> None:
        self._scores, self._alpha = scores, alpha
        self._unknown = min(scores.values(), default=0.0) - UNKNOWN_PENALTY
        self._longest = max(map(len, scores), default=1)
        self._lattice = lru_cache(CACHED)(self._make_lattice)

    def split(self, word: str, draw: Draw) -> list[str]:
        """The pieces of a word with its ``SPACE``; characters without a piece stand alone."""
        lattice, end, pieces = self._lattice(word), len(word), []
        while end:
            starts, chances = lattice[end]
            start = starts[bisect(chances, draw() * chances[-1])] if len(starts) > 1 else starts[0]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _make_lattice(self, word: str) -> _Lattice:
        forward = [0.0]  # of each end, the logarithm of all its segmentations' weights
        lattice: _Lattice = [([], [])]
        for end in range(1, len(word) + 1):
            starts, weights = [], []
            for start in range(max(0, end - self._longest), end):
                score = self._scores.get(word[start:end], self._unknown if start == end - 1 else None)
                if score is not None:
                    starts.append(start)
                    weights.append(forward[start] + self._alpha * score)
            highest = max(weights)
            chances = list(accumulate(math.exp(weight - highest) for weight in weights))
            forward.append(highest + math.log(chances[-1]))
            lattice.append((starts, chances))
        return lattice


class MergeDraws:
    """Draws of a byte pair encoding: the best merge is made again and again, but each merge is left out with a chance
    at each step (Provilkov et al. 2020, arXiv:1910.13267, algorithm 1).

    Args:
        scores: of each piece; the merge that makes the highest is made first.
        dropout: the chance.
    """

    def __init__(self, scores: Mapping[str, float], dropout: float) -> None:
        self._scores, self._dropout = scores, dropout

    def split(self, word: str, draw: Draw) -> list[str]:
        """The pieces of a word with its ``SPACE``; characters without a piece stand alone."""
        pieces = list(word)
        while place := self._merge(pieces, draw):
            pieces[place - 1 : place + 1] = [pieces[place - 1] + pieces[place]]
        return pieces

    def _merge(self, pieces: Sequence[str], draw: Draw) -> int:
        """The second place of the best merge that is not left out; 0 where there is none."""
        best, found = -math.inf, 0
        for place, (left, right) in enumerate(pairwise(pieces), start=1):
            score = self._scores.get(left + right)
            if score is not None and draw() >= self._dropout and score > best:
                best, found = score, place
        return found
