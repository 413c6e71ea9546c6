"""Documents with labels as batches for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.documents.options import LabelOptions
from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.datamodules.sampler import (
    BatchSize,
    TrainingSampler,
    counted,
    evaluation_batches,
    ignore_interrupts,
    training_progress,
)
from seqvise.errors import UserError
from seqvise.models.interface import SourceBatch, _Tensors, source_batch


@dataclass(eq=False)
class LabelBatch(_Tensors):
    """Documents and their labels.

    Attributes:
        documents: ids of the documents.
        labels: (B,) int64.
        rows: (B,) int64, row of each document in its part.
        token_count: number of tokens of all documents.
    """

    documents: SourceBatch
    labels: Tensor
    rows: Tensor
    token_count: int = field(init=False)

    def __post_init__(self) -> None:
        self.token_count = int(self.documents.lengths.sum())  # computed on the CPU: on a GPU it would synchronise

    def __len__(self) -> int:
        return self.labels.shape[0]


class LabelDataset(Dataset[LabelBatch]):
    """The documents of a part; an item is a whole batch."""

    def __init__(self, part: TextPart) -> None:
        self.part = part

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, rows: Sequence[int]) -> LabelBatch:
        documents = source_batch([self.part.documents[row] for row in rows])
        labels = torch.from_numpy(self.part.labels[list(rows)].astype(np.int64))
        return LabelBatch(documents, labels, torch.tensor(rows))


class LabelDataModule(pl.LightningDataModule):
    """Documents with labels; training batches are sorted in pools (SortishSampler), others throughout.

    Args:
        store: the prepared documents.
        options: the `data` node.
        seed: seed of the order of batches, which depends on the seed and the epoch alone.
    """

    def __init__(self, store: TextStore, options: LabelOptions, seed: int) -> None:
        super().__init__()
        self.store, self.options, self.seed = store, options, seed

    def train_dataloader(self) -> DataLoader[LabelBatch]:
        """This process's training batches."""
        part, (rank, world) = self._part("train"), self._rank_and_world()
        batches = TrainingSampler(_lengths(part), BatchSize(self.options.batch_size), self.seed, rank, world)
        batches.start_at(training_progress(self.trainer))
        return counted(self._loader(part, batches), self.trainer)

    def val_dataloader(self) -> DataLoader[LabelBatch]:
        """This process's validation batches."""
        return self._evaluation("valid")

    def test_dataloader(self) -> DataLoader[LabelBatch]:
        """This process's test batches.

        Raises:
            UserError: there is no test part.
        """
        return self._evaluation("test")

    def _evaluation(self, name: str) -> DataLoader[LabelBatch]:
        part, (rank, world) = self._part(name), self._rank_and_world()
        batches = evaluation_batches(_lengths(part), BatchSize(self.options.valid_batch_size), rank, world)
        return self._loader(part, [batch.tolist() for batch in batches])

    def _part(self, name: str) -> TextPart:
        part = self.store.part(name)
        if part is None:
            raise UserError(
                f"The documents {self.store.path.name} have no {name} part: set data.{name}, or test=false."
            )
        world = self._rank_and_world()[1]
        if len(part) < world:
            raise UserError(
                f"The {name} part has {len(part)} documents for {world} processes: set trainer.devices to fewer."
            )
        return part

    def _rank_and_world(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _loader(self, part: TextPart, batches: TrainingSampler | list[list[int]]) -> DataLoader[LabelBatch]:
        return DataLoader(
            LabelDataset(part),
            # A sampler of batches, not of rows: the data set builds a whole batch from its rows at once.
            sampler=cast(TrainingSampler, batches),
            batch_size=None,
            num_workers=self.options.workers,
            worker_init_fn=ignore_interrupts,
            pin_memory=torch.cuda.is_available(),
        )


def _lengths(part: TextPart) -> NDArray[np.int32]:
    """(n, 2) lengths for sorting: documents have no source side, so their length is that of the target."""
    return np.stack([np.zeros(len(part), np.int32), part.documents.lengths], 1)
