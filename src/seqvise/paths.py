"""Folders that a command writes to, checked before long computations."""

from __future__ import annotations

import os
from pathlib import Path

from seqvise.config.options import PathOptions
from seqvise.errors import UserError


def cache_folder(paths: PathOptions) -> Path:
    """The folder that runs share for cached data, created if absent.

    Raises:
        UserError: the folder cannot be created.
    """
    folder = Path(paths.cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"paths.cache is {folder}, but that folder cannot be created: {error.strerror}.") from error
    return folder


def unwritable(path: Path) -> str:
    """The reason why a file cannot be written, as far as can be checked now; empty if it can."""
    if path.is_dir():
        return "it is a folder"
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is a file"
    return "" if os.access(folder, os.W_OK) else f"{folder} is not writable"
