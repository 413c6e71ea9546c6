"""Runs, stores and indexes that an earlier revision wrote, and copies of them to work on."""

from __future__ import annotations

import shutil
from pathlib import Path

EARLIER = Path(__file__).parent / "data" / "revision_1a01f9a"


def copy_of(folder: Path, *names: str) -> Path:
    """Copies parts of the earlier revision's files into a new folder, under the same names."""
    for name in names:
        source, target = EARLIER / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return folder
