"""Sentences of ids to the batches that models read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqvise.models.interface import PAD, PairBatch, SourceBatch


def pad(sentences: Sequence[NDArray[np.int32]], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Ids (B, L) int64 padded at the end to a multiple of ``multiple``, and lengths (B,)."""
    lengths = np.array([len(sentence) for sentence in sentences])
    width = -(-int(lengths.max()) // multiple) * multiple
    ids = np.full((len(sentences), width), PAD, dtype=np.int64)
    ids[np.arange(width) < lengths[:, None]] = np.concatenate(sentences)
    return torch.from_numpy(ids), torch.from_numpy(lengths)


def source_batch(sentences: Sequence[NDArray[np.int32]], multiple: int = 1) -> SourceBatch:
    """Encoded sources, ``EOS`` included, as one batch."""
    return SourceBatch(*pad(sentences, multiple))


def pair_batch(
    sources: Sequence[NDArray[np.int32]], targets: Sequence[NDArray[np.int32]], rows: Sequence[int], bucket: int
) -> PairBatch:
    """Encoded pairs, ``EOS`` included, as one batch. bucket: sources are padded to a multiple of this."""
    return PairBatch(source_batch(sources, bucket), pad(targets)[0], torch.tensor(rows))
