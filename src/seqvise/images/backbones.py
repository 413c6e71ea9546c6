"""Image backbones: any torchvision network or your own, with one feature vector per image."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seqvise.checksums import check_archive, read_failure
from seqvise.classes import find_class, find_function
from seqvise.errors import UserError
from seqvise.files import digest
from seqvise.images.options import WEIGHTS_SUFFIXES, ImageOptions, is_weights_file
from seqvise.images.transforms import Preset
from seqvise.moved import original

ModuleT = TypeVar("ModuleT", bound=nn.Module)

PROBE_IMAGES = 2
"""Number of images on which a fused network must agree with the original network."""


@torch.no_grad()
def fuse_batch_norms(network: ModuleT, size: int) -> ModuleT:
    """A copy of a network in evaluation mode, with each batch norm fused into the preceding convolution.

    "Preceding" refers to the order in which modules are defined. The copy is compared with the network on noise. If
    the outputs differ because modules run in another order, or nothing can be fused, the network itself is returned.

    Args:
        network: maps (B, 3, H, W) uint8 images to a tensor.
        size: H and W of the noise.
    """
    fused = deepcopy(network)
    if not _fuse(fused):
        return network
    noise = torch.randint(
        0, 256, (PROBE_IMAGES, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    expected, actual = network(noise), fused(noise)
    return fused if torch.allclose(actual, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())) else network


def _fuse(module: nn.Module) -> int:
    """Fuses the pairs in a module in place, and returns their number."""
    count = 0
    for (first, convolution), (second, norm) in pairwise(module.named_children()):
        if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
            continue
        if convolution.out_channels == norm.num_features and norm.running_mean is not None:
            setattr(module, first, fuse_conv_bn_eval(convolution, norm))
            setattr(module, second, nn.Identity())
            count += 1
    return count + sum(map(_fuse, module.children()))


HEADS = ("fc", "classifier", "heads", "head")
"""Attribute names of the classifier head in torchvision's models."""


class GlobalPool(nn.Module):
    """Global average pooling, so that images of any size have one feature vector."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) or (B, C) to (B, C)."""
        return features.mean((2, 3)) if features.dim() == 4 else features


class Backbone(nn.Module):
    """A network without its classifier head.

    Args:
        body: maps normalized images (B, 3, H, W) to (B, F) or (B, F, h, w).
        preset: colour normalization of the body's training.
        frozen_statistics: keep batch norm statistics fixed in training, since small batches of other images would
            degrade those of pretrained weights.
    """

    def __init__(self, body: nn.Module, preset: Preset, frozen_statistics: bool) -> None:
        super().__init__()
        self.body, self.pool, self.frozen_statistics = body, GlobalPool(), frozen_statistics
        self.register_buffer("mean", torch.tensor(preset.mean).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(preset.std).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, F)."""
        mean, std = cast(Tensor, self.mean), cast(Tensor, self.std)
        # As in torchvision's transforms, colours are float32 until the first layer.
        return cast(Tensor, self.pool(self.body((images.to(mean.dtype) - mean) / std)))

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation mode; frozen batch norm stays in evaluation mode."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


@dataclass(frozen=True)
class Network:
    """A backbone with its head and preset.

    Attributes:
        features: F, the feature dimension.
        head: maps features (B, F) to the logits of the classes that the weights were trained on; None if the
            architecture or the weights file has no head for pooled features.
        preset: image preprocessing of the weights.
        digest: a hash of everything that determines features: architecture name, backbone weights and preset.
    """

    name: str
    backbone: Backbone
    features: int
    head: nn.Module | None
    preset: Preset
    digest: str


def load_network(options: ImageOptions, seed: int = 0) -> Network:
    """Loads the network of the options, in evaluation mode and float32.

    Args:
        seed: seed of random weights if ``options.weights`` is null.

    Raises:
        UserError: torchvision is not installed; the architecture is unknown; the weights are missing, cannot be
            downloaded, or are of another architecture.
    """
    model, preset = _custom_model(options) if "." in options.backbone else _torchvision_model(options, seed)
    preset = preset.with_options(options.transform)
    head = _without_head(model)
    backbone = Backbone(model, preset, frozen_statistics=options.weights is not None).eval()
    features = _feature_width(backbone, preset.crop)
    weights_digest = _digest(original(options.backbone), preset, backbone)
    return Network(options.backbone, backbone, features, _pooled_head(head, features), preset, weights_digest)


def layer_groups(module: nn.Module, count: int = 2) -> list[list[nn.Parameter]]:
    """Splits a network's parameters into groups from input to output, for separate learning rates.

    Groups consist of whole blocks and have about the same number of layers with weights. Two groups of ResNet-50 are
    split after its second stage, as in fast.ai.

    Raises:
        ValueError: the network has fewer blocks than groups.
    """
    blocks = [block for block in _blocks(module) if any(True for _ in block.parameters())]
    if len(blocks) < count:
        raise ValueError(f"A network of {len(blocks)} blocks cannot be split into {count} groups.")
    ends = [0]
    for block in blocks:
        ends.append(ends[-1] + _layers(block))
    cuts = [0]
    for group in range(1, count):
        possible = range(cuts[-1] + 1, len(blocks) - count + group + 1)
        cuts.append(min(possible, key=lambda cut: abs(ends[cut] - ends[-1] * group / count)))
    pairs = zip(cuts, [*cuts[1:], len(blocks)], strict=True)
    groups = [[weight for block in blocks[start:end] for weight in block.parameters()] for start, end in pairs]
    inside = {id(weight) for block in blocks for weight in block.parameters()}
    # Parameters outside the blocks are for example the position embeddings of a vision transformer.
    outside = [weight for weight in module.parameters() if id(weight) not in inside]
    return [[*outside, *groups[0]], *groups[1:]]


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The blocks of a network: its children; a child with most of the layers is replaced by its own blocks."""
    children = list(module.children())
    for index, child in enumerate(children):
        if 2 * _layers(child) > _layers(module) and any(True for _ in child.children()):
            return [*children[:index], *_blocks(child), *children[index + 1 :]]
    return children or [module]


