"""Properties of batches over random corpora."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqvise.datamodules.sampler import (
    BatchSize,
    Place,
    TrainingSampler,
    evaluation_batches,
    sorted_order,
    training_batches,
)

Lengths = NDArray[np.int32]


def lengths_of(count: int, seed: int) -> Lengths:
    return np.random.default_rng(seed).integers(1, 30, (count, 2)).astype(np.int32)


sizes = st.one_of(st.integers(1, 16).map(BatchSize), st.integers(116, 400).map(lambda tokens: BatchSize(None, tokens)))


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 300), sizes, st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_every_sentence_once_and_as_many_batches_on_every_rank(
    count: int, size: BatchSize, world: int, seed: int, epoch: int
) -> None:
    lengths = lengths_of(count, seed)
    ranks = [training_batches(lengths, size, seed, epoch, rank, world) for rank in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    assert len(ranks[0]) == len(training_batches(lengths, size, seed, epoch + 1, 0, world))
    rows = np.concatenate([batch for batches in ranks for batch in batches])
    assert sorted(rows.tolist()) == list(range(count))
    assert all(len(batch) for batches in ranks for batch in batches)


@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 3))
def test_evaluation_is_sorted_and_whole(count: int, size: int, world: int) -> None:
    count = max(count, world)
    lengths = lengths_of(count, 1)
    ranks = [evaluation_batches(lengths, BatchSize(size), rank, world) for rank in range(world)]
    rows = np.concatenate([batch for batches in ranks for batch in batches])
    assert sorted(rows.tolist()) == list(range(count))
    one = np.concatenate(evaluation_batches(lengths, BatchSize(size)))
    assert (np.diff(lengths[one, 1]) <= 0).all()


def test_two_processes_share_the_batches_of_one() -> None:
    lengths = lengths_of(100, 3)
    alone = training_batches(lengths, BatchSize(10), 7, 2)
    shared = [training_batches(lengths, BatchSize(5), 7, 2, rank, 2) for rank in (0, 1)]
    assert [sorted(batch.tolist()) for batch in alone] == [
        sorted(np.concatenate(parts).tolist()) for parts in zip(*shared, strict=True)
    ]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    lengths = lengths_of(200, 0)

    def rows(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in training_batches(lengths, BatchSize(8), seed, epoch)]

    assert rows(0, 0) == rows(0, 0)
    assert rows(0, 0) != rows(0, 1)
    assert rows(0, 0) != rows(1, 0)


def test_the_longest_batch_comes_first() -> None:
    lengths = lengths_of(500, 0)
    batches = training_batches(lengths, BatchSize(8), 0, 0)
    assert lengths[batches[0]].max() == lengths.max()


def test_neighbours_have_nearly_equal_lengths() -> None:
    lengths = lengths_of(2000, 0)
    spreads = [np.ptp(lengths[batch, 1]) for batch in training_batches(lengths, BatchSize(8), 0, 0)]
    assert np.mean(spreads) < 3  # at random it would be about 24


def test_token_budgets_are_kept_on_average() -> None:
    lengths = lengths_of(2000, 0)
    totals = [lengths[batch].sum() for batch in training_batches(lengths, BatchSize(None, 300), 0, 0)]
    assert max(totals) <= 300 + 60  # a cut falls inside a pair of at most 60 words
    assert np.mean(totals) > 290


def test_order_by_hand() -> None:
    # Longest target first, then longest source, then the first in the file.
    lengths = np.array([[3, 2], [5, 4], [9, 4], [3, 2]], dtype=np.int32)
    assert sorted_order(lengths).tolist() == [2, 1, 0, 3]


def test_the_sampler_follows_the_epoch() -> None:
    sampler = TrainingSampler(lengths_of(50, 0), BatchSize(7), 0, 0, 1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert len(sampler) == len(list(sampler)) == 8
    assert list(sampler) != first


def test_an_epoch_that_was_broken_off_goes_on_behind_its_batches() -> None:
    lengths = np.array([[n % 7 + 1, n % 5 + 1] for n in range(50)], np.int32)
    whole, rest = (TrainingSampler(lengths, BatchSize(4), 3, 0, 1) for _ in range(2))
    rest.start_at(Place(2, 5))
    whole.set_epoch(2)
    assert list(rest) == list(whole)[5:]
    assert len(rest) == len(whole)
    for sampler in (whole, rest):
        sampler.set_epoch(3)
    assert list(rest) == list(whole)
