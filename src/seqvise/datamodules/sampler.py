"""Assigns sentences to batches, as a pure function of lengths, seed and epoch."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from seqvise.datamodules.packing import Rows, packed_batches, padded_widths
from seqvise.models.interface import _Tensors

BatchT = TypeVar("BatchT", bound=_Tensors)
Count = Callable[[Any], tuple[int, ...]]
"""Maps a batch to the numbers of values over which the means in its loss are taken."""


@runtime_checkable
class CountingTask(Protocol):
    """A task that uses the counts of an optimizer step."""

    def loss_counts(self, batch: Any) -> tuple[int, ...]:
        """See ``Count``."""
        ...


@runtime_checkable
class CountedBatch(Protocol):
    """A batch with the counts of all batches of its optimizer step."""

    step_counts: tuple[int, ...]


class CountedLoader(Generic[BatchT]):
    """The batches of a loader, each with the counts of all batches of its optimizer step as ``step_counts``.

    It reads all batches of a step at once; the last step of an epoch may have fewer. Training that resumes within a
    step starts with the remaining batches.

    Args:
        loader: ``passed`` of its sampler is the number of batches of the epoch that are already trained on.
        trainer: ``accumulate_grad_batches`` and ``num_training_batches`` are read when an epoch begins.
        count: returns the counts of a batch.
    """

    def __init__(self, loader: DataLoader[BatchT], trainer: pl.Trainer, count: Count) -> None:
        self.dataset, self.sampler = loader.dataset, loader.sampler
        self._loader, self._trainer, self._count = loader, trainer, count

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[BatchT]:
        size, end = self._trainer.accumulate_grad_batches, self._trainer.num_training_batches
        position, batches = int(getattr(self.sampler, "passed", 0)), iter(self._loader)
        while step := list(islice(batches, int(min(size - position % size, max(end - position, 0))))):
            position += len(step)
            yield from self._counted(step)

    def _counted(self, step: list[BatchT]) -> list[BatchT]:
        counts = tuple(map(sum, zip(*map(self._count, step), strict=True)))
        for batch in step:
            batch.step_counts = counts
        return step


def counted(loader: DataLoader[BatchT], trainer: pl.Trainer | None) -> DataLoader[BatchT]:
    """Adds step counts to a training loader if a step has several batches and the task uses the counts."""
    task = None if trainer is None else trainer.lightning_module
    if trainer is None or not isinstance(task, CountingTask) or trainer.accumulate_grad_batches == 1:
        return loader
    # Lightning accepts any iterable with a length; `dataset` and `sampler` have the names of a DataLoader.
    return cast("DataLoader[BatchT]", CountedLoader(loader, trainer, task.loss_counts))


def ignore_interrupts(_: int) -> None:
    """Ignores Ctrl-C in a loader worker: a terminal sends it to all processes, but training still needs batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


ItemT = TypeVar("ItemT", covariant=True)

POOL = 50
"""Batches per pool; each pool is drawn at random and sorted by length (fast.ai's SortishSampler)."""


@dataclass(frozen=True)
class BatchSize:
    """Batch size of a process. One of ``sentences`` and ``tokens`` is None.

    Attributes:
        sentences: number of pairs.
        tokens: number of source and target tokens together.
        padded: True: ``tokens`` is a maximum that includes padding; False: an average over the epoch of real tokens.
        bucket: source lengths are padded to a multiple of this.
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
    """Cuts an order into batches for all processes together; their number does not depend on the order.

    By sentences, every batch except the last has ``world`` times the size. A remainder with fewer than ``world``
    sentences joins the batch before it. By real tokens, the cuts have equal distances in tokens, so all batches have
    nearly the same number of tokens.
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
    """The part of one process in a batch: every ``world``-th sentence, so that sizes differ by at most one."""
    return batch[rank::world]


def training_batches(
    lengths: NDArray[np.int32], size: BatchSize, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> list[Rows]:
    """The batches of one process in an epoch.

    Every sentence is in exactly one batch of one process, and all processes have the same number of batches. The
    batch with the longest sentences is first, so that training fails immediately if memory is too small. The rest are
    shuffled.
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
    """The batches of one process for validation and test: every sentence once, sorted by length."""
    return [share(batch, rank, world) for batch in cut_into_batches(sorted_order(lengths), lengths, size, world)]


class TrainingProgress(NamedTuple):
    """Position of training: the epoch, and the number of its batches that are done."""

    epoch: int = 0
    batches: int = 0


def training_progress(trainer: pl.Trainer | None) -> TrainingProgress:
    """The progress of a trainer, from its counters; a resumed trainer has those of the checkpoint."""
    if trainer is None:
        return TrainingProgress()
    loop: Any = trainer.fit_loop
    return TrainingProgress(loop.epoch_progress.current.processed, loop.epoch_loop.batch_progress.current.processed)


class EpochBatches(Sampler[ItemT]):
    """Batches that may differ between epochs. In a resumed epoch, the batches that are done are skipped.

    Lightning calls ``set_epoch`` on a loader's sampler before each epoch, but reads the first batches of a loader
    before that. So when training resumes, ``start_at`` must be called first.
    """

    epoch = 0
    _start = TrainingProgress()

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next batches."""
        self.epoch = epoch

    def start_at(self, progress: TrainingProgress) -> None:
        """Sets the epoch, and skips those of its batches that are done."""
        self.epoch, self._start = progress.epoch, progress

    @property
    def passed(self) -> int:
        """Number of batches of the epoch that are skipped."""
        return self._start.batches if self.epoch == self._start.epoch else 0

    def remaining(self) -> list[Rows]:
        """The rows of each remaining batch of the epoch."""
        return self._batches()[self.passed :]

    @abstractmethod
    def _batches(self) -> list[Rows]:
        """The rows of each batch of the epoch."""


class TrainingSampler(EpochBatches[list[int]]):
    """Batches of row numbers for a loader, different in each epoch."""

    def __init__(self, lengths: NDArray[np.int32], size: BatchSize, seed: int, rank: int, world: int) -> None:
        self.lengths, self.size, self.seed = lengths, size, seed
        self.rank, self.world = rank, world
        self.count = len(self._batches())

    def _batches(self) -> list[Rows]:
        return training_batches(self.lengths, self.size, self.seed, self.epoch, self.rank, self.world)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.remaining())


class EpochRows(NamedTuple):
    """A batch of rows with its epoch."""

    epoch: int
    rows: list[int]


class EpochSampler(Sampler[EpochRows]):
    """The batches of another sampler with their epoch, for data that is sampled in each epoch.

    Loader workers copy the data set when they start, so the epoch must be part of each request.
    """

    def __init__(self, batches: TrainingSampler) -> None:
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next batches."""
        self.batches.set_epoch(epoch)

    @property
    def passed(self) -> int:
        """Number of batches of the epoch that are skipped."""
        return self.batches.passed

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[EpochRows]:
        return (EpochRows(self.batches.epoch, rows) for rows in self.batches)