def _layers(module: nn.Module) -> int:
    return sum(1 for part in module.modules() if isinstance(getattr(part, "weight", None), nn.Parameter))


def _torchvision_model(options: ImageOptions, seed: int) -> tuple[nn.Module, Preset]:
    name, weights = options.backbone, options.weights
    try:
        from torchvision import models
    except ImportError:
        raise UserError("data.kind=images needs torchvision: pip install 'seqvise[images]'.") from None
    names = models.list_models(module=models)
    if name not in names:
        raise UserError(f"data.backbone is '{name}', but must be one of {', '.join(names)}, or a dotted path.")
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return models.get_model(name), Preset()
    if is_weights_file(weights):
        return _with_weights_file(models.get_model(name), Path(weights), name), _preset_of_file(name, Path(weights))
    return _with_named_weights(name, weights)


def _with_named_weights(name: str, weights: str) -> tuple[nn.Module, Preset]:
    from torchvision import models

    entries = models.get_model_weights(name)
    if weights not in entries.__members__:
        raise UserError(
            f"data.weights is '{weights}', but {name} has the weights {', '.join(entries.__members__)}; the name of a "
            f"file must end in {', '.join(WEIGHTS_SUFFIXES)}."
        )
    entry = entries[weights]
    try:
        return models.get_model(name, weights=entry), Preset.of_weights(entry)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"The weights {entry} cannot be downloaded from {entry.url} ({error}): download the file by other means, "
            "and set data.weights=FILE."
        ) from None


def _preset_of_file(name: str, file: Path) -> Preset:
    """The preset of torchvision's weights with the same file name, or else the default preset."""
    from torchvision import models

    for entry in models.get_model_weights(name):
        if Path(entry.url).name == file.name:
            return Preset.of_weights(entry)
    return Preset()


def _custom_model(options: ImageOptions) -> tuple[nn.Module, Preset]:
    # The config of someone else's run may name this package, but must not run any function of it.
    find = find_class if options.backbone.startswith("seqvise.") else find_function
    model = find("data.backbone", options.backbone)()
    if not isinstance(model, nn.Module):
        raise UserError(f"data.backbone is '{options.backbone}', but that creates no torch.nn.Module.")
    if options.weights is None:
        return model, Preset()
    return _with_weights_file(model, Path(options.weights), options.backbone), Preset()


