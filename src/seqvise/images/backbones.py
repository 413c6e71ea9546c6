"""Networks that look at images: any of torchvision's, or a person's own, each giving one vector an image."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seqvise.checksums import check_archive
from seqvise.errors import UserError
from seqvise.files import digest
from seqvise.images.options import WEIGHTS_SUFFIXES, ImageOptions, is_weights_file
from seqvise.images.transforms import Preset
from seqvise.moved import original

ModuleT = TypeVar("ModuleT", bound=nn.Module)

PROBE = 2
"""Images on which a fused network must say what the network says."""


@torch.no_grad()
def fused(network: ModuleT, size: int) -> ModuleT:
    """A copy of a network in evaluation mode, with each batch norm put into the convolution before it.

    Before it means: in the order in which the modules were defined. The copy is compared with the network on noise,
    and where a network runs its modules in another order, or has nothing to fuse, it is given back as it is.

    Args:
        network: from (B, 3, H, W) uint8 images to a tensor.
        size: H and W of the noise.
    """
    copy = deepcopy(network)
    if not _fuse(copy):
        return network
    noise = torch.randint(0, 256, (PROBE, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    wanted, found = network(noise), copy(noise)
    return copy if torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())) else network


def _fuse(module: nn.Module) -> int:
    """Fuses the pairs in a module, in place, and gives their number."""
    count = 0
    for (first, convolution), (second, norm) in pairwise(module.named_children()):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _fit(convolution, norm):
            setattr(module, first, fuse_conv_bn_eval(convolution, norm))
            setattr(module, second, nn.Identity())
            count += 1
    return count + sum(map(_fuse, module.children()))


def _fit(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    return convolution.out_channels == norm.num_features and norm.running_mean is not None


HEADS = ("fc", "classifier", "heads", "head")
"""Names under which torchvision's models keep what turns features into classes."""


class Pool(nn.Module):
    """The mean over places of a feature map, so that any size of image gives one vector."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) or (B, C) to (B, C)."""
        return features.mean((2, 3)) if features.dim() == 4 else features


class Backbone(nn.Module):
    """A network without its classifier.

    Args:
        body: from normalised images (B, 3, H, W) to (B, F) or (B, F, h, w).
        preset: the colours that the body was trained to see.
        frozen_statistics: batch norm keeps its means and variances in training too, as small batches of other images
            would spoil those of pretrained weights.
    """

    def __init__(self, body: nn.Module, preset: Preset, frozen_statistics: bool) -> None:
        super().__init__()
        self.body, self.pool, self.frozen_statistics = body, Pool(), frozen_statistics
        self.register_buffer("mean", torch.tensor(preset.mean).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(preset.std).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, F)."""
        mean, std = cast(Tensor, self.mean), cast(Tensor, self.std)
        # As in torchvision's transforms, colours are in single precision until the first layer.
        return cast(Tensor, self.pool(self.body((images.to(mean.dtype) - mean) / std)))

    def train(self, mode: bool = True) -> Self:
        """Chooses training or evaluation; frozen batch norm stays in evaluation."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


@dataclass(frozen=True)
class Network:
    """A backbone with what belongs to it.

    Attributes:
        name: of the architecture.
        backbone: gives features.
        features: F, the width of a vector.
        head: from features (B, F) to the logits of the classes that the weights were trained on; None where the
            architecture or the file has none that reads pooled features.
        preset: the images that it was trained to see.
        digest: a hash of the architecture's name, the backbone's weights and the preset: of all that shapes a feature.
    """

    name: str
    backbone: Backbone
    features: int
    head: nn.Module | None
    preset: Preset
    digest: str


