"""Documents with labels as batches for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.documents.options import LabelOptions
from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.datamodules.base import StoreDataModule
from seqvise.datamodules.sampler import (
    BatchSize,
    TrainingSampler,
    counted,
    evaluation_batches,
    training_progress,
)
from seqvise.models.interface import SourceBatch, _Tensors, source_batch


@dataclass(eq=False)
class LabelBatch(_Tensors):
    """Documents and their labels.

    Attributes:
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


class LabelDataModule(StoreDataModule[TextStore, TextPart, LabelOptions, LabelBatch]):
    """Documents with labels; training batches are sorted in pools (SortishSampler), others throughout."""

    kind, examples = "documents", "documents"

    def train_dataloader(self) -> DataLoader[LabelBatch]:
        """This process's training batches."""
        part, (rank, world) = self.shared_part("train"), self.rank_and_world()
        batches = TrainingSampler(_lengths(part), BatchSize(self.options.batch_size), self.seed, rank, world)
        batches.start_at(training_progress(self.trainer))
        return counted(self.loader(LabelDataset(part), batches), self.trainer)

    def evaluation(self, name: str) -> DataLoader[LabelBatch]:
        """See ``StoreDataModule``."""
        part, (rank, world) = self.shared_part(name), self.rank_and_world()
        batches = evaluation_batches(_lengths(part), BatchSize(self.options.valid_batch_size), rank, world)
        return self.loader(LabelDataset(part), [batch.tolist() for batch in batches])


def _lengths(part: TextPart) -> NDArray[np.int32]:
    """(n, 2) lengths for sorting: documents have no source side, so their length is that of the target."""
    return np.stack([np.zeros(len(part), np.int32), part.documents.lengths], 1)
