"""Adds to each batch the counts of its whole optimizer step, which gradient accumulation needs in advance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar, cast

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from seqvise.models.interface import _Tensors

BatchT = TypeVar("BatchT", bound=_Tensors)
Count = Callable[[Any], tuple[int, ...]]
"""Maps a batch to the numbers of values over which the means in its loss are taken."""


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
    count = None if trainer is None else getattr(trainer.lightning_module, "loss_counts", None)
    if trainer is None or count is None or trainer.accumulate_grad_batches == 1:
        return loader
    # Lightning accepts any iterable with a length; `dataset` and `sampler` have the names of a DataLoader.
    return cast("DataLoader[BatchT]", CountedLoader(loader, trainer, count))
