"""Accuracy and F1 against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seqvise.tasks.classification import accuracy, f1_scores, macro_f1


def test_scores_by_hand() -> None:
    counts = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    # Precision 3/5 and recall 3/4; precision 4/5 and recall 4/6; the third label neither occurs nor is predicted.
    expected = [2 * 0.6 * 0.75 / 1.35, 2 * 0.8 * (2 / 3) / (0.8 + 2 / 3), 0.0]
    assert f1_scores(counts).tolist() == pytest.approx(expected)
    assert macro_f1(counts) == pytest.approx((expected[0] + expected[1]) / 2)
    assert accuracy(counts) == pytest.approx(0.7)
    assert macro_f1(np.zeros((2, 2), np.int64)) == 0.0
