"""Several models with one vocabulary that decode as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqvise.models.interface import SourceBatch, StepModel, StepOutput


class Ensemble(nn.Module):
    """A step model whose memory and state are tuples of those of its members.

    Args:
        models: in evaluation mode, of one source and one target vocabulary.
        mean: ``probs``, the arithmetic mean of the members' probabilities, or ``log_probs``, their geometric one.
    """

    def __init__(self, models: Sequence[nn.Module], mean: str = "probs") -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.mean, self._name = MEANS[mean], mean

    def of(self, models: Iterable[nn.Module]) -> Ensemble:
        """The same mean of other models."""
        return Ensemble(list(models), self._name).eval()

    def encode(self, src: SourceBatch) -> tuple[Any, ...]:
        """What each member reads of the source."""
        return tuple(model.encode(src) for model in self._members())

    def init(self, memory: tuple[Any, ...]) -> tuple[Any, ...]:
        """The state of each member before its first step."""
        return tuple(model.init(part) for model, part in zip(self._members(), memory, strict=True))

    def step(self, tokens: Tensor, state: tuple[Any, ...], memory: tuple[Any, ...]) -> StepOutput[tuple[Any, ...]]:
        """One step of each. Logits are the mean; attention is the mean over the members that have it."""
        parts = [model.step(tokens, own, part) for model, own, part in zip(self._members(), state, memory, strict=True)]
        log_probs = torch.stack([torch.log_softmax(part.logits.float(), 1) for part in parts])
        maps = [part.attention.float() for part in parts if part.attention is not None]
        attention = torch.stack(maps).mean(0) if maps else None
        return StepOutput(self.mean(log_probs), tuple(part.state for part in parts), attention)

    def reorder(self, state: tuple[Any, ...], rows: Tensor) -> tuple[Any, ...]:
        """The state of the chosen rows, of each member."""
        return tuple(model.reorder(own, rows) for model, own in zip(self._members(), state, strict=True))

    def select(self, memory: tuple[Any, ...], rows: Tensor) -> tuple[Any, ...]:
        """The memory of the chosen sentences, of each member."""
        return tuple(model.select(part, rows) for model, part in zip(self._members(), memory, strict=True))

    def _members(self) -> list[StepModel[Any, Any]]:
        return cast(list[StepModel[Any, Any]], list(self.models))


def mean_of_probs(log_probs: Tensor) -> Tensor:
    """The logarithm of the mean probability: (M, N, V) to (N, V)."""
    return torch.logsumexp(log_probs, 0) - math.log(len(log_probs))


def mean_of_log_probs(log_probs: Tensor) -> Tensor:
    """The mean log-probability, not normalised: (M, N, V) to (N, V)."""
    return log_probs.mean(0)


MEANS = {"probs": mean_of_probs, "log_probs": mean_of_log_probs}
