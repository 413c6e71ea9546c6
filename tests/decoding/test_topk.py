"""The search by blocks finds the same largest scores as ``topk``."""

from unittest import mock

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.decoding import beam
from seqvise.decoding.beam import BLOCK, topk_words


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 1500),
    st.integers(1, 12),
    st.integers(0, 10_000),
    st.sampled_from([0, beam.MIN_SCORES_FOR_BLOCKS]),
)
def test_it_equals_topk(rows: int, vocab_size: int, count: int, seed: int, minimum: int) -> None:
    count = min(count, vocab_size)
    torch.manual_seed(seed)
    scores = torch.randn(rows, vocab_size)
    scores[torch.rand(rows, vocab_size) < 0.3] = float("-inf")
    with mock.patch.object(beam, "MIN_SCORES_FOR_BLOCKS", minimum):
        values, words = topk_words(scores, count)
    assert torch.equal(values, scores.topk(count, 1).values)
    assert torch.equal(scores.gather(1, words), values)
    assert all(len(set(row)) == count for row in words.tolist())


def test_words_after_the_last_full_block_count() -> None:
    scores = torch.zeros(1, 10 * BLOCK + 3)
    scores[0, -1], scores[0, 5] = 2.0, 1.0
    with mock.patch.object(beam, "MIN_SCORES_FOR_BLOCKS", 0):
        assert topk_words(scores, 2)[1].tolist() == [[10 * BLOCK + 2, 5]]
