"""Runs, stores and indexes written by an earlier revision, and copies of them for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

EARLIER = Path(__file__).parent / "data" / "revision_1a01f9a"


def copy_of(folder: Path, *names: str) -> Path:
    """Copies files and folders of the earlier revision into a folder, under the same names."""
    for name in names:
        source, target = EARLIER / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return folder
