"""Vectors that are nearly equal are reported, and training is long enough to avoid them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seqvise.vectors.initialise import embedding_matrix, mean_cosine
from seqvise.vectors.options import VectorOptions
from seqvise.vectors.train import epochs_for
from seqvise.vectors.words import Origin, WordVectors


def test_mean_cosine_is_that_of_all_pairs() -> None:
    rows = np.random.default_rng(0).normal(0.3, 1, (7, 4)).astype(np.float32)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.combinations(rows, 2)]
    assert mean_cosine(rows) == pytest.approx(np.mean(cosines), abs=1e-6)
    assert mean_cosine(rows[:1]) == 0


@pytest.mark.parametrize(("spread", "warned"), [(1.0, False), (0.01, True)])
def test_nearly_equal_vectors_are_reported(spread: float, warned: bool) -> None:
    words = ("<bos>", "<pad>", "<eos>", "<unk>", *map(str, range(30)))
    matrix = (float(spread < 1) + spread * np.random.default_rng(0).standard_normal((30, 8))).astype(np.float32)
    vectors = WordVectors(words[4:], matrix, np.full(30, Origin.EXACT, np.uint8))
    _, coverage = embedding_matrix(words, vectors, VectorOptions("fasttext", dim=8), seed=0)
    assert ("nearly equal" in str(coverage)) is warned


def test_small_texts_have_more_epochs() -> None:
    assert epochs_for(50_000) == 100
    assert epochs_for(50_001) == 100
    assert epochs_for(10_000_000) == 5
    assert epochs_for(0) == 200
