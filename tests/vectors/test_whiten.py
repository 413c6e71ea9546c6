"""Whitening against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from seqvise.vectors.lexicon import Lexicon
from seqvise.vectors.whiten import Whitening, whitened


def vectors(count: int = 4000) -> np.ndarray:
    random = np.random.default_rng(0)
    data = random.normal(size=(count, 5)) * [3.0, 1.0, 1.0, 0.5, 0.3] + [2.0, 0.0, 0.0, 0.0, 0.0]
    return np.asarray(data, np.float32)


def test_full_power_equalises_all_variances() -> None:
    data = vectors()
    units = data / np.linalg.norm(data, axis=1, keepdims=True)
    whitening = Whitening.of(data, 1.0)
    np.testing.assert_allclose(np.cov((units - whitening.mean) @ whitening.matrix, rowvar=False), np.eye(5), atol=1e-4)


def test_no_power_only_subtracts_the_mean() -> None:
    data = vectors()
    units = data / np.linalg.norm(data, axis=1, keepdims=True)
    plain = units - units.mean(0)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(Whitening.of(data, 0.0)(data[:9]), plain[:9], atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_lengths_do_not_matter_and_zeros_stay_zero(power: float) -> None:
    whitening, data = Whitening.of(vectors(), power), vectors(6)
    np.testing.assert_allclose(whitening(data * 7), whitening(data), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(whitening(data), axis=1), 1, atol=1e-5)
    assert not whitening(np.zeros((1, 5), np.float32)).any()


def test_a_lexicon_keeps_its_words() -> None:
    data = vectors(300)
    lexicon = Lexicon(tuple(map(str, range(300))), data, "made.vec", 900)
    result = whitened(lexicon, np.arange(100), 0.5)
    assert (result.words, result.name, result.total) == (lexicon.words, "made.vec", 900)
    np.testing.assert_allclose(result.matrix, Whitening.of(data[:100], 0.5)(data), atol=1e-5)
