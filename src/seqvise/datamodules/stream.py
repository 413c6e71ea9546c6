"""A stream of words in batches for a language model (truncated backpropagation through time).

The stream is cut into columns that are read in parallel, in windows of time steps. The state of the model is carried
over from window to window. The ends of windows are a pure function of seed and epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.documents.options import StreamOptions
from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.datamodules.base import StoreDataModule
from seqvise.datamodules.packing import Rows
from seqvise.datamodules.sampler import EpochBatches, counted, training_progress
from seqvise.errors import UserError
from seqvise.models.interface import PAD, _Tensors


@dataclass(eq=False)
class StreamBatch(_Tensors):
    """A window of the columns.

    Attributes:
        inputs: (B, T) int64, input words.
        targets: (B, T) int64, the next word of each; ``PAD`` after the end of a column.
        first: whether this is the first window, which starts without a state.
        token_count: number of targets other than ``PAD``.
    """

    inputs: Tensor
    targets: Tensor
    first: bool
    token_count: int

    def __len__(self) -> int:
        return self.token_count


class Window(NamedTuple):
    """A range of time steps in all columns: from ``start`` to before ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class Columns:
    """A stream cut into columns: consecutive input words, whose targets end one word later.

    Attributes:
        ids: (N,) int32, the stream.
        starts: (C,) int64, position of the first input word of each column.
        lengths: (C,) int64, input words of each column.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def steps(self) -> int:
        """Length of the longest column."""
        return int(self.lengths.max())

    def share(self, rank: int, world: int) -> Columns:
        """The columns of one process; ``steps`` differs by at most 1 between processes."""
        return Columns(self.ids, self.starts[rank::world], self.lengths[rank::world])

    def batch(self, window: Window) -> StreamBatch:
        """The inputs and targets of a window."""
        steps = np.arange(window.start, window.end)
        positions = np.minimum(self.starts[:, None] + steps, len(self.ids) - 2)
        targets = np.where(steps < self.lengths[:, None], self.ids[positions + 1], PAD).astype(np.int64)
        inputs = self.ids[positions].astype(np.int64)
        token_count = int((steps < self.lengths[:, None]).sum())
        return StreamBatch(torch.from_numpy(inputs), torch.from_numpy(targets), window.start == 0, token_count)


def equal_columns(ids: NDArray[np.int32], count: int) -> Columns:
    """Columns of equal length, for training. Fewer than ``count`` words at the end of the stream are dropped.

    Every other word except the first of the stream is a target once.
    """
    length = (len(ids) - 1) // count
    return Columns(ids, np.arange(count, dtype=np.int64) * length, np.full(count, length, np.int64))


def covering_columns(ids: NDArray[np.int32], count: int) -> Columns:
    """Columns whose lengths differ by at most one, for evaluation: every word except the first is a target once."""
    cuts = np.arange(count + 1, dtype=np.int64) * (len(ids) - 1) // count
    return Columns(ids, cuts[:-1], np.diff(cuts))


def fixed_windows(steps: int, length: int) -> list[Window]:
    """Windows of equal length; the last window has the remaining steps."""
    return [Window(start, min(start + length, steps)) for start in range(0, steps, length)]


def random_windows(steps: int, options: StreamOptions, seed: int, epoch: int) -> list[Window]:
    """Windows of random length (Merity et al. 2018, section 4.1).

    A length is drawn from a normal distribution around ``bptt``, or with probability ``bptt_halved`` around half of it,
    and is at least ``bptt_least``. The parts above that minimum are scaled by about one per cent to fill the epoch, so
    that all epochs have the same number of windows.
    """
    rng = np.random.default_rng([seed, epoch])
    mean = options.bptt * (1 - options.bptt_halved / 2)
    count = max(1, min(round(steps / mean), steps // options.bptt_least))
    means = np.where(rng.random(count) < options.bptt_halved, options.bptt / 2, options.bptt)
    excess = np.maximum(rng.normal(means, options.bptt_deviation).astype(np.int64) - options.bptt_least, 0) + 1e-9
    available = max(0, steps - count * options.bptt_least)
    ends = np.arange(1, count + 1) * options.bptt_least + np.floor(np.cumsum(excess) * (available / excess.sum()))
    cuts = [0, *np.minimum(ends, steps).astype(int).tolist()]
    cuts[-1] = steps
    return [Window(start, end) for start, end in pairwise(cuts)]


class StreamDataset(Dataset[StreamBatch]):
    """Columns; an item is a window. The length of the data set is its number of targets."""

    def __init__(self, columns: Columns, targets: int) -> None:
        self.columns, self.targets = columns, targets

    def __len__(self) -> int:
        return self.targets

    def __getitem__(self, window: Window) -> StreamBatch:
        return self.columns.batch(window)


class WindowSampler(EpochBatches[Window]):
    """Windows for a loader, different in each epoch. steps: length of a column."""

    def __init__(self, steps: int, options: StreamOptions, seed: int) -> None:
        self.steps, self.options, self.seed = steps, options, seed
        self.count = len(self._batches())

    def _batches(self) -> list[Rows]:
        return [np.array(window) for window in random_windows(self.steps, self.options, self.seed, self.epoch)]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Window]:
        return (Window(int(start), int(end)) for start, end in self.remaining())


class StreamDataModule(StoreDataModule[TextStore, TextPart, StreamOptions, StreamBatch]):
    """Windows of random length for training, of equal length for validation and test."""

    kind = "text"

    def train_dataloader(self) -> DataLoader[StreamBatch]:
        """This process's training windows."""
        ids, count = self._stream("train", "batch_size")
        columns = equal_columns(ids, count)
        windows = WindowSampler(columns.steps, self.options, self.seed)
        windows.start_at(training_progress(self.trainer))
        dataset = StreamDataset(columns.share(*self.rank_and_world()), columns.steps * count)
        return counted(self.loader(dataset, windows), self.trainer)

    def evaluation(self, name: str) -> DataLoader[StreamBatch]:
        """See ``StoreDataModule``."""
        ids, count = self._stream(name, "valid_batch_size")
        columns = covering_columns(ids, count)
        windows = fixed_windows(columns.steps, self.options.bptt)
        return self.loader(StreamDataset(columns.share(*self.rank_and_world()), len(ids) - 1), windows)

    def _stream(self, name: str, key: str) -> tuple[NDArray[np.int32], int]:
        """The ids of a part, and the number of columns of all processes. key: the option with those of a process."""
        ids, columns = self.part(name).stream(), getattr(self.options, key) * self.rank_and_world()[1]
        if len(ids) <= columns:
            raise UserError(
                f"The {name} part has {len(ids)} words, too few for {columns} columns: add text, or lower data.{key}."
            )
        return ids, columns
