"""Folders that a command writes to, made before the long work."""

from __future__ import annotations

from pathlib import Path

from seqvise.config.options import PathOptions
from seqvise.errors import UserError


def cache_folder(paths: PathOptions) -> Path:
    """The folder of what runs share.

    Raises:
        UserError: it is not there and cannot be made.
    """
    folder = Path(paths.cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"paths.cache is {folder}, but that folder cannot be made: {error.strerror}.") from error
    return folder
