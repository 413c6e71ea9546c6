"""The number format of the vocabulary projection, chosen by what the processor is fast at."""

from __future__ import annotations

from typing import NamedTuple

import torch

from seqvise.machine import has_bf16


class ProjectionPrecision(NamedTuple):
    """The format, and a sentence that says why."""

    dtype: torch.dtype
    reason: str


def choose_precision(wanted: str, device: torch.device) -> ProjectionPrecision:
    """The format of the projection's products.

    Args:
        wanted: ``fp32``, ``bf16``, or ``auto``: bfloat16 where the device multiplies it in hardware.
        device: where the model runs.
    """
    if wanted != "auto":
        dtype = torch.bfloat16 if wanted == "bf16" else torch.float32
        return ProjectionPrecision(dtype, f"{wanted} (loss.precision)")
    if has_bf16(device):
        return ProjectionPrecision(torch.bfloat16, f"bf16 ({device.type} multiplies it in hardware)")
    return ProjectionPrecision(torch.float32, f"fp32 ({device.type} has no fast bf16)")