def load_network(options: ImageOptions, seed: int = 0) -> Network:
    """The network that the options name, in evaluation mode and single precision.

    Args:
        seed: of the weights where ``options.weights`` is null.

    Raises:
        UserError: torchvision is not installed; the architecture is not known; the weights are not there, cannot be
            fetched, or are of another architecture.
    """
    model, preset = _own_model(options) if "." in options.backbone else _torchvision_model(options, seed)
    preset = preset.changed(options.transform)
    head = _without_head(model)
    backbone = Backbone(model, preset, frozen_statistics=options.weights is not None).eval()
    features = _width(backbone, preset.crop)
    shaping = _digest(original(options.backbone), preset, backbone)
    return Network(options.backbone, backbone, features, _fitting(head, features), preset, shaping)


def layer_groups(module: nn.Module, count: int = 2) -> list[list[nn.Parameter]]:
    """A network's parameters in groups from the input to the output, for a rate each.

    Groups end where blocks do, and hold about as many layers with weights as each other: two groups of ResNet-50 part
    after its second stage, as fast.ai's do.

    Raises:
        ValueError: the network has fewer blocks than groups.
    """
    blocks = [block for block in _blocks(module) if any(True for _ in block.parameters())]
    if len(blocks) < count:
        raise ValueError(f"A network of {len(blocks)} blocks cannot be cut into {count} groups.")
    ends = [0]
    for block in blocks:
        ends.append(ends[-1] + _layers(block))
    cuts = [0]
    for group in range(1, count):
        possible = range(cuts[-1] + 1, len(blocks) - count + group + 1)
        cuts.append(min(possible, key=lambda cut: abs(ends[cut] - ends[-1] * group / count)))
    pairs = zip(cuts, [*cuts[1:], len(blocks)], strict=True)
    groups = [[weight for block in blocks[start:end] for weight in block.parameters()] for start, end in pairs]
    return [[*_outside(module, blocks), *groups[0]], *groups[1:]]


def _outside(module: nn.Module, blocks: Sequence[nn.Module]) -> list[nn.Parameter]:
    """Weights that lie beside the blocks, as the positions of a vision transformer."""
    inside = {id(weight) for block in blocks for weight in block.parameters()}
    return [weight for weight in module.parameters() if id(weight) not in inside]


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The parts of a network: its children, and instead of a child that holds most of it, that child's parts."""
    children = list(module.children())
    for place, child in enumerate(children):
        if 2 * _layers(child) > _layers(module) and any(True for _ in child.children()):
            return [*children[:place], *_blocks(child), *children[place + 1 :]]
    return children or [module]


def _layers(module: nn.Module) -> int:
    return sum(1 for part in module.modules() if isinstance(getattr(part, "weight", None), nn.Parameter))


def _torchvision_model(options: ImageOptions, seed: int) -> tuple[nn.Module, Preset]:
    name, weights = options.backbone, options.weights
    try:
        from torchvision import models
    except ImportError:
        raise UserError("data.kind=images needs torchvision: pip install 'seqvise[images]'.") from None
    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"data.backbone is '{name}', but must be one of {', '.join(known)}, or a dotted path.")
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return models.get_model(name), Preset()
    if is_weights_file(weights):
        return _with_file(models.get_model(name), Path(weights), name), _preset_of_file(name, Path(weights))
    return _with_named(name, weights)


def _with_named(name: str, weights: str) -> tuple[nn.Module, Preset]:
    from torchvision import models

    entries = models.get_model_weights(name)
    if weights not in entries.__members__:
        raise UserError(
            f"data.weights is '{weights}', but {name} has the weights {', '.join(entries.__members__)}; a file's name "
            f"ends in {', '.join(WEIGHTS_SUFFIXES)}."
        )
    entry = entries[weights]
    try:
        return models.get_model(name, weights=entry), Preset.of_weights(entry)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"The weights {entry} cannot be fetched from {entry.url} ({error}): bring that file here by other means, "
            "and give it as data.weights=FILE."
        ) from None


def _preset_of_file(name: str, file: Path) -> Preset:
    """A file that has the name of torchvision's own wants what those weights want."""
    from torchvision import models

    for entry in models.get_model_weights(name):
        if Path(entry.url).name == file.name:
            return Preset.of_weights(entry)
    return Preset()


