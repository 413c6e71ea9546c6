"""Parameters in groups that are trained one after another, each with a rate of its own (Howard and Ruder 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import Parameter

Groups = Sequence[Sequence[Parameter]]
"""Of a model's parameters, those nearest to its input first."""


def thaw(groups: Groups, epochs: Sequence[int] | None, epoch: int) -> None:
    """Trains those groups whose epoch has come, and no others.

    Args:
        groups: the groups.
        epochs: from which the last group is trained, the one before it, and so on; the last number is that of all that
            are left. None trains all.
        epoch: of training.
    """
    if epochs is None:
        return
    for place, group in enumerate(reversed(groups)):
        for weight in group:
            weight.requires_grad_(epoch >= epochs[min(place, len(epochs) - 1)])


def with_rates(groups: Groups, rates: Sequence[float] | None) -> list[tuple[list[Parameter], float]]:
    """The groups with the factors on their rates. rates: None is 1 for all."""
    factors = [1.0] * len(groups) if rates is None else rates
    return [(list(group), factor) for group, factor in zip(groups, factors, strict=True)]
