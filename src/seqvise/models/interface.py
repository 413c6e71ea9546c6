"""The values that pass between data, models and decoding, and the step interface that decoding knows.

Shapes: ``B`` sentences, ``N`` decoded rows (sentences times hypotheses), ``S`` source steps, ``T`` target steps,
``D`` width, ``V`` words. Padding stands at the end. Ids: ``<bos> 0, <pad> 1, <eos> 2, <unk> 3``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BOS, PAD, EOS, UNK = 0, 1, 2, 3


class _Tensors:
    """Moves every tensor of a dataclass at once; Lightning and the loader look for these two methods.

    Attributes:
        step_counts: what the means of the loss are over, summed over all batches of this process's optimizer step; set
            by a ``CountedLoader``, and empty without.
    """

    step_counts: tuple[int, ...] = ()

    def _map(self, name: str, *args: object, **kwargs: object) -> Self:
        changed = copy(self)
        for place, value in vars(self).items():
            if isinstance(value, (Tensor, _Tensors)):
                setattr(changed, place, getattr(value, name)(*args, **kwargs))
        return changed

    def to(self, *args: object, **kwargs: object) -> Self:
        """The same value on another device; the arguments are those of ``Tensor.to``."""
        return self._map("to", *args, **kwargs)

    def pin_memory(self) -> Self:
        """The same value in page-locked memory."""
        return self._map("pin_memory")


@dataclass(eq=False)  # not frozen: Lightning rebuilds batches field by field where it changes their precision
class SourceBatch(_Tensors):
    """Source sentences, ``<eos>`` included.

    Attributes:
        ids: (B, S) int64, padded with ``PAD`` at the end.
        lengths: (B,) int64, real steps of each sentence, at least 1.
    """

    ids: Tensor
    lengths: Tensor

    def mask(self) -> Tensor:
        """(B, S) bool, true at real steps."""
        steps = torch.arange(self.ids.shape[1], device=self.ids.device)
        return steps < self.lengths.unsqueeze(1)


@dataclass(eq=False)
class PairBatch(_Tensors):
    """Source sentences with their references.

    Attributes:
        source: the source side.
        target: (B, T) int64, ``<eos>`` included, ``<bos>`` not, padded with ``PAD`` at the end.
        rows: (B,) int64, the place of each pair in its part of the store.
        real: (n,) int64, the places of the target's words, ``<eos>`` among them, in ``target.flatten()``. They are
            found where the batch is made: another device would have to be waited for.
    """

    source: SourceBatch
    target: Tensor
    rows: Tensor
    real: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.real = (self.target.flatten() != PAD).nonzero().squeeze(1)

    def __len__(self) -> int:
        return self.target.shape[0]


PickWords = Callable[[Tensor], Tensor]
"""Outputs (N, D) before the projection to words (N,) int64."""

MemoryT = TypeVar("MemoryT")
StateT = TypeVar("StateT")


class StepOutput(NamedTuple, Generic[StateT]):
    """What one decoding step gives.

    Attributes:
        logits: (N, V) unnormalised scores of the next word.
        state: the decoder's state after the step.
        attention: (N, S) weights over the source steps, or None where the model has none.
    """

    logits: Tensor
    state: StateT
    attention: Tensor | None


class StepModel(Protocol[MemoryT, StateT]):
    """All that decoding knows of a model. State is passed in and out, never kept on the module."""

    def encode(self, src: SourceBatch) -> MemoryT:
        """What the decoder reads of the source, computed once a sentence."""
        ...

    def init(self, memory: MemoryT) -> StateT:
        """The decoder's state before its first step."""
        ...

    def step(self, tokens: Tensor, state: StateT, memory: MemoryT) -> StepOutput[StateT]:
        """One step. tokens: (N,) int64, the words said last (``BOS`` first).

        The memory has B sentences and N is a multiple of B: a sentence's N / B rows stand side by side, so that the
        hypotheses of a beam read one copy of their sentence.
        """
        ...

    def reorder(self, state: StateT, rows: Tensor) -> StateT:
        """The state of the chosen rows. rows: (M,) int64, indices into the N rows; repeats are allowed."""
        ...

    def select(self, memory: MemoryT, rows: Tensor) -> MemoryT:
        """The memory of the chosen sentences. rows: (M,) int64, indices into the B sentences; repeats are allowed."""
        ...


class Seq2SeqModel(StepModel[MemoryT, StateT], Protocol[MemoryT, StateT]):
    """What a translation task trains: a step model with a pass over whole batches.

    ``forward`` stops before the projection, which the loss applies chunk by chunk.
    """

    @property
    def generator(self) -> Projection:
        """From outputs to words."""
        ...

    def __call__(self, batch: PairBatch, forced: Tensor | None = None, pick: PickWords | None = None) -> Tensor:
        """Outputs (B, T, D) under a mix of reference and own words; see ``Recurrent.forward``."""
        ...


class Projection(Protocol):
    """``logits = weight output + bias``, with weight (V, D) and bias (V,)."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor: ...


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
