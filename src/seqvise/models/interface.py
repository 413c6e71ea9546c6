"""Batches, and the model interfaces that training and decoding use.

Shapes: ``B`` sentences, ``N`` decoded rows (sentences times hypotheses), ``S`` source steps, ``T`` target steps,
``D`` width, ``V`` vocabulary size. Padding is at the end. Ids: ``<bos> 0, <pad> 1, <eos> 2, <unk> 3``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BOS, PAD, EOS, UNK = 0, 1, 2, 3


class _Tensors:
    """Moves all tensors of a dataclass; Lightning calls ``to``, and the data loader calls ``pin_memory``.

    Attributes:
        step_counts: the task's ``loss_counts``, summed over all batches of this process's optimizer step. Set by
            ``CountedLoader``; empty without one.
    """

    step_counts: tuple[int, ...] = ()

    def _map(self, name: str, *args: object, **kwargs: object) -> Self:
        changed = copy(self)
        for attribute, value in vars(self).items():
            if isinstance(value, (Tensor, _Tensors)):
                setattr(changed, attribute, getattr(value, name)(*args, **kwargs))
        return changed

    def to(self, *args: object, **kwargs: object) -> Self:
        """A copy on another device; the arguments are those of ``Tensor.to``."""
        return self._map("to", *args, **kwargs)

    def pin_memory(self) -> Self:
        """A copy in page-locked memory."""
        return self._map("pin_memory")


@dataclass(eq=False)  # not frozen: Lightning sets the fields of a batch when it changes their precision
class SourceBatch(_Tensors):
    """Source sentences, including ``<eos>``.

    Attributes:
        ids: (B, S) int64, padded with ``PAD`` at the end.
        lengths: (B,) int64, steps of each sentence without padding, at least 1.
    """

    ids: Tensor
    lengths: Tensor

    def mask(self) -> Tensor:
        """(B, S) bool, false at padding."""
        steps = torch.arange(self.ids.shape[1], device=self.ids.device)
        return steps < self.lengths.unsqueeze(1)


@dataclass(eq=False)
class PairBatch(_Tensors):
    """Source sentences with their references.

    Attributes:
        source: the source sentences.
        target: (B, T) int64, with ``<eos>``, without ``<bos>``, padded with ``PAD`` at the end.
        rows: (B,) int64, row of each pair in its part of the store.
        real: (n,) int64, indices into ``target.flatten()`` of all tokens except padding. Computed when the batch is
            created: ``nonzero`` on a GPU would wait for the device.
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
"""Chooses the next input token: decoder outputs (N, D) before the projection to tokens (N,) int64."""

MemoryT = TypeVar("MemoryT")
StateT = TypeVar("StateT")


class StepOutput(NamedTuple, Generic[StateT]):
    """Result of one decoding step.

    Attributes:
        logits: (N, V) unnormalised scores of the next token.
        state: the decoder state after the step.
        attention: (N, S) weights over the source steps, or None for a model without attention.
    """

    logits: Tensor
    state: StateT
    attention: Tensor | None


class StepModel(Protocol[MemoryT, StateT]):
    """The interface that decoding needs. State is passed in and out, never stored on the module."""

    def encode(self, src: SourceBatch) -> MemoryT:
        """The encoded source, computed once per sentence and used by every decoder step."""
        ...

    def init(self, memory: MemoryT) -> StateT:
        """The decoder state before the first step."""
        ...

    def step(self, tokens: Tensor, state: StateT, memory: MemoryT) -> StepOutput[StateT]:
        """One decoding step. tokens: (N,) int64, the previous tokens (``BOS`` first).

        The memory has B sentences, and N is a multiple of B. The N / B rows of a sentence are adjacent, so all
        hypotheses of a beam share one copy of the encoded sentence.
        """
        ...

    def reorder(self, state: StateT, rows: Tensor) -> StateT:
        """The state of the selected rows. rows: (M,) int64, indices into the N rows; repeats are allowed."""
        ...

    def select(self, memory: MemoryT, rows: Tensor) -> MemoryT:
        """The memory of the selected sentences. rows: (M,) int64, indices into the B sentences; repeats are allowed."""
        ...


class Seq2SeqModel(StepModel[MemoryT, StateT], Protocol[MemoryT, StateT]):
    """The interface that translation training needs: a step model with a forward pass over whole batches.

    ``forward`` returns the outputs before the projection; the loss applies the projection in chunks.
    """

    @property
    def generator(self) -> Projection:
        """The projection from outputs to logits."""
        ...

    def __call__(self, batch: PairBatch, forced: Tensor | None = None, pick: PickWords | None = None) -> Tensor:
        """Outputs (B, T, D) with teacher forcing, free running or a mix of both; see ``Recurrent.forward``."""
        ...


class Projection(Protocol):
    """``logits = weight output + bias``, with weight (V, D) and bias (V,).

    A method ``loss``, as of ``Generator``, is used if there is one.
    """

    @property
    def weight(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor: ...


def pad(sentences: Sequence[NDArray[np.int32]], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Ids (B, L) int64, padded at the end to a multiple of ``multiple``, and lengths (B,)."""
    lengths = np.array([len(sentence) for sentence in sentences])
    width = -(-int(lengths.max()) // multiple) * multiple
    ids = np.full((len(sentences), width), PAD, dtype=np.int64)
    ids[np.arange(width) < lengths[:, None]] = np.concatenate(sentences)
    return torch.from_numpy(ids), torch.from_numpy(lengths)


def source_batch(sentences: Sequence[NDArray[np.int32]], multiple: int = 1) -> SourceBatch:
    """A batch of encoded sources, each including ``EOS``."""
    return SourceBatch(*pad(sentences, multiple))


def pair_batch(
    sources: Sequence[NDArray[np.int32]], targets: Sequence[NDArray[np.int32]], rows: Sequence[int], bucket: int
) -> PairBatch:
    """A batch of encoded pairs, each side including ``EOS``. bucket: sources are padded to a multiple of this."""
    return PairBatch(source_batch(sources, bucket), pad(targets)[0], torch.tensor(rows))


@runtime_checkable
class ModelWithOptions(Protocol):
    """A model with its options."""

    options: Any


@runtime_checkable
class OptionsWithDropout(Protocol):
    """Options whose ``dropout``, if it is a ``ScaledDropoutOptions``, can be scheduled."""

    dropout: Any


@runtime_checkable
class UnfreezeOptions(Protocol):
    """Options with the epoch from which each group is trained."""

    unfreeze: Sequence[int] | None


@runtime_checkable
class UnfreezableModel(Protocol):
    """A model whose groups of parameters are trained from different epochs on."""

    def unfreeze(self, epoch: int) -> None:
        """Sets which parameters are trained."""
        ...


@runtime_checkable
class GroupedModel(ModelWithOptions, Protocol):
    """A model with groups of parameters, which its options may unfreeze one after the other."""

    groups: Any


@runtime_checkable
class ModelWithRates(Protocol):
    """A model that defines its parameter groups and their learning-rate factors."""

    def rate_groups(self) -> Sequence[tuple[Sequence[Tensor], float]]:
        """Parameters and factors."""
        ...


@runtime_checkable
class ModelWithEmbeddings(Protocol):
    """A model with word vectors, which `optimizer.embedding_lr` trains at a rate of their own."""

    def word_embeddings(self) -> list[Tensor]:
        """The parameters; a shared one may occur several times."""
        ...


@runtime_checkable
class LoadsWordVectors(Protocol):
    """A translation model that `vectors` initialises."""

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Copies vectors (V, D) of each side into the embeddings; None leaves a side as it is."""
        ...
