"""What the data modules share: the loaders of one process, and the parts of a prepared store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from seqvise.datamodules.sampler import BatchT, ignore_interrupts
from seqvise.errors import UserError


class Store(Protocol):
    """A prepared store with up to three parts."""

    @property
    def path(self) -> Path:
        """Folder of the store."""
        ...

    def part(self, name: str) -> Any:
        """The examples of ``train``, ``valid`` or ``test``; None if there is no such part."""
        ...


class LoaderOptions(Protocol):
    """The `data` node."""

    workers: int


PartT = TypeVar("PartT", bound=Sized)
StoreT = TypeVar("StoreT", bound=Store)
OptionsT = TypeVar("OptionsT", bound=LoaderOptions)


class ProcessDataModule(pl.LightningDataModule):
    """Loaders of the batches of one process; an item of a data set is a whole batch."""

    workers: int
    """Number of processes of a loader."""

    def rank_and_world(self) -> tuple[int, int]:
        """Index of this process, and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def loader(self, dataset: Dataset[BatchT], batches: Sampler[Any] | Sequence[Any]) -> DataLoader[BatchT]:
        """A loader of batches. batches: yields the index of each batch in the data set, such as its rows."""
        return DataLoader(
            dataset,
            # A sampler of batches, not of rows: the data set builds a whole batch at once.
            sampler=cast("Sampler[Any]", batches),
            batch_size=None,
            num_workers=self.workers,
            worker_init_fn=ignore_interrupts,
            pin_memory=torch.cuda.is_available(),
        )


class StoreDataModule(ProcessDataModule, Generic[StoreT, PartT, OptionsT, BatchT]):
    """Loaders of the parts of a prepared store.

    Args:
        options: the `data` node.
        seed: seed of the batches, which depend on the seed and the epoch alone.
    """

    kind: str
    """Name of the data, for messages."""
    examples: str
    """Name of the examples of a part, for messages."""

    def __init__(self, store: StoreT, options: OptionsT, seed: int) -> None:
        super().__init__()
        self.store, self.options, self.seed, self.workers = store, options, seed, options.workers

    def val_dataloader(self) -> DataLoader[BatchT]:
        """This process's validation batches."""
        return self.evaluation("valid")

    def test_dataloader(self) -> DataLoader[BatchT]:
        """This process's test batches.

        Raises:
            UserError: there is no test part.
        """
        return self.evaluation("test")

    @abstractmethod
    def evaluation(self, name: str) -> DataLoader[BatchT]:
        """This process's batches of a part for evaluation."""

    def part(self, name: str) -> PartT:
        """A part of the store.

        Raises:
            UserError: there is no such part.
        """
        part: PartT | None = self.store.part(name)
        if part is None:
            folder = self.store.path.name
            raise UserError(f"The {self.kind} {folder} has no {name} part: set data.{name}, or test=false.")
        return part

    def shared_part(self, name: str) -> PartT:
        """A part with an example for each process.

        Raises:
            UserError: there is no such part, or it has fewer examples than there are processes.
        """
        part, world = self.part(name), self.rank_and_world()[1]
        if len(part) < world:
            raise UserError(
                f"The {name} part has {len(part)} {self.examples} for {world} processes: set trainer.devices to fewer."
            )
        return part
