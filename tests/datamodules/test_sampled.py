"""Training batches with sampled sub-words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.parallel import ParallelDataModule
from seqvise.models.interface import PAD, PairBatch

SUBWORDS = TokenizerOptions(name="sentencepiece", max_words=250, sampling=0.2)


@pytest.fixture(scope="module")
def sampled_store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    data = DataOptions(name="phrasebook", format="phrasebook", limit=60)
    return prepare_corpus(data, SUBWORDS, tmp_path_factory.mktemp("cache"))


class BatchRecorder(pl.LightningModule):
    """Records the batches that Lightning passes to the task in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.epochs: list[dict[int, list[int]]] = []
        self.validation_targets: list[list[int]] = []

    def on_train_epoch_start(self) -> None:
        self.epochs.append({})

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        rows = [[index for index in ids if index != PAD] for ids in batch.target.tolist()]
        self.epochs[-1] |= dict(zip(batch.rows.tolist(), rows, strict=True))
        return self.weight.sum()

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        self.validation_targets += batch.target.tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def read(folder: Path, store: TokenStore, workers: int, seed: int = 1) -> BatchRecorder:
    task = BatchRecorder()
    data = ParallelDataModule(store, DataOptions(batch_size=16, workers=workers), seed)
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(task, data)
    return task


def test_every_epoch_reads_every_sentence_in_other_pieces(sampled_store: TokenStore, tmp_path: Path) -> None:
    task, part = read(tmp_path, sampled_store, 0), sampled_store.part("train")
    assert part is not None
    for epoch in task.epochs:
        assert sorted(epoch) == list(range(60))
        assert all(
            sampled_store.target.decode(ids) == sampled_store.target.decode(part.target[row])
            for row, ids in epoch.items()
        )
    first, second, third = task.epochs
    assert sum(first[row] != second[row] for row in first) > 30
    assert sum(second[row] != third[row] for row in first) > 30


def test_pieces_depend_on_seed_epoch_and_row_alone(sampled_store: TokenStore, tmp_path: Path) -> None:
    here = read(tmp_path, sampled_store, 0)
    assert read(tmp_path, sampled_store, 2).epochs == here.epochs
    assert read(tmp_path, sampled_store, 0, seed=2).epochs != here.epochs
    _, target = sampled_store.sampled(seed=1)
    assert here.epochs[2][7] == target.draw(2, 7).tolist()


def test_validation_reads_the_most_probable_pieces(sampled_store: TokenStore, tmp_path: Path) -> None:
    sampled, plain = read(tmp_path, sampled_store, 0), read(tmp_path, replace(sampled_store, sampling=None), 0)
    assert sampled.validation_targets == plain.validation_targets
    assert plain.epochs[0] == plain.epochs[1] != sampled.epochs[0]
