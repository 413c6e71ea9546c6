"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's names for bytes free at the heap's end that it gives back, and for bytes that it maps apart (malloc.h)."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in checks)


@cache
def can_autocast_lstm(device: str, dtype: torch.dtype) -> bool:
    """Whether the library's LSTM runs on a device under autocast to a number format; tried once, and logged if not.

    oneDNN has no such LSTM for processors without the instructions for that format.
    """
    import torch

    layer = torch.nn.LSTM(1, 1, device="meta").to_empty(device=device)  # draws nothing from the generator
    try:
        with torch.no_grad(), torch.autocast(device, dtype):
            layer(torch.zeros(1, 1, 1, device=device))
    except RuntimeError:
        name = str(dtype).removeprefix("torch.")
        log.warning("This processor has no LSTM in %s: LSTMs run in float32, everything else as asked for.", name)
        return False
    return True


def keep_memory() -> None:
    """Has freed memory kept for what comes next, where the C library is glibc and nobody has told it otherwise.

    By itself it gives every large block back to the system, which clears each page anew: a step that makes the same
    tensors over and over waits for that. In exchange its peak may be somewhat higher.
    """
    told = "malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(name.startswith("MALLOC_") for name in os.environ)
    if sys.platform != "linux" or told:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
