"""The model of a config, new or as a run left it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from seqvise.config.options import Config
from seqvise.config.registry import MODULE, find_class
from seqvise.errors import UserError
from seqvise.runs.environment import other_versions
from seqvise.runs.load import Run
from seqvise.runs.weights import REMEDY, read_checkpoint, refuse_nan

if TYPE_CHECKING:
    from seqvise.images.backbones import Network

PREFIX = "model."  # of the task's attribute that holds the model


def build_model(config: Config, source_size: int, target_size: int) -> nn.Module:
    """A new model. source_size, target_size: number of words of each side, the four specials included."""
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    return cast(nn.Module, make(config.model, source_size, target_size))


def build_image_model(
    config: Config, network: Network, dim: int, groups: Sequence[Sequence[nn.Parameter]] = ()
) -> nn.Module:
    """A new model over the features of a network, or over the network itself where it is trained too.

    Args:
        network: looks at images.
        dim: the width of the word vectors.
        groups: the network's parameters, its early and its late layers, for a rate each.

    Raises:
        UserError: `model.prior` asks for classes that the network does not have.
    """
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    classifier = network.head if option(config.model, "prior") else None
    if option(config.model, "prior") and classifier is None:
        raise UserError(
            f"model.prior is above 0, but {network.name} with data.weights={config.data.weights} has no classifier "
            "that reads its features: set model.prior=0, or take weights with a classifier."
        )
    backbone = None if config.data.precompute else network.backbone
    return cast(nn.Module, make(config.model, network.features, dim, backbone, classifier, groups))


def build_text_model(config: Config, *sizes: int) -> nn.Module:
    """A new model of documents. sizes: the number of words, and for a classifier that of labels."""
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    return cast(nn.Module, make(config.model, *sizes))


def load_model(run: Run) -> nn.Module:
    """A run's model with the weights of its checkpoint, on the CPU and in evaluation mode.

    Raises:
        UserError: the run has no checkpoint, or a damaged one, or its weights are those of another model.
    """
    return with_weights(run, build_model(run.config, len(run.source.vocabulary), len(run.target.vocabulary)))


def with_weights(run: Run, model: nn.Module) -> nn.Module:
    """A model of the run's config with the weights of its checkpoint, in evaluation mode.

    Raises:
        UserError: the run has no checkpoint, or a damaged one, or its weights are those of another model.
    """
    path = run.checkpoint()
    weights = model_weights(path)
    if misfit := _misfit(model.state_dict(), weights):
        made = other_versions(run.path)
        told = f" The run was made with {made}." if made else ""
        raise UserError(f"{path} does not fit the model of {run.path / 'config.yaml'}: {misfit}.{told}")
    model.load_state_dict(weights)
    for name, weight in model.named_parameters():
        if not bool(weight.detach().sum().isfinite()) and not bool(weight.isfinite().all()):
            raise UserError(f"{path} is damaged: {name} has numbers that are not finite: {REMEDY}")
    return model.eval()


def model_weights(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by their names in the model.

    Raises:
        UserError: it is damaged.
    """
    content = read_checkpoint(path, mmap=True)  # the optimizer's state, twice the weights, is left in the file
    if "state_dict" not in content:
        raise UserError(f"{path} is not a whole checkpoint of weights alone (it has no state_dict): {REMEDY}")
    state: dict[str, Tensor] = content["state_dict"]
    refuse_nan(state, path)
    return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}


def _misfit(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    shapes = [{name: tuple(weight.shape) for name, weight in weights.items()} for weights in (wanted, found)]
    wrong = [name for name in sorted({**wanted, **found}) if shapes[0].get(name) != shapes[1].get(name)]
    if not wrong:
        return ""
    here, there = (names.get(wrong[0], "none") for names in shapes)
    return f"{len(wrong)} weights differ, the first {wrong[0]}, of shape {here} in the model and {there} in the file"


def option(model: Any, name: str) -> Any:
    """A choice of the model's node, which is a dataclass, or a dictionary where the class has none; None if absent."""
    return model.get(name) if isinstance(model, dict) else getattr(model, name, None)
