"""A stream of words as windows of columns, for a language model.

The stream is cut into columns that are read side by side, a window of all columns at a time; the model's state goes on
from window to window. Where windows end is a pure function of seed and epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.documents.options import StreamOptions
from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.datamodules.counted import counted
from seqvise.datamodules.packing import Rows
from seqvise.datamodules.sampler import EpochBatches, ignore_interrupts, place_of
from seqvise.errors import UserError
from seqvise.models.interface import PAD, _Tensors


@dataclass(eq=False)
class StreamBatch(_Tensors):
    """A window of the columns.

    Attributes:
        inputs: (B, T) int64, the words read.
        targets: (B, T) int64, the word after each; ``PAD`` behind the end of a column.
        first: the columns begin here, so that there is no state to go on from.
        words: targets that are words.
    """

    inputs: Tensor
    targets: Tensor
    first: bool
    words: int

    def __len__(self) -> int:
        return self.words


class Window(NamedTuple):
    """A stretch of every column: words from ``start`` to before ``end`` are read."""

    start: int
    end: int


@dataclass(frozen=True)
class Columns:
    """A stream cut into columns, each a stretch of it: the words read, and behind them one more to be said.

    Attributes:
        ids: (N,) int32, the stream.
        starts: (C,) int64, the first word read of each column.
        lengths: (C,) int64, words read of each column.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def steps(self) -> int:
        """Words of the longest column."""
        return int(self.lengths.max())

    def share(self, rank: int, world: int) -> Columns:
        """One process's columns; ``steps`` is the same in all of them but for a word."""
        return Columns(self.ids, self.starts[rank::world], self.lengths[rank::world])

    def batch(self, window: Window) -> StreamBatch:
        """The window's words."""
        steps = np.arange(window.start, window.end)
        places = np.minimum(self.starts[:, None] + steps, len(self.ids) - 2)
        targets = np.where(steps < self.lengths[:, None], self.ids[places + 1], PAD).astype(np.int64)
        inputs = self.ids[places].astype(np.int64)
        words = int((steps < self.lengths[:, None]).sum())
        return StreamBatch(torch.from_numpy(inputs), torch.from_numpy(targets), window.start == 0, words)


def equal_columns(ids: NDArray[np.int32], count: int) -> Columns:
    """Columns of one length, for training: fewer than ``count`` words at the end of the stream are left out.

    Every other word but the first of the stream is to be said once.
    """
    length = (len(ids) - 1) // count
    return Columns(ids, np.arange(count, dtype=np.int64) * length, np.full(count, length, np.int64))


def covering_columns(ids: NDArray[np.int32], count: int) -> Columns:
    """Columns whose lengths differ by one at most, for evaluation: every word but the first is to be said once."""
    cuts = np.arange(count + 1, dtype=np.int64) * (len(ids) - 1) // count
    return Columns(ids, cuts[:-1], np.diff(cuts))


def fixed_windows(steps: int, length: int) -> list[Window]:
    """Windows of one length, the last one with what is left."""
    return [Window(start, min(start + length, steps)) for start in range(0, steps, length)]


