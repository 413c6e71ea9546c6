"""The optimizer and its parameter groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqvise.classes import find_class
from seqvise.errors import UserError
from seqvise.models.interface import ModelWithEmbeddings, ModelWithRates
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import MonitorOptions, OptimizerOptions

RateGroups: TypeAlias = Sequence[tuple[Sequence[Tensor], float]]
"""Parameters and their learning-rate factors."""


def build_optimizer(model: nn.Module, options: OptimizerOptions, fused: bool = True) -> Optimizer:
    """The optimizer over a model's parameters.

    A model with ``rate_groups()`` defines its parameter groups and their learning-rate factors. Otherwise the
    embeddings form a group with factor ``options.embedding_lr``, and are frozen if it is 0. Each group stores its
    configured learning rate as ``initial_lr``, which schedules multiply.

    Args:
        model: the model to train.
        options: the `optimizer` node.
        fused: use one kernel for all parameters; Lightning cannot clip gradients of such an optimizer in mixed
            precision.

    Raises:
        UserError: torch's optimizer does not accept ``options.arguments``.
    """
    factors = model.rate_groups() if isinstance(model, ModelWithRates) else _embedding_groups(model, options)
    groups = [_group(weights, options.lr * factor) for weights, factor in factors]
    return _create([group for group in groups if group["params"]], options, fused)


def with_plateau(
    optimizer: Optimizer, schedule: ScheduleOptions, monitor: MonitorOptions, val_interval: int = 1
) -> Any:
    """The result of ``configure_optimizers``: the optimizer, with torch's scheduler for `schedule=plateau`.

    All other schedules are applied by a callback. With ``patience_rule=exact``, the learning rate falls at the
    ``patience``-th consecutive validation whose metric does not exceed the best, as in EarlyStopping. Torch's rule
    waits for one more.

    Args:
        optimizer: the optimizer.
        schedule: the `schedule` node.
        monitor: the metric.
        val_interval: epochs between two validations.
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
    scheduler = {"scheduler": plateau, "monitor": monitor.metric, "frequency": val_interval if exact else 1}
    return {"optimizer": optimizer, "lr_scheduler": scheduler}


def _embedding_groups(model: nn.Module, options: OptimizerOptions) -> RateGroups:
    """Trainable parameters in two groups, embeddings last, with their learning-rate factors."""
    embeddings = unique_embeddings(model)
    if options.embedding_lr == 0:
        for weight in embeddings:
            weight.requires_grad_(False)
    embedding_ids = {id(weight) for weight in embeddings}
    rest = [weight for weight in model.parameters() if id(weight) not in embedding_ids]
    groups: RateGroups = [(rest, 1.0), (embeddings, options.embedding_lr)]
    return [([weight for weight in weights if weight.requires_grad], factor) for weights, factor in groups]


def unique_embeddings(model: nn.Module) -> list[Tensor]:
    """The parameters from the model's ``word_embeddings()``, each once; none for a model without this method."""
    embeddings = model.word_embeddings() if isinstance(model, ModelWithEmbeddings) else []
    unique: dict[int, Tensor] = {id(weight): weight for weight in embeddings}
    return list(unique.values())


def _group(weights: Iterable[Tensor], rate: float) -> dict[str, Any]:
    return {"params": list(weights), "lr": rate, "initial_lr": rate}


def _create(groups: list[dict[str, Any]], options: OptimizerOptions, fused: bool) -> Optimizer:
    if "." in options.name:
        return _create_custom(groups, options)
    extra = options.arguments
    # These implementations exclude the fused one.
    arguments: dict[str, Any] = {"fused": fused and not (extra.get("foreach") or extra.get("differentiable"))}
    arguments |= {"lr": options.lr, "weight_decay": options.weight_decay} | extra
    try:
        if options.name == "sgd":
            return torch.optim.SGD(groups, momentum=options.momentum, **arguments)
        create = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
        first, second = options.betas
        return create(groups, betas=(first, second), eps=options.eps, **arguments)
    except (ValueError, TypeError, RuntimeError) as error:
        if not extra:
            raise
        message = " ".join(str(error).split())
        keys = ", ".join(f"optimizer.{name}={value}" for name, value in extra.items())
        raise UserError(f"optimizer={options.name} does not accept {keys}: {message}") from error


def _create_custom(groups: list[dict[str, Any]], options: OptimizerOptions) -> Optimizer:
    """An optimizer of another class, with those keys of the node that its constructor has, and all further keys."""
    create = cast(Callable[..., Optimizer], find_class("optimizer.name", options.name))
    first, second = options.betas
    node = {
        "betas": (first, second),
        "momentum": options.momentum,
        "weight_decay": options.weight_decay,
        "eps": options.eps,
    }
    accepted = inspect.signature(create).parameters
    known = {name: value for name, value in node.items() if name in accepted}
    arguments = {"lr": options.lr, **known, **options.arguments}
    try:
        return create(groups, **arguments)
    except Exception as error:  # a user's class may raise anything
        message = " ".join(str(error).split())
        keys = ", ".join(f"optimizer.{name}={value}" for name, value in arguments.items())
        raise UserError(f"optimizer.name={options.name} does not accept {keys}: {message}") from error
