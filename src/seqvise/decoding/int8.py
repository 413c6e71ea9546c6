"""Decoding with weights of 8 bits.

Each row of a weight is rounded to 255 steps, and each product's inputs as they come: the library's *dynamic*
quantisation. It serves the CPU, whose integer units are two to four times as fast; sums are kept whole.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.errors import UserError

ModelT = TypeVar("ModelT", bound=nn.Module)
ENGINES = ("x86", "fbgemm", "onednn", "qnnpack")
"""Of torch.backends.quantized, those that have these products."""
LEAST = 32
"""Rows and columns from which a weight gains."""


class RoundedWeight(nn.Parameter):
    """A weight (O, I) that is rounded in ``F.linear``, and so are its slices; all else sees it as it was.

    Args:
        weight: float32, on the CPU.
    """

    packed: torch.ScriptObject
    slices: dict[str, RoundedWeight]

    def __new__(cls, weight: Tensor) -> Self:
        """The same numbers, and their rounded ones."""
        made: Self = torch.Tensor._make_subclass(cls, weight.detach(), False)
        made.packed, made.slices = _packed(weight.detach()), {}
        return made

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """``F.linear`` of single precision from the rounded numbers, all else from the numbers themselves."""
        named = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if function is F.linear:
                return _linear(*args, **named)
            if function is Tensor.__getitem__ and isinstance(args[1], tuple) and {type(i) for i in args[1]} == {slice}:
                return args[0]._slice(args[1])
            return function(*args, **named)

    def _slice(self, places: tuple[slice, ...]) -> RoundedWeight:
        key = str(places)
        if key not in self.slices:
            self.slices[key] = RoundedWeight(self.data[places])
        return self.slices[key]


def _packed(weight: Tensor) -> torch.ScriptObject:
    """The rounded weight as the library's product reads it."""
    scales = weight.abs().amax(1).clamp_min(1e-12).double() / 127
    zeros = torch.zeros(len(scales), dtype=torch.long)
    with warnings.catch_warnings():
        # To be removed from a later torch, for which ``in_int8`` has a sentence.
        warnings.filterwarnings("ignore", ".*quantize_per_channel.*", UserWarning)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(rounded, None)
    return packed


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``, whose names of arguments these are."""
    if not isinstance(weight, RoundedWeight) or input.dtype != torch.float32:
        return F.linear(input, weight, bias)
    # Half the range for inputs: sums of two products of whole bytes would overflow without VNNI.
    product: Tensor = torch.ops.quantized.linear_dynamic(input.contiguous(), weight.packed, True)
    return product if bias is None else product.add_(bias)


def in_int8(model: ModelT) -> ModelT:
    """The model, whose products at each step of the decoder are of weights of 8 bits.

    The encoder, which reads a sentence once, and the embeddings stay as they are. The model itself is not changed.

    Args:
        model: a step model on the CPU, or an ensemble of some.

    Raises:
        UserError: torch has no such products on this machine.
    """
    engines = torch.backends.quantized.supported_engines if hasattr(torch, "quantize_per_channel") else []
    if not any(engine in ENGINES for engine in engines):
        raise UserError(
            "precision=int8: this torch has no products of 8 bits (torch.backends.quantized): leave it out."
        )
    shared = {id(weight): weight for weight in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, shared)
    for module, name, weight in list(_step_weights(made)):
        module.register_parameter(name, RoundedWeight(weight))
    return made


def _step_weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """The module and the name of each weight that a decoder's step multiplies by."""
    for path, module in model.named_modules():
        if "encoder" in path.split(".") or isinstance(module, nn.Embedding):
            continue
        for name, weight in module.named_parameters(recurse=False):
            if weight.dim() == 2 and min(weight.shape) >= LEAST:
                yield module, name, weight
