"""Random segmentations into sub-words, reproducible across processes.

SentencePiece can sample too, but its draws follow a seed within one process only.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

SPACE = "▁"
"""SentencePiece's mark for the space before a word; no piece extends into the next word."""
UNKNOWN_PENALTY = 10.0
"""Difference between the lowest score of a piece and the score of a character without a piece; as in SentencePiece."""
CACHED = 1 << 15
"""Number of words whose lattices are cached."""

Draw = Callable[[], float]
"""Returns a random number, 0 <= x < 1."""
# For each end position in the word: possible starts of the last piece, and their cumulative weights.
_Lattice = list[tuple[list[int], list[float]]]


class UnigramSampler:
    """Samples segmentations of a unigram model with probability proportional to p(x) ** alpha.

    Kudo 2018, arXiv:1804.10959, equation 8, over all segmentations, by forward filtering and backward sampling.

    Args:
        scores: natural logarithm of the probability of each piece.
        alpha: exponent, at least 0.
    """

    def __init__(self, scores: Mapping[str, float], alpha: float) -> None:
        self._scores, self._alpha = scores, alpha
        self._unknown_score = min(scores.values(), default=0.0) - UNKNOWN_PENALTY
        self._max_length = max(map(len, scores), default=1)
        self._lattice = lru_cache(CACHED)(self._build_lattice)

    def split(self, word: str, draw: Draw) -> list[str]:
        """The pieces of a word with its ``SPACE``; each character without a piece becomes a piece."""
        lattice, end, pieces = self._lattice(word), len(word), []
        while end:
            starts, cumulative = lattice[end]
            start = starts[bisect(cumulative, draw() * cumulative[-1])] if len(starts) > 1 else starts[0]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _build_lattice(self, word: str) -> _Lattice:
        forward = [0.0]  # for each end, the logarithm of the total weight of its segmentations
        lattice: _Lattice = [([], [])]
        for end in range(1, len(word) + 1):
            starts, weights = [], []
            for start in range(max(0, end - self._max_length), end):
                score = self._scores.get(word[start:end], self._unknown_score if start == end - 1 else None)
                if score is not None:
                    starts.append(start)
                    weights.append(forward[start] + self._alpha * score)
            highest = max(weights)
            cumulative = list(accumulate(math.exp(weight - highest) for weight in weights))
            forward.append(highest + math.log(cumulative[-1]))
            lattice.append((starts, cumulative))
        return lattice


class BPEDropout:
    """BPE dropout: byte pair encoding in which each merge is dropped with some probability at each step.

    Provilkov et al. 2020, arXiv:1910.13267, algorithm 1.

    Args:
        scores: score of each piece; the merge with the highest score is applied first.
        dropout: probability of dropping a merge.
    """

    def __init__(self, scores: Mapping[str, float], dropout: float) -> None:
        self._scores, self._dropout = scores, dropout

    def split(self, word: str, draw: Draw) -> list[str]:
        """The pieces of a word with its ``SPACE``; each character without a piece becomes a piece."""
        pieces = list(word)
        while position := self._best_merge(pieces, draw):
            pieces[position - 1 : position + 1] = [pieces[position - 1] + pieces[position]]
        return pieces

    def _best_merge(self, pieces: Sequence[str], draw: Draw) -> int:
        """Position of the second piece of the best merge that is not dropped; 0 if there is none."""
        best_score, best_position = -math.inf, 0
        for position, (left, right) in enumerate(pairwise(pieces), start=1):
            score = self._scores.get(left + right)
            if score is not None and draw() >= self._dropout and score > best_score:
                best_score, best_position = score, position
        return best_position
