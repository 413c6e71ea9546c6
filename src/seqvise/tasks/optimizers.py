"""The optimizer and its parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqvise.errors import UserError
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import MonitorOptions, OptimizerOptions

RateGroups: TypeAlias = Sequence[tuple[Sequence[Tensor], float]]
"""Parameters and the factor on their rate."""


def build_optimizer(model: nn.Module, options: OptimizerOptions, fused: bool = True) -> Optimizer:
    """The optimizer over a model's parameters.

    A model's ``rate_groups`` give its parameters and the factor on each group's rate. Without it, word vectors get a
    group with ``options.embedding_lr`` times the rate, and are frozen where that is 0. Each group keeps the rate it was
    configured with as ``initial_lr``, which schedules multiply.

    Args:
        model: whose parameters are trained.
        options: the `optimizer` node.
        fused: one kernel for all parameters; Lightning does not clip gradients of such an optimizer in mixed precision.
    """
    named = cast("Callable[[], RateGroups] | None", getattr(model, "rate_groups", None))
    found = _split_off_vectors(model, options) if named is None else named()
    groups = [_group(weights, options.lr * factor) for weights, factor in found]
    return _create([group for group in groups if group["params"]], options, fused)


def with_plateau(optimizer: Optimizer, schedule: ScheduleOptions, monitor: MonitorOptions, every: int = 1) -> Any:
    """What ``configure_optimizers`` gives: the optimizer; with `schedule=plateau` torch's scheduler beside it.

    Every other schedule is a callback's. With ``patience_rule=exact``, the rate falls at the ``patience``-th validation
    in a row whose metric is no better than the best, as EarlyStopping counts. Torch's own rule waits for one more.

    Args:
        optimizer: its rates are lowered.
        schedule: the `schedule` node.
        monitor: the metric.
        every: epochs between two validations.
    """
    if schedule.name != "plateau":
        return optimizer
    mode: Literal["min", "max"] = "max" if monitor.mode == "max" else "min"
    exact = schedule.patience_rule == "exact"
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=schedule.factor,
        patience=schedule.patience - exact,
        threshold=0.0 if exact else 1e-4,
    )
    stepped = {"scheduler": plateau, "monitor": monitor.metric, "frequency": every if exact else 1}
    return {"optimizer": optimizer, "lr_scheduler": stepped}


def _split_off_vectors(model: nn.Module, options: OptimizerOptions) -> RateGroups:
    """The trainable parameters but for word vectors, and these, with the factors on their rates."""
    vectors = word_vectors(model)
    if options.embedding_lr == 0:
        for weight in vectors:
            weight.requires_grad_(False)
    of_vectors = {id(weight) for weight in vectors}
    rest = [weight for weight in model.parameters() if id(weight) not in of_vectors]
    groups: RateGroups = [(rest, 1.0), (vectors, options.embedding_lr)]
    return [([weight for weight in weights if weight.requires_grad], factor) for weights, factor in groups]


def word_vectors(model: nn.Module) -> list[Tensor]:
    """The parameters a model names as its word vectors; none where it names none."""
    named = cast("Callable[[], list[Tensor]]", getattr(model, "word_embeddings", list))
    unique: dict[int, Tensor] = {id(weight): weight for weight in named()}
    return list(unique.values())


def _group(weights: Iterable[Tensor], rate: float) -> dict[str, Any]:
    return {"params": list(weights), "lr": rate, "initial_lr": rate}


def _create(groups: list[dict[str, Any]], options: OptimizerOptions, fused: bool) -> Optimizer:
    further = options.arguments
    # Other ways to make a step exclude the fused one.
    chosen: dict[str, Any] = {"fused": fused and not (further.get("foreach") or further.get("differentiable"))}
    chosen |= {"lr": options.lr, "weight_decay": options.weight_decay} | further
    try:
        if options.name == "sgd":
            return torch.optim.SGD(groups, momentum=options.momentum, **chosen)
        create = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
        first, second = options.betas
        return create(groups, betas=(first, second), eps=options.eps, **chosen)
    except (ValueError, TypeError, RuntimeError) as error:
        if not further:
            raise
        raise UserError(f"optimizer={options.name} refuses {further}: {' '.join(str(error).split())}") from error
