"""Properties of batches over random corpora."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqvise.datamodules.packing import packed_batches
from seqvise.datamodules.sampler import (
    BatchSize,
    TrainingProgress,
    TrainingSampler,
    evaluation_batches,
    sorted_order,
    training_batches,
)

Lengths = NDArray[np.int32]


def lengths_of(count: int, seed: int) -> Lengths:
    return np.random.default_rng(seed).integers(1, 30, (count, 2)).astype(np.int32)


sizes = st.one_of(
    st.integers(1, 16).map(BatchSize),
    st.builds(BatchSize, st.none(), st.integers(124, 400), st.booleans(), st.sampled_from([1, 4])),
)


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
def test_evaluation_is_sorted_and_complete(count: int, size: int, world: int) -> None:
    count = max(count, world)
    lengths = lengths_of(count, 1)
    ranks = [evaluation_batches(lengths, BatchSize(size), rank, world) for rank in range(world)]
    rows = np.concatenate([batch for batches in ranks for batch in batches])
    assert sorted(rows.tolist()) == list(range(count))
    all_rows = np.concatenate(evaluation_batches(lengths, BatchSize(size)))
    assert (np.diff(lengths[all_rows, 1]) <= 0).all()


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


def test_the_longest_batch_is_first() -> None:
    lengths = lengths_of(500, 0)
    batches = training_batches(lengths, BatchSize(8), 0, 0)
    assert lengths[batches[0]].max() == lengths.max()


def test_neighbours_have_nearly_equal_lengths() -> None:
    lengths = lengths_of(2000, 0)
    spreads = [np.ptp(lengths[batch, 1]) for batch in training_batches(lengths, BatchSize(8), 0, 0)]
    assert np.mean(spreads) < 3  # at random it would be about 24


def test_token_budgets_are_kept_on_average() -> None:
    lengths = lengths_of(2000, 0)
    totals = [lengths[batch].sum() for batch in training_batches(lengths, BatchSize(None, 300, padded=False), 0, 0)]
    assert max(totals) <= 300 + 60  # a cut falls inside a pair of at most 60 words
    assert np.mean(totals) > 290


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 400), st.integers(124, 900), st.integers(1, 3), st.sampled_from([1, 3, 8]), st.integers(0, 5))
def test_token_budgets_bound_batches_with_their_padding(
    count: int, tokens: int, world: int, bucket: int, seed: int
) -> None:
    lengths, size = lengths_of(max(count, world), seed), BatchSize(None, tokens, bucket=bucket)
    for epoch in range(3):
        for rank in range(world):
            for batch in training_batches(lengths, size, seed, epoch, rank, world):
                source, target = lengths[batch].max(0).tolist()
                assert len(batch) * (-(-source // bucket) * bucket + target) <= tokens


def test_token_budgets_are_used() -> None:
    lengths, size = lengths_of(5000, 0), BatchSize(None, 1200)
    for epoch in range(3):
        batches = training_batches(lengths, size, 0, epoch)
        padded = [len(batch) * lengths[batch].max(0).sum() for batch in batches]
        assert max(padded) <= 1200
        assert np.mean(padded) > 1000
    orders = [[batch.tolist() for batch in training_batches(lengths, size, 0, epoch)] for epoch in range(2)]
    assert orders[0] != orders[1]


def test_batches_within_a_budget_by_hand() -> None:
    widths = np.array([[3, 3], [2, 2], [2, 2], [1, 1], [1, 1]])

    def in_order(_pool: int, _trial: bool) -> NDArray[np.int64]:
        return np.arange(5)

    single_process = packed_batches(widths, 12, 1, 5, in_order)
    # Two rows with the columns of the first, 2 * 6 = 12; then three with those of the third, 3 * 4 = 12.
    assert [batch.tolist() for batch in single_process] == [[0, 1], [2, 3, 4]]
    # With two processes, a batch has an additional row for each.
    two_processes = packed_batches(widths, 12, 2, 5, in_order)
    assert [batch.tolist() for batch in two_processes] == [[0, 1, 2], [3, 4]]


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


def test_an_interrupted_epoch_resumes_after_its_batches() -> None:
    lengths = np.array([[n % 7 + 1, n % 5 + 1] for n in range(50)], np.int32)
    whole, rest = (TrainingSampler(lengths, BatchSize(4), 3, 0, 1) for _ in range(2))
    rest.start_at(TrainingProgress(2, 5))
    whole.set_epoch(2)
    assert list(rest) == list(whole)[5:]
    assert len(rest) == len(whole)
    for sampler in (whole, rest):
        sampler.set_epoch(3)
    assert list(rest) == list(whole)