def drawn_windows(steps: int, options: StreamOptions, seed: int, epoch: int) -> list[Window]:
    """Windows of lengths drawn at random (Merity et al. 2018, section 4.1).

    A length is normal around ``bptt``, or now and then around half of it, and never below ``bptt_least``. What the
    lengths have above that least is stretched by a per cent or so to fill the epoch, which so has the same number of
    steps as every other.
    """
    rng = np.random.default_rng([seed, epoch])
    mean = options.bptt * (1 - options.bptt_halved / 2)
    count = max(1, min(round(steps / mean), steps // options.bptt_least))
    around = np.where(rng.random(count) < options.bptt_halved, options.bptt / 2, options.bptt)
    above = np.maximum(rng.normal(around, options.bptt_deviation).astype(np.int64) - options.bptt_least, 0) + 1e-9
    free = max(0, steps - count * options.bptt_least)
    ends = np.arange(1, count + 1) * options.bptt_least + np.floor(np.cumsum(above) * (free / above.sum()))
    cuts = [0, *np.minimum(ends, steps).astype(int).tolist()]
    cuts[-1] = steps
    return [Window(start, end) for start, end in pairwise(cuts)]


class StreamDataset(Dataset[StreamBatch]):
    """Columns, fetched a window at a time. Its length is in words that are said."""

    def __init__(self, columns: Columns, words: int) -> None:
        self.columns, self.words = columns, words

    def __len__(self) -> int:
        return self.words

    def __getitem__(self, window: Window) -> StreamBatch:
        return self.columns.batch(window)


class WindowSampler(EpochBatches[Window]):
    """Windows for a loader, new ones each epoch. steps: of a column."""

    def __init__(self, steps: int, options: StreamOptions, seed: int) -> None:
        self.steps, self.options, self.seed = steps, options, seed
        self.count = len(self._batches())

    def _batches(self) -> list[Rows]:
        return [np.array(window) for window in drawn_windows(self.steps, self.options, self.seed, self.epoch)]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Window]:
        return (Window(int(start), int(end)) for start, end in self.coming())


class StreamDataModule(pl.LightningDataModule):
    """Windows of drawn lengths for training, of one length for validation and test.

    Args:
        store: the prepared documents.
        options: the `data` node.
        seed: of the lengths, which are a function of it and the epoch alone.
    """

    def __init__(self, store: TextStore, options: StreamOptions, seed: int) -> None:
        super().__init__()
        self.store, self.options, self.seed = store, options, seed

    def train_dataloader(self) -> DataLoader[StreamBatch]:
        """This process's training windows."""
        part, (rank, world) = self._part("train"), self._place()
        ids, count = part.stream(), self.options.batch_size * world
        _check_length(part, ids, count, "batch_size")
        columns = equal_columns(ids, count)
        windows = WindowSampler(columns.steps, self.options, self.seed)
        windows.start_at(place_of(self.trainer))
        loader = self._loader(StreamDataset(columns.share(rank, world), columns.steps * count), windows)
        return counted(loader, self.trainer)

    def val_dataloader(self) -> DataLoader[StreamBatch]:
        """This process's validation windows."""
        return self._evaluation("valid")

    def test_dataloader(self) -> DataLoader[StreamBatch]:
        """This process's test windows.

        Raises:
            UserError: there is no test part.
        """
        return self._evaluation("test")

    def _evaluation(self, name: str) -> DataLoader[StreamBatch]:
        part, (rank, world) = self._part(name), self._place()
        ids, count = part.stream(), self.options.valid_batch_size * world
        _check_length(part, ids, count, "valid_batch_size")
        columns = covering_columns(ids, count)
        windows = fixed_windows(columns.steps, self.options.bptt)
        return self._loader(StreamDataset(columns.share(rank, world), len(ids) - 1), windows)

    def _part(self, name: str) -> TextPart:
        part = self.store.part(name)
        if part is None:
            raise UserError(f"The text {self.store.path.name} has no {name} part: set data.{name}, or test=false.")
        return part

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _loader(self, dataset: StreamDataset, windows: WindowSampler | list[Window]) -> DataLoader[StreamBatch]:
        return DataLoader(
            dataset,
            # A sampler of windows, not of rows: the data set builds a whole batch at once.
            sampler=cast(WindowSampler, windows),
            batch_size=None,
            num_workers=self.options.workers,
            worker_init_fn=ignore_interrupts,
            pin_memory=torch.cuda.is_available(),
        )


def _check_length(part: TextPart, ids: NDArray[np.int32], columns: int, key: str) -> None:
    if len(ids) <= columns:
        raise UserError(
            f"The {part.name} part has {len(ids)} words, too few for {columns} columns: give more text, or lower "
            f"data.{key}."
        )
