"""The largest scores found block by block are the largest scores."""

from unittest import mock

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.decoding import beam as topk
from seqvise.decoding.beam import BLOCK, best_words


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 1500), st.integers(1, 12), st.integers(0, 10_000), st.sampled_from([0, topk.FEW])
)
def test_it_gives_what_a_full_search_gives(rows: int, words: int, count: int, seed: int, few: int) -> None:
    count = min(count, words)
    torch.manual_seed(seed)
    scores = torch.randn(rows, words)
    scores[torch.rand(rows, words) < 0.3] = float("-inf")
    with mock.patch.object(topk, "FEW", few):
        values, found = best_words(scores, count)
    assert torch.equal(values, scores.topk(count, 1).values)
    assert torch.equal(scores.gather(1, found), values)
    assert all(len(set(row)) == count for row in found.tolist())


def test_words_behind_the_last_whole_block_count() -> None:
    scores = torch.zeros(1, 10 * BLOCK + 3)
    scores[0, -1], scores[0, 5] = 2.0, 1.0
    with mock.patch.object(topk, "FEW", 0):
        assert best_words(scores, 2)[1].tolist() == [[10 * BLOCK + 2, 5]]
