"""The model of a config, new or as a run left it."""

from __future__ import annotations

from typing import Any, cast

import torch
from hydra.utils import get_class
from torch import Tensor, nn

from seqvise.config.options import Config
from seqvise.errors import UserError
from seqvise.runs.load import Run

PREFIX = "model."  # of the task's attribute that holds the model


def build_model(config: Config, source_size: int, target_size: int) -> nn.Module:
    """A new model. source_size, target_size: number of words of each side, the four specials included."""
    make = cast(Any, get_class(option(config.model, "_target_")))
    return cast(nn.Module, make(config.model, source_size, target_size))


def load_model(run: Run) -> nn.Module:
    """A run's model with the weights of its checkpoint, on the CPU and in evaluation mode.

    Raises:
        UserError: the run has no checkpoint, or its weights are those of another model.
    """
    path = run.checkpoint()
    model = build_model(run.config, len(run.source.vocabulary), len(run.target.vocabulary))
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    weights = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the model of {run.path / 'config.yaml'}: {error}") from error
    return model.eval()


def option(model: Any, name: str) -> Any:
    """A choice of the model's node, which is a dataclass, or a dictionary where the class has none; None if absent."""
    return model.get(name) if isinstance(model, dict) else getattr(model, name, None)
