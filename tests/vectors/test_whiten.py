"""Whitening against its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from seqvise.vectors.lexicon import Lexicon
from seqvise.vectors.whiten import Whitening, whitened


def vectors(count: int = 4000) -> np.ndarray:
    random = np.random.default_rng(0)
    found = random.normal(size=(count, 5)) * [3.0, 1.0, 1.0, 0.5, 0.3] + [2.0, 0.0, 0.0, 0.0, 0.0]
    return np.asarray(found, np.float32)


def test_full_power_leaves_no_direction_longer_than_another() -> None:
    given = vectors()
    units = given / np.linalg.norm(given, axis=1, keepdims=True)
    whitening = Whitening.of(given, 1.0)
    np.testing.assert_allclose(np.cov((units - whitening.mean) @ whitening.map, rowvar=False), np.eye(5), atol=1e-4)


def test_no_power_only_takes_the_mean_away() -> None:
    given = vectors()
    units = given / np.linalg.norm(given, axis=1, keepdims=True)
    plain = units - units.mean(0)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(Whitening.of(given, 0.0)(given[:9]), plain[:9], atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_lengths_do_not_matter_and_zeros_stay(power: float) -> None:
    whitening, given = Whitening.of(vectors(), power), vectors(6)
    np.testing.assert_allclose(whitening(given * 7), whitening(given), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(whitening(given), axis=1), 1, atol=1e-5)
    assert not whitening(np.zeros((1, 5), np.float32)).any()


def test_a_lexicon_keeps_its_words() -> None:
    given = vectors(300)
    lexicon = Lexicon(tuple(map(str, range(300))), given, "made.vec", 900)
    found = whitened(lexicon, np.arange(100), 0.5)
    assert (found.words, found.name, found.total) == (lexicon.words, "made.vec", 900)
    np.testing.assert_allclose(found.matrix, Whitening.of(given[:100], 0.5)(given), atol=1e-5)
