"""Which sentences make up which batch: a pure function of lengths, seed and epoch."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import Sampler

from seqvise.datamodules.packing import Rows, packed_batches, padded_widths


def ignore_interrupts(_: int) -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the one that trains and still needs batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


ItemT = TypeVar("ItemT", covariant=True)

POOL = 50
"""Batches drawn at random together and sorted by length among themselves (fast.ai's SortishSampler)."""


@dataclass(frozen=True)
class BatchSize:
    """How large a process's batch is. One of the two is None.

    Attributes:
        sentences: pairs.
        tokens: source and target tokens together.
        padded: whether padding counts, and no batch has more; else real tokens count, on average over the epoch.
        bucket: source lengths are padded up to a multiple of this.
    """

    sentences: int | None
    tokens: int | None = None
    padded: bool = True
    bucket: int = 1


def sorted_order(lengths: NDArray[np.int32]) -> Rows:
    """Longest target first, then longest source, then first in the file. lengths: (n, 2), source and target."""
    return np.lexsort((np.arange(len(lengths)), -lengths[:, 0], -lengths[:, 1]))


def sortish_order(lengths: NDArray[np.int32], pool: int, seed: int, epoch: int) -> Rows:
    """A random order in which neighbours have nearly equal lengths: pools of ``pool`` rows, each sorted."""
    shuffled = np.random.default_rng([seed, epoch]).permutation(len(lengths))
    pools = [shuffled[start : start + pool] for start in range(0, len(shuffled), pool)]
    return np.concatenate([part[sorted_order(lengths[part])] for part in pools]) if pools else shuffled


def cut_into_batches(order: Rows, lengths: NDArray[np.int32], size: BatchSize, world: int) -> list[Rows]:
    """Cuts an order into batches for all processes together, as many whatever the order.

    By sentences, every batch but the last has ``world`` times the size, and a rest too small to give each process a
    sentence joins the batch before it. By real tokens, cuts lie at equal distances in tokens, so batches hold nearly
    the same number and an epoch has the same number of batches as every other.
    """
    if size.sentences is not None:
        cuts = np.arange(size.sentences * world, len(order), size.sentences * world)
        if len(cuts) and len(order) - cuts[-1] < world:
            cuts = cuts[:-1]
    else:
        assert size.tokens is not None
        ends = np.cumsum(lengths[order].sum(1, dtype=np.int64))
        count = -(-int(ends[-1]) // (size.tokens * world))
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count)
    return np.split(order, cuts)


def share(batch: Rows, rank: int, world: int) -> Rows:
    """One process's part of a batch: every ``world``-th sentence, so that parts differ by one at most."""
    return batch[rank::world]


def training_batches(
    lengths: NDArray[np.int32], size: BatchSize, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> list[Rows]:
    """One process's batches of one epoch.

    Every sentence is in exactly one batch of one process, and all processes have the same number of batches. The
    batch with the longest sentences comes first, so that memory runs out at once or never; the rest are shuffled.
    """
    sentences = size.sentences or max(1, int((size.tokens or 0) / lengths.sum(1).mean()))
    pool = POOL * sentences * world
    if size.tokens is not None and size.padded:

        def order(pool: int, trial: bool) -> Rows:
            return sortish_order(lengths, pool, *((0, 0) if trial else (seed, epoch)))

        batches = packed_batches(padded_widths(lengths, size.bucket), size.tokens, world, pool, order)
    else:
        batches = cut_into_batches(sortish_order(lengths, pool, seed, epoch), lengths, size, world)
    longest = int(np.argmax([lengths[batch].max() for batch in batches]))
    rest = [index for index in range(len(batches)) if index != longest]
    shuffled = np.random.default_rng([seed, epoch, 1]).permutation(rest)
    return [share(batches[index], rank, world) for index in [longest, *shuffled.astype(int).tolist()]]


def evaluation_batches(lengths: NDArray[np.int32], size: BatchSize, rank: int = 0, world: int = 1) -> list[Rows]:
    """One process's batches for validation and test: all sentences once, sorted by length."""
    return [share(batch, rank, world) for batch in cut_into_batches(sorted_order(lengths), lengths, size, world)]


class Place(NamedTuple):
    """Where training stands: the epoch, and the batches of it that are done."""

    epoch: int = 0
    batches: int = 0


def place_of(trainer: pl.Trainer | None) -> Place:
    """Where a trainer stands by its own counters, which a checkpoint has set when it resumes."""
    if trainer is None:
        return Place()
    loop: Any = trainer.fit_loop
    return Place(loop.epoch_progress.current.processed, loop.epoch_loop.batch_progress.current.processed)


class EpochBatches(Sampler[ItemT]):
    """Batches that may differ from epoch to epoch; the first ones of an epoch that was broken off can be left out.

    Lightning calls ``set_epoch`` on a loader's sampler before each epoch, but asks a loader for its first batches
    before that: where training resumes, ``start_at`` has to come first.
    """

    epoch = 0
    _start = Place()

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose batches come next."""
        self.epoch = epoch

    def start_at(self, place: Place) -> None:
        """Chooses the epoch, and leaves out those of its batches that are done."""
        self.epoch, self._start = place.epoch, place

    @property
    def passed(self) -> int:
        """Batches of the epoch that are left out."""
        return self._start.batches if self.epoch == self._start.epoch else 0

    def coming(self) -> list[Rows]:
        """The rows of each batch of the epoch that is still to be read."""
        return self._batches()[self.passed :]

    @abstractmethod
    def _batches(self) -> list[Rows]:
        """The rows of each batch of the epoch."""


class TrainingSampler(EpochBatches[list[int]]):
    """Batches of row numbers for a loader, new ones each epoch."""

    def __init__(self, lengths: NDArray[np.int32], size: BatchSize, seed: int, rank: int, world: int) -> None:
        self.lengths, self.size, self.seed = lengths, size, seed
        self.rank, self.world = rank, world
        self.count = len(self._batches())

    def _batches(self) -> list[Rows]:
        return training_batches(self.lengths, self.size, self.seed, self.epoch, self.rank, self.world)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.coming())


class EpochRows(NamedTuple):
    """A batch of rows, with the epoch that reads it."""

    epoch: int
    rows: list[int]


class EpochSampler(Sampler[EpochRows]):
    """The batches of another sampler with their epoch, for data that is drawn anew each epoch.

    Loader workers copy the data set before they are told of an epoch; what they are asked for tells them.
    """

    def __init__(self, batches: TrainingSampler) -> None:
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose batches come next."""
        self.batches.set_epoch(epoch)

    @property
    def passed(self) -> int:
        """Batches of the epoch that are left out."""
        return self.batches.passed

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[EpochRows]:
        return (EpochRows(self.batches.epoch, rows) for rows in self.batches)
