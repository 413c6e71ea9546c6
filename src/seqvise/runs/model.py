"""Builds the model of a config, and loads the model of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from seqvise.checksums import check_archive, read_failure, stamp_archive
from seqvise.classes import find_class
from seqvise.config.options import Config
from seqvise.config.registry import MODULE
from seqvise.errors import UserError
from seqvise.options import option
from seqvise.runs.environment import other_versions
from seqvise.runs.load import Run

if TYPE_CHECKING:
    from seqvise.images.backbones import Network


REMEDY = "restore the file from a copy, or use another checkpoint or run."


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain values with a checksum, as ``torch.load`` and ``read_checkpoint`` read them."""
    # torch may leave a file that it opened itself open after an error, so that removing it would not free the disk.
    with path.open("wb") as file:
        torch.save(content, file)
    stamp_archive(path)


def read_checkpoint(path: Path, mmap: bool = False) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Args:
        mmap: whether tensors are memory-mapped instead of read.

    Raises:
        UserError: the file is damaged, or is not a checkpoint of tensors and plain values.
    """
    try:
        check_archive(path)
        content: dict[str, Any] = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
        return content
    except Exception as error:  # its type depends on which bytes are damaged
        raise UserError(
            f"{path} is not a complete weights-only checkpoint ({read_failure(error)}): {REMEDY}"
        ) from error


def refuse_nan(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights that contain NaN.

    Raises:
        UserError: a tensor contains NaN; the message names it.
    """
    for name, weight in weights.items():
        # A finite sum rules out NaN, and is faster than testing each element. An infinite sum may also be an overflow.
        if weight.is_floating_point() and not bool(weight.sum().isfinite()) and bool(weight.isnan().any()):
            count = int(weight.isnan().sum())
            raise UserError(f"{path} is damaged: {count:,} of {weight.numel():,} numbers of {name} are NaN: {REMEDY}")


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
