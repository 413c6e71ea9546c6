"""Decoding with weights of fewer bits: bfloat16, or whole numbers of 8 bits.

A step of decoding has few rows, and mostly waits for its weights; and a processor with units for short numbers
multiplies two to four times as many of them. Sums are kept in single precision, and so is all else.
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
"""Inputs have so many steps either way: without VNNI, sums of two products of whole bytes would overflow."""
HALF = torch.tensor(LEVELS + 1.5)
SMALLEST = 1e-12
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


class Packed(NamedTuple):
    """A weight (O, I) of 8 bits, as oneDNN's product reads it.

    Attributes:
        weight: int8, in the library's own layout.
        scales: (O,) float32, the step of each row, over ``LEVELS``.
        zeros: (O,) int32, zero.
        offset: (O,) float32, what ``LEVELS + 1`` too many in each input add to a product, negated.
    """

    weight: Tensor
    scales: Tensor
    zeros: Tensor
    offset: Tensor


class Int8Weight(RoundedWeight):
    """Each row of the weight rounded to 255 steps, and each row of a product's inputs to 127 as it comes.

    A row's result depends on that row alone, so that a translation does not depend on its batch.
    """

    @staticmethod
    def pack(weight: Tensor) -> Packed:
        """See ``RoundedWeight``."""
        steps = weight.abs().amax(1, keepdim=True).clamp_min(SMALLEST) / 127
        whole = (weight / steps).round().to(torch.int8).contiguous()
        scales = steps.squeeze(1) / LEVELS
        offset = -(LEVELS + 1) * scales * whole.sum(1)
        packed: Tensor = torch.ops.onednn.qlinear_prepack(whole, None)
        return Packed(packed, scales, torch.zeros(len(scales), dtype=torch.int32), offset)

    def product(self, inputs: Tensor) -> Tensor:
        """See ``RoundedWeight``."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(SMALLEST)
        # Unsigned, since the library is fast with such inputs alone: 1 to 127, and truncation rounds.
        whole = torch.addcdiv(HALF, rows, largest, value=LEVELS).to(torch.uint8)
        product = multiply_int8(whole, self.packed).mul_(largest)
        return product.view(*inputs.shape[:-1], -1)


def multiply_int8(whole: Tensor, packed: Packed) -> Tensor:
    """The product of whole numbers with a packed weight, times its scales: uint8 (N, I) to float32 (N, O).

    Torch documents no product of 8 bits for processors. ``torch._int_mm`` is a plain loop on those without VNNI, two
    hundred times slower. This operator is the one to which torch's own quantisation of exported programs comes down on
    x86; ``_refuse_without_int8`` checks that it is there and counts right.
    """
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        *(whole, 1.0, 0),  # the inputs, their scale and zero
        *(packed.weight, packed.scales, packed.zeros, packed.offset),
        *(1.0, 0, torch.float32),  # scale, zero and type of the output
        *("none", [], ""),  # nothing is done to it
    )
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
    if not _has_int8():
        raise UserError("precision=int8: this torch has no products of 8 bits on this machine (oneDNN): leave it out.")


def _has_int8() -> bool:
    """Whether the product is there and exact, for the largest numbers that it gets."""
    inputs, weight = torch.full((2, 64), 2 * LEVELS + 1, dtype=torch.uint8), torch.full((32, 64), -127.0)
    try:
        product = multiply_int8(inputs, Int8Weight.pack(weight))
    except (AttributeError, RuntimeError, NotImplementedError):  # none, or of other arguments, or not of this processor
        return False
    return torch.allclose(product, torch.full((2, 32), -127.0 * 64))


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
