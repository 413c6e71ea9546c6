"""Checkpoints on the disk: there whole or not at all, and nothing but data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from torch import Tensor
from typing_extensions import override

from seqvise.checksums import DamagedError, check_archive, stamp_archive
from seqvise.errors import UserError
from seqvise.files import atomic_write

REMEDY = "restore the file from a copy, or use another checkpoint or run."


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file and renames, so that a full disk or a kill leaves the old one as it was."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: the folder cannot be written to, or the disk is full.
        """
        try:
            with atomic_write(Path(path)) as temporary:
                write_checkpoint(checkpoint, temporary)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{path} cannot be written ({_reason(error)}); what was there is as it was. Make room, and go on with "
                f"resume={Path(path).parents[1]}."
            ) from error

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = lambda storage, _: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Raises:
            UserError: it is damaged, or has weights that are not finite.
        """
        try:
            check_archive(Path(path))
            content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        except DamagedError as error:
            raise UserError(f"{path} is damaged ({error}): {REMEDY}") from None
        refuse_nan(content.get("state_dict", {}), Path(path))
        return content


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain values with a checksum, as ``torch.load`` and ``read_checkpoint`` read them."""
    torch.save(content, path)
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


def _reason(error: OSError | RuntimeError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200]
