"""Checkpoint files: tensors and plain values with a checksum. Without Lightning, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqvise.checksums import DamagedError, check_archive, stamp_archive
from seqvise.errors import UserError

REMEDY = "restore the file from a copy, or use another checkpoint or run."


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain values with a checksum, as ``torch.load`` and ``read_checkpoint`` read them."""
    # A file of our own is closed before it is removed: one that torch left open would go on filling the disk.
    with path.open("wb") as file:
        torch.save(content, file)
    stamp_archive(path)


def read_checkpoint(path: Path, mmap: bool = False) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Args:
        mmap: maps the tensors instead of reading them.

    Raises:
        UserError: it is damaged, or is no checkpoint of tensors and plain values.
    """
    try:
        check_archive(path)
        content: dict[str, Any] = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
        return content
    except Exception as error:  # which one, depends on where the bytes are damaged
        reason = str(error) if isinstance(error, DamagedError) else f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{path} is not a whole checkpoint of weights alone ({reason}): {REMEDY}") from error


def refuse_nan(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights of which one is not a number.

    Raises:
        UserError: there is one; the message names the tensor.
    """
    for name, weight in weights.items():
        # The sum is a number unless one of its terms is none, or it overflows, and costs less than a look at each term.
        if weight.is_floating_point() and not bool(weight.sum().isfinite()) and bool(weight.isnan().any()):
            count = int(weight.isnan().sum())
            raise UserError(f"{path} is damaged: {count:,} of {weight.numel():,} numbers of {name} are NaN: {REMEDY}")
