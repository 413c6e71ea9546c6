"""A prepared parallel corpus as batches for Lightning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.store import CorpusPart, TokenStore
from seqvise.corpus.tokens.vocabulary import SPECIALS, UNK
from seqvise.datamodules.base import StoreDataModule
from seqvise.datamodules.packing import padded_widths
from seqvise.datamodules.sampler import (
    BatchSize,
    EpochRows,
    EpochSampler,
    TrainingSampler,
    counted,
    evaluation_batches,
    training_progress,
)
from seqvise.errors import UserError
from seqvise.models.interface import PairBatch, pair_batch


class PairDataset(Dataset[PairBatch]):
    """The pairs of a part; an item is a whole batch.

    Args:
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
        counts: occurrences of the source words in the training part, by id.
        alpha: a word that occurs n times is replaced with probability ``alpha / (alpha + n)`` (Kiperwasser and
            Goldberg 2016, section 4.2, arXiv:1603.04351).
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


class ParallelDataModule(StoreDataModule[TokenStore, CorpusPart, DataOptions, PairBatch]):
    """A prepared parallel corpus; training batches are sorted in pools, others throughout."""

    kind, examples = "corpus", "pairs"

    def train_dataloader(self) -> DataLoader[PairBatch]:
        """This process's training batches."""
        options, part, (rank, world) = self.options, self.shared_part("train"), self.rank_and_world()
        size = BatchSize(options.batch_size, options.batch_tokens, options.count_padding, options.bucket)
        _check_budget(_lengths(part), size)
        batches = TrainingSampler(_lengths(part), size, self.seed, rank, world)
        batches.start_at(training_progress(self.trainer))
        bucket, alpha = options.bucket, options.rare_as_unknown
        if self.store.sampling is not None:
            loader = self.loader(SampledPairDataset(self.store, self.seed, bucket), EpochSampler(batches))
        elif alpha is not None:
            counts = self.store.source.vocabulary.counts
            loader = self.loader(RarePairDataset(part, counts, alpha, self.seed, bucket), EpochSampler(batches))
        else:
            loader = self.loader(PairDataset(part, bucket), batches)
        return counted(loader, self.trainer)

    def evaluation(self, name: str) -> DataLoader[PairBatch]:
        """See ``StoreDataModule``."""
        part, (rank, world) = self.shared_part(name), self.rank_and_world()
        batches = evaluation_batches(_lengths(part), BatchSize(self.options.valid_batch_size), rank, world)
        return self.loader(PairDataset(part, self.options.bucket), [batch.tolist() for batch in batches])


def _lengths(part: CorpusPart) -> NDArray[np.int32]:
    return np.stack([part.source.lengths, part.target.lengths], 1)


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
