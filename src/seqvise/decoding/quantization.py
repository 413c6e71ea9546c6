"""Decoding with quantized weights: bfloat16 or int8.

A decoding step has few rows and is limited by the memory bandwidth of its weights. CPUs with bfloat16 or int8 units
also multiply two to four times as many numbers in the same time. Sums and all other operations stay in single
precision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.errors import UserError

ModelT = TypeVar("ModelT", bound=nn.Module)
LEVELS = 63
"""Quantization levels of the inputs per sign: without VNNI, sums of two products of full bytes would overflow."""
ROUNDING_OFFSET = torch.tensor(LEVELS + 1.5)
MIN_SCALE = 1e-12
MIN_SIZE = 32
"""Minimum number of rows and columns for a weight to be quantized; smaller ones are not faster."""


class QuantizedWeight(nn.Parameter):
    """A weight (O, I) that is quantized in ``F.linear``, as are its slices; other functions use the float32 values.

    Args:
        weight: float32.
    """

    packed: Any
    slices: dict[str, QuantizedWeight]

    def __new__(cls, weight: Tensor) -> Self:
        """A view of the float32 weight, with the packed quantized weight."""
        quantized_weight: Self = torch.Tensor._make_subclass(cls, weight.detach(), False)
        quantized_weight.slices = {}
        quantized_weight.packed = cls.pack(weight.detach())
        return quantized_weight

    @staticmethod
    def pack(weight: Tensor) -> Any:
        """The quantized weight in the layout that ``product`` expects."""
        raise NotImplementedError

    def product(self, inputs: Tensor) -> Tensor:
        """The product of float32 inputs (..., I) with the weight: a new float32 tensor (..., O)."""
        raise NotImplementedError

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Single-precision ``F.linear`` uses the quantized weight, every other function the float32 weight."""
        keywords = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if function is F.linear:
                return _linear(*args, **keywords)
            if function is Tensor.__getitem__ and isinstance(args[1], tuple) and {type(i) for i in args[1]} == {slice}:
                return args[0]._slice(args[1])
            return function(*args, **keywords)

    def _slice(self, index: tuple[slice, ...]) -> QuantizedWeight:
        key = str(index)
        if key not in self.slices:
            self.slices[key] = type(self)(self.data[index])
        return self.slices[key]


class Bf16Weight(QuantizedWeight):
    """Rounded to bfloat16 (8 bits of precision), as are the inputs and the result of a product."""

    @staticmethod
    def pack(weight: Tensor) -> Tensor:
        return weight.bfloat16()

    def product(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs.bfloat16(), self.packed).float()


class Packed(NamedTuple):
    """An int8 weight (O, I) packed for oneDNN."""

    weight: Tensor  # int8, in the layout of oneDNN
    scales: Tensor  # (O,) float32, quantization step of each row divided by ``LEVELS``
    zeros: Tensor  # (O,) int32, zero points, all 0
    offset: Tensor  # (O,) float32, correction for the inputs, which are shifted by ``LEVELS + 1`` to be unsigned


class Int8Weight(QuantizedWeight):
    """Quantizes each row of the weight to 255 levels, and each row of the inputs dynamically to 127 levels.

    The result of a row depends on that row alone, so that a translation does not depend on its batch.
    """

    @staticmethod
    def pack(weight: Tensor) -> Packed:
        steps = weight.abs().amax(1, keepdim=True).clamp_min(MIN_SCALE) / 127
        integers = (weight / steps).round().to(torch.int8).contiguous()
        scales = steps.squeeze(1) / LEVELS
        offset = -(LEVELS + 1) * scales * integers.sum(1)
        packed: Tensor = torch.ops.onednn.qlinear_prepack(integers, None)
        return Packed(packed, scales, torch.zeros(len(scales), dtype=torch.int32), offset)

    def product(self, inputs: Tensor) -> Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        scale = rows.abs().amax(1, keepdim=True).clamp_min_(MIN_SCALE)
        # oneDNN is fast with unsigned inputs only: values are 1 to 127, and truncation rounds to nearest.
        integers = torch.addcdiv(ROUNDING_OFFSET, rows, scale, value=LEVELS).to(torch.uint8)
        product = multiply_int8(integers, self.packed).mul_(scale)
        return product.view(*inputs.shape[:-1], -1)


def multiply_int8(integers: Tensor, packed: Packed) -> Tensor:
    """The product of integers with a packed weight, times its scales: uint8 (N, I) to float32 (N, O).

    Torch documents no int8 matrix product for CPUs. ``torch._int_mm`` is a plain loop on CPUs without VNNI, 200 times
    slower. This operator is the one that torch's own quantization of exported programs uses on x86;
    ``_has_int8`` checks that it exists and is exact.
    """
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        *(integers, 1.0, 0),  # the inputs, their scale and zero point
        *(packed.weight, packed.scales, packed.zeros, packed.offset),
        *(1.0, 0, torch.float32),  # scale, zero point and dtype of the output
        *("none", [], ""),  # no operation on the output
    )
    return product


WEIGHTS: dict[str, type[QuantizedWeight]] = {"bf16": Bf16Weight, "int8": Int8Weight}


def quantized(model: ModelT, precision: str) -> ModelT:
    """A copy of the model with quantized weights in its matrix products.

    Embeddings are not quantized, and the original model is not changed.

    Args:
        model: a step model or an ensemble; on CPU for ``int8``.
        precision: a key of ``WEIGHTS``.

    Raises:
        UserError: torch has no int8 products on this machine.
    """
    if precision == "int8" and not _has_int8():
        raise UserError("precision=int8: this torch has no int8 products (oneDNN) on this machine: leave it out.")
    shared = {id(weight): weight for weight in (*model.parameters(), *model.buffers())}
    quantized_model = copy.deepcopy(model, shared)
    for module, name, weight in list(_linear_weights(quantized_model)):
        module.register_parameter(name, WEIGHTS[precision](weight))
    return quantized_model


def _has_int8() -> bool:
    """Whether the product exists and is exact for the largest values that occur."""
    inputs, weight = torch.full((2, 64), 2 * LEVELS + 1, dtype=torch.uint8), torch.full((32, 64), -127.0)
    try:
        product = multiply_int8(inputs, Int8Weight.pack(weight))
    except (AttributeError, RuntimeError, NotImplementedError):  # missing, other arguments, or not for this CPU
        return False
    return torch.allclose(product, torch.full((2, 32), -127.0 * 64))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``, with its argument names."""
    if not isinstance(weight, QuantizedWeight) or input.dtype != torch.float32:
        return F.linear(input, weight, bias)
    product = weight.product(input)
    return product if bias is None else product.add_(bias)


def _linear_weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """The module and name of each weight of a matrix product."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            continue
        for name, weight in module.named_parameters(recurse=False):
            if weight.dim() == 2 and min(weight.shape) >= MIN_SIZE:
                yield module, name, weight
