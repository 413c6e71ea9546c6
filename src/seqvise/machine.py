"""Properties of the machine: usable cores, number formats, memory allocation."""

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
"""glibc's ``mallopt`` parameters (malloc.h): free bytes at the end of the heap before they are returned to the system,
and the size from which blocks are memory-mapped."""


def usable_cores() -> int:
    """Number of CPU cores that this process may run on."""
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
    """Whether torch's LSTM runs on the device under autocast to ``dtype``; tried once, and logged if not.

    oneDNN has no such LSTM for CPUs without instructions for that number format.
    """
    import torch

    layer = torch.nn.LSTM(1, 1, device="meta").to_empty(device=device)  # draws nothing from the generator
    try:
        with torch.no_grad(), torch.autocast(device, dtype):
            layer(torch.zeros(1, 1, 1, device=device))
    except RuntimeError:
        name = str(dtype).removeprefix("torch.")
        log.warning("This CPU has no LSTM in %s: LSTMs run in float32, everything else in the chosen precision.", name)
        return False
    return True


def keep_memory() -> None:
    """Makes glibc keep freed memory for later allocations, unless the user has set malloc's environment variables.

    By default, glibc returns each large block to the system, which clears its pages when they are next allocated. That
    slows steps that allocate the same tensors repeatedly. The cost of keeping them is a slightly higher peak memory.
    """
    configured = "malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )
    if sys.platform != "linux" or configured:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
