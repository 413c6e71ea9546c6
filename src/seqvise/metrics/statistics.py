"""sacreBLEU's counts per sentence; the score of any set of sentences follows from the sum of their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHUNK = 10_000
"""Sentences counted at once: sacreBLEU's lists of numbers take ten times the memory of an array."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """One metric's counts for each sentence of a corpus."""

    metric: Any  # a metric of sacreBLEU
    rows: Floats  # (N, K), one row per sentence; whole numbers, so that sums are exact

    @property
    def signature(self) -> str:
        """sacreBLEU's signature, which records how the scores are computed."""
        return str(self.metric.get_signature())

    def score(self) -> float:
        """The score of the corpus, equal to the metric's ``corpus_score``."""
        return float(self.scores(self.rows.sum(0)[None])[0])

    def scores(self, sums: Floats) -> Floats:
        """A score for each sum of counts. sums: (M, K). Returns (M,)."""
        # Private methods, as in sacreBLEU's PairedTest: the public ones need the texts.
        return np.array([self.metric._compute_score_from_stats(row).score for row in sums], np.float64)

    def subset(self, members: NDArray[np.int64]) -> Statistics:
        """The counts of some of the sentences. members: their indices."""
        return Statistics(self.metric, self.rows[members])


def count(metric: Any, outputs: Sequence[str], references: Sequence[str]) -> Statistics:
    """Counts of each sentence for a metric of sacreBLEU.

    Args:
        metric: one of ``text_metrics``, or ``token_metric``.
        outputs: N translations, N > 0.
        references: one reference per translation.
    """
    starts = range(0, len(outputs), CHUNK)
    parts = [_rows(metric, outputs[start : start + CHUNK], references[start : start + CHUNK]) for start in starts]
    return Statistics(metric, np.concatenate(parts))


def _rows(metric: Any, outputs: Sequence[str], references: Sequence[str]) -> Floats:
    return np.asarray(metric._extract_corpus_statistics(outputs, [references]), np.float64)
