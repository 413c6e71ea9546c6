"""Ensembles of models that share their vocabularies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqvise.models.interface import SourceBatch, StepOutput


class Ensemble(nn.Module):
    """A step model that averages its members; its memory and state are tuples, one entry per member.

    Args:
        models: in evaluation mode, with the same source and target vocabulary.
        mean: ``probs`` for the arithmetic mean of the members' probabilities, ``log_probs`` for the geometric mean.
    """

    def __init__(self, models: Sequence[nn.Module], mean: str = "probs") -> None:
        super().__init__()
        self.models: Any = nn.ModuleList(models)
        self.mean, self._name = MEANS[mean], mean

    def with_models(self, models: Iterable[nn.Module]) -> Ensemble:
        """An ensemble of other models with the same kind of mean."""
        return Ensemble(list(models), self._name).eval()

    def encode(self, src: SourceBatch) -> tuple[Any, ...]:
        """See ``StepModel``, as for the next four."""
        return tuple(model.encode(src) for model in self.models)

    def init(self, memory: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(model.init(part) for model, part in zip(self.models, memory, strict=True))

    def step(self, tokens: Tensor, state: tuple[Any, ...], memory: tuple[Any, ...]) -> StepOutput[tuple[Any, ...]]:
        """One step: the mean of the members' logits, and of the attention of the members that have it."""
        members = zip(self.models, state, memory, strict=True)
        outputs = [model.step(tokens, member_state, member_memory) for model, member_state, member_memory in members]
        log_probs = torch.stack([torch.log_softmax(output.logits.float(), 1) for output in outputs])
        maps = [output.attention.float() for output in outputs if output.attention is not None]
        attention = torch.stack(maps).mean(0) if maps else None
        return StepOutput(self.mean(log_probs), tuple(output.state for output in outputs), attention)

    def reorder(self, state: tuple[Any, ...], rows: Tensor) -> tuple[Any, ...]:
        return tuple(model.reorder(part, rows) for model, part in zip(self.models, state, strict=True))

    def select(self, memory: tuple[Any, ...], rows: Tensor) -> tuple[Any, ...]:
        return tuple(model.select(part, rows) for model, part in zip(self.models, memory, strict=True))


def mean_of_probs(log_probs: Tensor) -> Tensor:
    """The logarithm of the members' mean probability: (M, N, V) to (N, V)."""
    return torch.logsumexp(log_probs, 0) - math.log(len(log_probs))


def mean_of_log_probs(log_probs: Tensor) -> Tensor:
    """The members' mean log-probability, not normalised: (M, N, V) to (N, V)."""
    return log_probs.mean(0)


MEANS = {"probs": mean_of_probs, "log_probs": mean_of_log_probs}