def _own_model(options: ImageOptions) -> tuple[nn.Module, Preset]:
    module, _, name = options.backbone.rpartition(".")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"data.backbone is '{options.backbone}', but it cannot be imported: {error}.") from None
    if not isinstance(make, type) and module.startswith("seqvise."):
        raise UserError(f"data.backbone is '{options.backbone}', but must be a class that extends torch.nn.Module.")
    model = make()
    if options.weights is None:
        return model, Preset()
    return _with_file(model, Path(options.weights), options.backbone), Preset()


def _with_file(model: nn.Module, file: Path, name: str) -> nn.Module:
    """The model with the weights of a file, which may lack those of the classifier."""
    found = {key: value.float() if value.is_floating_point() else value for key, value in read_weights(file).items()}
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in found and key.partition(".")[0] not in HEADS]
    strange = [key for key in found if key not in wanted]
    unequal = [key for key in wanted if key in found and wanted[key].shape != found[key].shape]
    if missing or strange or unequal:
        raise UserError(_misfit(file, name, missing, strange, unequal))
    for head in HEADS:
        if hasattr(model, head) and not any(key.startswith(f"{head}.") for key in found):
            delattr(model, head)
            setattr(model, head, None)
    model.load_state_dict(found, strict=False)
    if hasattr(model, "transform_input"):
        # GoogLeNet's and Inception's weights come from a library that scales colours in another way.
        cast(Any, model).transform_input = True
    return model


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a ``state_dict`` file, also of one that lies under ``state_dict`` or ``model`` in it.

    Raises:
        UserError: there is no such file, or it holds no tensors by name.
    """
    if not file.is_file():
        raise UserError(
            f"data.weights is {file}, but there is no such file: give the file of a state_dict, or the name of "
            "torchvision's weights, as DEFAULT, which are fetched."
        )
    try:
        if zipfile.is_zipfile(file):
            check_archive(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise UserError(f"data.weights is {file}, but it is no file of weights: {str(error).splitlines()[0]}") from None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"data.weights is {file}, but it holds no state_dict: tensors by their names.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _misfit(file: Path, name: str, missing: Sequence[str], strange: Sequence[str], unequal: Sequence[str]) -> str:
    told = [
        f"{len(keys)} {what} (as {keys[0]})"
        for keys, what in ((missing, "are missing"), (strange, "are unknown"), (unequal, "have another shape"))
        if keys
    ]
    return f"data.weights is {file}, but these are not the weights of {name}: of the names {', '.join(told)}."


def _without_head(model: nn.Module) -> nn.Module | None:
    """Takes the classifier out of a model, which then gives one vector an image whatever its size."""
    name = next((name for name in HEADS if hasattr(model, name)), None)
    head = None if name is None else cast("nn.Module | None", getattr(model, name))
    if name is not None:
        setattr(model, name, Pool())
    if isinstance(getattr(model, "avgpool", None), nn.AdaptiveAvgPool2d):
        # AlexNet and VGG keep a grid of places, for their classifiers.
        model.avgpool = nn.AdaptiveAvgPool2d(1)
    _without_side_heads(model)
    return head


def _without_side_heads(model: nn.Module) -> None:
    """Takes out what GoogLeNet and Inception train beside their end."""
    if hasattr(model, "aux_logits"):
        cast(Any, model).aux_logits = False
        for name in ("AuxLogits", "aux1", "aux2"):
            if hasattr(model, name):
                setattr(model, name, None)


@torch.no_grad()
def _width(backbone: Backbone, size: int) -> int:
    try:
        found = backbone(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(
            f"data.backbone cannot read an image of {size} x {size} pixels ({error}): set data.transform.crop to a "
            "size that it takes."
        ) from None
    if not isinstance(found, Tensor) or found.dim() != 2:
        raise UserError("data.backbone gives no vector, nor a feature map (B, C, h, w): choose another network.")
    return found.shape[1]


@torch.no_grad()
def _fitting(head: nn.Module | None, features: int) -> nn.Module | None:
    """The classifier, if it reads pooled features: that of VGG reads a grid of them."""
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
