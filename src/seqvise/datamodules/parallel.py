"""A prepared parallel corpus as batches for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.store import CorpusPart, TokenStore
from seqvise.corpus.tokens.vocabulary import SPECIALS, UNK
from seqvise.datamodules.packing import padded_widths
from seqvise.datamodules.sampler import (
    BatchSize,
    EpochRows,
    EpochSampler,
    TrainingSampler,
    counted,
    evaluation_batches,
    ignore_interrupts,
    training_progress,
)
from seqvise.errors import UserError
from seqvise.models.interface import PairBatch, pair_batch


class PairDataset(Dataset[PairBatch]):
    """The pairs of a part; an item is a whole batch.

    Args:
        part: the pairs.
        bucket: sources are padded to a multiple of this, for fewer distinct shapes.
    """

    def __init__(self, part: CorpusPart, bucket: int) -> None:
        self.source, self.target, self.bucket = part.source, part.target, bucket
        self.target_tokens = int(part.target.lengths.sum())

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: list[int]) -> PairBatch:
        return pair_batch([self.source[row] for row in rows], [self.target[row] for row in rows], rows, self.bucket)


class SampledPairDataset(Dataset[PairBatch]):
    """The training pairs in sub-words sampled in each epoch; an item is a whole batch.

    Args:
        store: a corpus with ``sampling``.
        seed: seed of the draws.
        bucket: see ``PairDataset``.
    """

    def __init__(self, store: TokenStore, seed: int, bucket: int) -> None:
        self.source, self.target = store.sampled(seed)
        self.bucket = bucket

    def __len__(self) -> int:
        return len(self.source.lines)

    def __getitem__(self, batch: EpochRows) -> PairBatch:
        epoch, rows = batch
        sources = [self.source.draw(epoch, row) for row in rows]
        return pair_batch(sources, [self.target.draw(epoch, row) for row in rows], rows, self.bucket)


class RarePairDataset(Dataset[PairBatch]):
    """The training pairs; rare source words are randomly replaced by ``UNK``, depending on (seed, epoch, row) alone.

    Args:
        part: the pairs.
        counts: occurrences of the source words in the training part, by id.
        alpha: a word that occurs n times is replaced with probability ``alpha / (alpha + n)`` (Kiperwasser and
            Goldberg 2016, section 4.2, arXiv:1603.04351).
        seed: seed of the draws.
        bucket: see ``PairDataset``.
    """

    def __init__(self, part: CorpusPart, counts: Sequence[int], alpha: float, seed: int, bucket: int) -> None:
        self.source, self.target, self.seed, self.bucket = part.source, part.target, seed, bucket
        self.unk_probabilities = alpha / (alpha + np.asarray(counts, np.float64))
        self.unk_probabilities[: len(SPECIALS)] = 0

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, batch: EpochRows) -> PairBatch:
        epoch, rows = batch
        sources = [self._with_unknowns(epoch, row) for row in rows]
        return pair_batch(sources, [self.target[row] for row in rows], rows, self.bucket)

    def _with_unknowns(self, epoch: int, row: int) -> NDArray[np.int32]:
        ids = self.source[row]
        draws = np.random.default_rng((self.seed, epoch, row)).random(len(ids))
        return np.where(draws < self.unk_probabilities[ids], UNK, ids).astype(np.int32)


class ParallelDataModule(pl.LightningDataModule):
    """A prepared parallel corpus; training batches are sorted in pools, others throughout.

    Args:
        store: the prepared corpus.
        options: the `data` node; its batch sizes, ``bucket`` and ``workers`` are used.
        seed: seed of the order of batches, which depends on the seed and the epoch alone.
    """

    def __init__(self, store: TokenStore, options: DataOptions, seed: int) -> None:
        super().__init__()
        self.store, self.options, self.seed = store, options, seed

    def train_dataloader(self) -> DataLoader[PairBatch]:
        """This process's training batches."""
        rank, world = self._rank_and_world()
        part = self._part("train")
        lengths = self._lengths(part)
        options = self.options
        size = BatchSize(options.batch_size, options.batch_tokens, options.count_padding, options.bucket)
        _check_share(part, world)
        _check_budget(lengths, size)
        batches = TrainingSampler(lengths, size, self.seed, rank, world)
        batches.start_at(training_progress(self.trainer))
        bucket, alpha = self.options.bucket, self.options.rare_as_unknown
        if self.store.sampling is not None:
            loader = self._loader(SampledPairDataset(self.store, self.seed, bucket), EpochSampler(batches))
        elif alpha is not None:
            counts = self.store.source.vocabulary.counts
            loader = self._loader(RarePairDataset(part, counts, alpha, self.seed, bucket), EpochSampler(batches))
        else:
            loader = self._loader(PairDataset(part, bucket), batches)
        return counted(loader, self.trainer)

    def val_dataloader(self) -> DataLoader[PairBatch]:
        """This process's validation batches."""
        return self._evaluation("valid")

    def test_dataloader(self) -> DataLoader[PairBatch]:
        """This process's test batches.

        Raises:
            UserError: the corpus has no test part.
        """
        return self._evaluation("test")

    def _evaluation(self, name: str) -> DataLoader[PairBatch]:
        part = self._part(name)
        rank, world = self._rank_and_world()
        _check_share(part, world)
        batches = evaluation_batches(self._lengths(part), BatchSize(self.options.valid_batch_size), rank, world)
        return self._loader(PairDataset(part, self.options.bucket), [batch.tolist() for batch in batches])

    def _part(self, name: str) -> CorpusPart:
        part = self.store.part(name)
        if part is None:
            raise UserError(f"The corpus {self.store.path.name} has no {name} part: set data.{name}, or test=false.")
        return part

    def _lengths(self, part: CorpusPart) -> NDArray[np.int32]:
        return np.stack([part.source.lengths, part.target.lengths], 1)

    def _rank_and_world(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _loader(
        self, dataset: Dataset[PairBatch], batches: TrainingSampler | EpochSampler | list[list[int]]
    ) -> DataLoader[PairBatch]:
        return DataLoader(
            dataset,
            # A sampler of batches, not of rows: the data set builds a whole batch from its rows at once.
            sampler=cast("TrainingSampler", batches),
            batch_size=None,
            num_workers=self.options.workers,
            worker_init_fn=ignore_interrupts,
            pin_memory=torch.cuda.is_available(),
        )


def _check_share(part: CorpusPart, world: int) -> None:
    if len(part) < world:
        raise UserError(
            f"The {part.name} part has {len(part)} pairs for {world} processes: set trainer.devices to fewer."
        )


def _check_budget(lengths: NDArray[np.int32], size: BatchSize) -> None:
    if size.tokens is None:
        return
    longest = int(padded_widths(lengths, size.bucket).max(0).sum() if size.padded else lengths.sum(1).max())
    if size.tokens < 2 * longest:
        subject = "the longest sentences of both sides have" if size.padded else "the longest pair has"
        raise UserError(
            f"data.batch_tokens is {size.tokens}, but {subject} {longest} words: set it to at least {2 * longest}, or "
            "set data.max_tokens."
        )
