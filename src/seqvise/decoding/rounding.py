"""Decoding with weights of fewer bits: bfloat16, or whole numbers of 8 bits.

A step of decoding has few rows, and mostly waits for its weights; and a processor with units for short numbers
multiplies two to four times as many of them. Sums are kept in single precision, and so is all else.
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
"""Of torch.backends.quantized, those that have products of 8 bits."""
LEAST = 32
"""Rows and columns from which a weight gains."""


class RoundedWeight(nn.Parameter):
    """A weight (O, I) that is rounded in ``F.linear``, and so are its slices; all else sees it as it was.

    Args:
        weight: float32.
    """

    packed: Any
    slices: dict[str, RoundedWeight]

    def __new__(cls, weight: Tensor) -> Self:
        """The same numbers, and their rounded ones."""
        made: Self = torch.Tensor._make_subclass(cls, weight.detach(), False)
        made.slices = {}
        made.packed = cls.pack(weight.detach())
        return made

    @staticmethod
    def pack(weight: Tensor) -> Any:
        """The rounded numbers as the product reads them."""
        raise NotImplementedError

    def product(self, inputs: Tensor) -> Tensor:
        """From float32 (..., I) to new float32 (..., O)."""
        raise NotImplementedError

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
            self.slices[key] = type(self)(self.data[places])
        return self.slices[key]


class Bf16Weight(RoundedWeight):
    """Rounded to bfloat16, 8 bits of precision, as are a product's inputs and its result."""

    @staticmethod
    def pack(weight: Tensor) -> Tensor:
        """See ``RoundedWeight``."""
        return weight.bfloat16()

    def product(self, inputs: Tensor) -> Tensor:
        """See ``RoundedWeight``."""
        return F.linear(inputs.bfloat16(), self.packed).float()


class Int8Weight(RoundedWeight):
    """Each row rounded to 255 steps, and a product's inputs as they come: the library's *dynamic* quantisation."""

    @staticmethod
    def pack(weight: Tensor) -> torch.ScriptObject:
        """See ``RoundedWeight``."""
        scales = weight.abs().amax(1).clamp_min(1e-12).double() / 127
        zeros = torch.zeros(len(scales), dtype=torch.long)
        with warnings.catch_warnings():
            # To be removed from a later torch, for which ``rounded`` has a sentence.
            warnings.filterwarnings("ignore", ".*quantize_per_channel.*", UserWarning)
            whole = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(whole, None)
        return packed

    def product(self, inputs: Tensor) -> Tensor:
        """See ``RoundedWeight``."""
        # Half the range for inputs: sums of two products of whole bytes would overflow without VNNI.
        product: Tensor = torch.ops.quantized.linear_dynamic(inputs.contiguous(), self.packed, True)
        return product


WEIGHTS: dict[str, type[RoundedWeight]] = {"bf16": Bf16Weight, "int8": Int8Weight}


def rounded(model: ModelT, precision: str) -> ModelT:
    """The model, whose products are of rounded weights.

    Embeddings stay as they are, and the model itself is not changed.

    Args:
        model: a step model, or an ensemble of some; for ``int8`` on the CPU.
        precision: of ``WEIGHTS``.

    Raises:
        UserError: torch has no such products on this machine.
    """
    if precision == "int8":
        _refuse_without_int8()
    shared = {id(weight): weight for weight in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, shared)
    for module, name, weight in list(_weights(made)):
        module.register_parameter(name, WEIGHTS[precision](weight))
    return made


def _refuse_without_int8() -> None:
    engines = torch.backends.quantized.supported_engines if hasattr(torch, "quantize_per_channel") else []
    if not any(engine in ENGINES for engine in engines):
        raise UserError(
            "precision=int8: this torch has no products of 8 bits (torch.backends.quantized): leave it out."
        )


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``, whose names of arguments these are."""
    if not isinstance(weight, RoundedWeight) or input.dtype != torch.float32:
        return F.linear(input, weight, bias)
    product = weight.product(input)
    return product if bias is None else product.add_(bias)


def _weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """The module and the name of each weight that is multiplied by."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            continue
        for name, weight in module.named_parameters(recurse=False):
            if weight.dim() == 2 and min(weight.shape) >= LEAST:
                yield module, name, weight
