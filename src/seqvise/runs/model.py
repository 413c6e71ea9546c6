"""Builds the model of a config, and loads the model of a run."""

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
    """Builds a translation model. source_size, target_size: vocabulary sizes, including the four special tokens."""
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    return cast(nn.Module, make(config.model, source_size, target_size))


def build_image_model(
    config: Config, network: Network, dim: int, groups: Sequence[Sequence[nn.Parameter]] = ()
) -> nn.Module:
    """Builds an image model on the features of a network, or on the network itself if it is fine-tuned.

    Args:
        network: the image network.
        dim: the dimension of the word vectors.
        groups: the network's parameters in groups, early and late layers, with one learning rate per group.

    Raises:
        UserError: `model.prior` needs a classifier, but the network has none.
    """
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    classifier = network.head if option(config.model, "prior") else None
    if option(config.model, "prior") and classifier is None:
        raise UserError(
            f"model.prior is above 0, but {network.name} with data.weights={config.data.weights} has no classifier "
            "on its features: set model.prior=0, or use weights with a classifier."
        )
    backbone = None if config.data.precompute else network.backbone
    return cast(nn.Module, make(config.model, network.features, dim, backbone, classifier, groups))


def build_text_model(config: Config, *sizes: int) -> nn.Module:
    """Builds a language model or classifier. sizes: vocabulary size and, for a classifier, number of labels."""
    make = cast(Any, find_class("model._target_", option(config.model, "_target_"), MODULE))
    return cast(nn.Module, make(config.model, *sizes))


def load_model(run: Run) -> nn.Module:
    """Loads a run's model with the weights of its checkpoint, on the CPU and in evaluation mode.

    Raises:
        UserError: the run has no checkpoint, or it is damaged or belongs to another model.
    """
    return with_weights(run, build_model(run.config, len(run.source.vocabulary), len(run.target.vocabulary)))


def with_weights(run: Run, model: nn.Module) -> nn.Module:
    """Loads the weights of the run's checkpoint into a model of its config, and sets evaluation mode.

    Raises:
        UserError: the run has no checkpoint, or it is damaged or belongs to another model.
    """
    path = run.checkpoint()
    weights = model_weights(path)
    if misfit := _misfit(model.state_dict(), weights):
        versions = other_versions(run.path)
        note = f" The run was made with {versions}." if versions else ""
        raise UserError(f"{path} does not fit the model of {run.path / 'config.yaml'}: {misfit}.{note}")
    model.load_state_dict(weights)
    for name, weight in model.named_parameters():
        if not bool(weight.detach().sum().isfinite()) and not bool(weight.isfinite().all()):
            raise UserError(f"{path} is damaged: {name} has values that are not finite: {REMEDY}")
    return model.eval()


def model_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by parameter name.

    Raises:
        UserError: the checkpoint is damaged.
    """
    content = read_checkpoint(path, mmap=True)  # the optimizer's state, twice as large, is not read
    if "state_dict" not in content:
        raise UserError(f"{path} is not a complete weights-only checkpoint (it has no state_dict): {REMEDY}")
    state: dict[str, Tensor] = content["state_dict"]
    refuse_nan(state, path)
    return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}


def _misfit(expected: dict[str, Tensor], loaded: dict[str, Tensor]) -> str:
    shapes = [{name: tuple(weight.shape) for name, weight in weights.items()} for weights in (expected, loaded)]
    mismatches = [name for name in sorted({**expected, **loaded}) if shapes[0].get(name) != shapes[1].get(name)]
    if not mismatches:
        return ""
    in_model, in_file = (names.get(mismatches[0], "none") for names in shapes)
    return (
        f"{len(mismatches)} weights differ, e.g. {mismatches[0]} with shape {in_model} in the model and {in_file} in "
        "the file"
    )


def option(model: Any, name: str) -> Any:
    """A value of the model's node, a dataclass, or a dictionary for classes without options; None if absent."""
    return model.get(name) if isinstance(model, dict) else getattr(model, name, None)
