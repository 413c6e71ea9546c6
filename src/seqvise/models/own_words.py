"""Which steps of a training batch read the model's own words, and what those are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.interface import PickWords

SHAPE_STEP = 16
"""Rows that say a word are rounded up to this, since a CPU prepares a kernel for every new shape."""


class OwnWords:
    """The words that a batch reads, some of them from the references and some its own.

    Args:
        words: (B, T) int64, what each step would read of the references.
        forced: (B, T) bool on the CPU, true where a step reads the reference; None where all do. The first column is
            not looked at: no word is said before it.
        pick: outputs (N, D) to words (N,) int64. Only rows whose word is read are handed to it.
    """

    def __init__(self, words: Tensor, forced: Tensor | None, pick: PickWords) -> None:
        rows, steps = words.shape
        own = torch.zeros(steps, rows, dtype=torch.bool) if forced is None else ~forced.t()
        own[0] = False
        counts = own.sum(1).tolist()
        # One transfer for all steps: a processor that feeds another is not to wait at each of them.
        self.rows = own.nonzero()[:, 1].to(words.device).split(counts)
        self.words, self.pick = words, pick

    def said_at(self, step: int) -> bool:
        """Whether any sentence reads a word of its own."""
        return len(self.rows[step]) > 0

    def __call__(self, step: int, outputs: Tensor) -> Tensor:
        """The words that a step reads: (B,) int64. outputs: (B, D) of the step before."""
        rows = self.rows[step]
        if len(rows) == len(outputs):
            return self.pick(outputs)
        said = self.pick(outputs[F.pad(rows, (0, -len(rows) % SHAPE_STEP))])
        return self.words[:, step].index_copy(0, rows, said[: len(rows)])