def _with_weights_file(model: nn.Module, file: Path, name: str) -> nn.Module:
    """Loads the weights of a file into the model; the file may lack those of the classifier head."""
    weights = {key: value.float() if value.is_floating_point() else value for key, value in read_weights(file).items()}
    state = model.state_dict()
    missing = [key for key in state if key not in weights and key.partition(".")[0] not in HEADS]
    unexpected = [key for key in weights if key not in state]
    mismatched = [key for key in state if key in weights and state[key].shape != weights[key].shape]
    if missing or unexpected or mismatched:
        raise UserError(_mismatch(file, name, missing, unexpected, mismatched))
    for head in HEADS:
        if hasattr(model, head) and not any(key.startswith(f"{head}.") for key in weights):
            delattr(model, head)
            setattr(model, head, None)
    model.load_state_dict(weights, strict=False)
    if hasattr(model, "transform_input"):
        # GoogLeNet's and Inception's weights come from a library with another colour scale.
        cast(Any, model).transform_input = True
    return model


def read_weights(file: Path) -> dict[str, Tensor]:
    """Reads the tensors of a ``state_dict`` file; a nested ``state_dict`` or ``model`` entry is used if present.

    Raises:
        UserError: the file does not exist, or contains no named tensors.
    """
    if not file.is_file():
        raise UserError(
            f"data.weights is {file}, but there is no such file: give a state_dict file, or the name of torchvision's "
            "weights, such as DEFAULT, which are downloaded."
        )
    try:
        if zipfile.is_zipfile(file):
            check_archive(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the type of error depends on the kind of damage
        raise UserError(f"data.weights is {file}, but it is not a weights file: {read_failure(error)}.") from None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"data.weights is {file}, but it contains no state_dict of named tensors.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _mismatch(
    file: Path, name: str, missing: Sequence[str], unexpected: Sequence[str], mismatched: Sequence[str]
) -> str:
    differences = [
        f"{len(keys)} {problem} (such as {keys[0]})"
        for keys, problem in ((missing, "missing"), (unexpected, "unknown"), (mismatched, "of another shape"))
        if keys
    ]
    return f"data.weights is {file}, which does not fit {name}; parameters: {', '.join(differences)}."


def _without_head(model: nn.Module) -> nn.Module | None:
    """Removes and returns the classifier head; the model then returns one feature vector per image of any size."""
    name = next((name for name in HEADS if hasattr(model, name)), None)
    head = None if name is None else cast("nn.Module | None", getattr(model, name))
    if name is not None:
        setattr(model, name, GlobalPool())
    if isinstance(getattr(model, "avgpool", None), nn.AdaptiveAvgPool2d):
        # AlexNet and VGG pool to a grid for their classifiers.
        model.avgpool = nn.AdaptiveAvgPool2d(1)
    _without_side_heads(model)
    return head


def _without_side_heads(model: nn.Module) -> None:
    """Removes the auxiliary classifiers of GoogLeNet and Inception."""
    if hasattr(model, "aux_logits"):
        cast(Any, model).aux_logits = False
        for name in ("AuxLogits", "aux1", "aux2"):
            if hasattr(model, name):
                setattr(model, name, None)


@torch.no_grad()
def _feature_width(backbone: Backbone, size: int) -> int:
    try:
        features = backbone(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(
            f"data.backbone cannot process images of {size} x {size} pixels ({error}): set data.transform.crop to a "
            "supported size."
        ) from None
    if not isinstance(features, Tensor) or features.dim() != 2:
        raise UserError("data.backbone returns neither vectors nor feature maps (B, C, h, w): choose another network.")
    return features.shape[1]


@torch.no_grad()
def _pooled_head(head: nn.Module | None, features: int) -> nn.Module | None:
    """The head if it accepts pooled features, else None: VGG's head, for example, needs a grid of features."""
    if head is None:
        return None
    head.eval()
    try:
        return head if head(torch.zeros(1, features)).dim() == 2 else None
    except (RuntimeError, IndexError):
        return None


def _digest(name: str, preset: Preset, backbone: Backbone) -> str:
    state = blake2b()
    for key, value in sorted(backbone.body.state_dict().items()):
        state.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        state.update(value.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest(json.dumps([name, asdict(preset), state.hexdigest()]), 32)
