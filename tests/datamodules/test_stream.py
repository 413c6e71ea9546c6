"""Columns and windows of a stream, against the stream itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.corpus.documents.options import StreamOptions
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.sampler import TrainingProgress
from seqvise.datamodules.stream import (
    Columns,
    StreamDataModule,
    Window,
    WindowSampler,
    covering_columns,
    equal_columns,
    fixed_windows,
    random_windows,
)
from seqvise.errors import UserError
from seqvise.models.interface import PAD


def stream(length: int) -> np.ndarray:
    return np.arange(10, 10 + length, dtype=np.int32)


def targets_of(columns: Columns, windows: list[Window]) -> list[int]:
    """All targets; checks that the input of each is the word before it."""
    targets: list[int] = []
    for window in windows:
        batch = columns.batch(window)
        real = batch.targets != PAD
        assert torch.equal(batch.inputs[real] + 1, batch.targets[real])
        assert batch.token_count == len(batch) == int(real.sum())
        targets += batch.targets[real].tolist()
    return targets


def test_a_small_stream_by_hand() -> None:
    columns = covering_columns(stream(8), 3)  # 7 targets, in columns of 2, 2 and 3
    first, second = (columns.batch(window) for window in fixed_windows(columns.steps, 2))
    assert first.inputs.tolist() == [[10, 11], [12, 13], [14, 15]]
    assert first.targets.tolist() == [[11, 12], [13, 14], [15, 16]]
    assert second.targets.tolist() == [[PAD], [PAD], [17]]
    assert (first.first, second.first, first.token_count, second.token_count) == (True, False, 6, 1)
    even = equal_columns(stream(8), 3)
    assert even.batch(Window(0, 2)).targets.tolist() == [[11, 12], [13, 14], [15, 16]]
    assert even.steps == 2


@settings(deadline=None)
@given(length=st.integers(3, 400), count=st.integers(1, 9), world=st.integers(1, 3), bptt=st.integers(1, 50))
def test_evaluation_predicts_every_word_except_the_first_once(length: int, count: int, world: int, bptt: int) -> None:
    if length <= count * world:
        return
    columns = covering_columns(stream(length), count * world)
    windows = fixed_windows(columns.steps, bptt)
    targets = [word for rank in range(world) for word in targets_of(columns.share(rank, world), windows)]
    assert sorted(targets) == list(range(11, 10 + length))


@settings(deadline=None)
@given(
    length=st.integers(20, 3000),
    count=st.integers(1, 12),
    bptt=st.integers(5, 80),
    deviation=st.floats(0, 20),
    epoch=st.integers(0, 5),
)
def test_training_predicts_every_word_once_except_a_short_tail(
    length: int, count: int, bptt: int, deviation: float, epoch: int
) -> None:
    options = StreamOptions(bptt=bptt, bptt_deviation=deviation)
    columns = equal_columns(stream(length), count)
    windows = random_windows(columns.steps, options, 1, epoch)
    targets = targets_of(columns, windows)
    assert len(targets) > length - 1 - count
    assert sorted(targets) == list(range(11, 11 + len(targets)))
    assert all(window.end - window.start >= min(5, columns.steps) for window in windows)
    assert len(windows) == len(random_windows(columns.steps, options, 7, epoch + 1)), "as many steps in every epoch"


def test_lengths_are_distributed_as_published() -> None:
    windows = [w for epoch in range(20) for w in random_windows(46_479, StreamOptions(), 0, epoch)]
    lengths = np.array([window.end - window.start for window in windows])
    halved = lengths < 52
    assert halved.mean() == pytest.approx(0.05, abs=0.01)
    assert lengths[~halved].mean() == pytest.approx(70, abs=1)
    assert lengths[~halved].std() == pytest.approx(5, abs=0.3)
    assert lengths[halved].mean() == pytest.approx(35, abs=1.5)
    assert len({tuple(random_windows(5000, StreamOptions(), 0, epoch)) for epoch in range(5)}) == 5


def test_a_resumed_epoch_continues_with_the_next_window() -> None:
    options = StreamOptions(bptt=20)
    whole = WindowSampler(500, options, 3)
    whole.set_epoch(2)
    resumed = WindowSampler(500, options, 3)
    resumed.start_at(TrainingProgress(2, 4))
    assert list(resumed) == list(whole)[4:]
    resumed.set_epoch(3)
    whole.set_epoch(3)
    assert list(resumed) == list(whole)
    assert len(whole) == len(list(whole))


@pytest.fixture(scope="module")
def module(cache) -> StreamDataModule:  # type: ignore[no-untyped-def]
    data = StreamOptions(name="phrases", format="phrasebook", limit=100, batch_size=4, valid_batch_size=3, bptt=10)
    return StreamDataModule(prepare_text(data, TokenizerOptions(name="words"), cache), data, 1)


def test_the_loaders_yield_windows_in_order(module: StreamDataModule) -> None:
    part = module.store.part("valid")
    assert part is not None
    batches = list(module.val_dataloader())
    assert [batch.first for batch in batches] == [True] + [False] * (len(batches) - 1)
    assert sum(batch.token_count for batch in batches) == len(part.stream()) - 1
    training = module.train_dataloader()
    steps = list(training)
    assert len(steps) == len(training)
    assert torch.equal(steps[0].inputs[:, 1:], steps[0].targets[:, :-1])
    assert torch.equal(steps[1].inputs[:, 0], steps[0].targets[:, -1]), "a window begins at the end of the last one"
    assert len(training.dataset) == sum(step.token_count for step in steps)  # type: ignore[arg-type]


def test_too_little_text_for_the_columns_is_reported(module: StreamDataModule) -> None:
    data = StreamOptions(name="phrases", format="phrasebook", batch_size=100_000)
    with pytest.raises(UserError, match=r"lower data\.batch_size"):
        StreamDataModule(module.store, data, 1).train_dataloader()
