"""Training batches whose sub-words are drawn."""

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
def drawn(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    data = DataOptions(name="phrasebook", format="phrasebook", limit=60)
    return prepare_corpus(data, SUBWORDS, tmp_path_factory.mktemp("cache"))


class Reading(pl.LightningModule):
    """Notes the batches that Lightning hands to each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[dict[int, list[int]]] = []
        self.validated: list[list[int]] = []

    def on_train_epoch_start(self) -> None:
        self.seen.append({})

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        rows = [[index for index in ids if index != PAD] for ids in batch.target.tolist()]
        self.seen[-1] |= dict(zip(batch.rows.tolist(), rows, strict=True))
        return self.weight.sum()

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        self.validated += batch.target.tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def read(folder: Path, store: TokenStore, workers: int, seed: int = 1) -> Reading:
    task = Reading()
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


def test_every_epoch_reads_every_sentence_in_other_pieces(drawn: TokenStore, tmp_path: Path) -> None:
    task, part = read(tmp_path, drawn, 0), drawn.part("train")
    assert part is not None
    for epoch in task.seen:
        assert sorted(epoch) == list(range(60))
        assert all(drawn.target.decode(ids) == drawn.target.decode(part.target[row]) for row, ids in epoch.items())
    first, second, third = task.seen
    assert sum(first[row] != second[row] for row in first) > 30
    assert sum(second[row] != third[row] for row in first) > 30


def test_pieces_depend_on_seed_epoch_and_row_alone(drawn: TokenStore, tmp_path: Path) -> None:
    here = read(tmp_path, drawn, 0)
    assert read(tmp_path, drawn, 2).seen == here.seen
    assert read(tmp_path, drawn, 0, seed=2).seen != here.seen
    _, target = drawn.sampled(seed=1)
    assert here.seen[2][7] == target.draw(2, 7).tolist()


def test_validation_reads_the_likeliest_pieces(drawn: TokenStore, tmp_path: Path) -> None:
    sampled, plain = read(tmp_path, drawn, 0), read(tmp_path, replace(drawn, sampling=None), 0)
    assert sampled.validated == plain.validated
    assert plain.seen[0] == plain.seen[1] != sampled.seen[0]
