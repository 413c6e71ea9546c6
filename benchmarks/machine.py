"""The machine and code of a measurement."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from seqvise.runs.environment import processor_name


def machine() -> dict[str, Any]:
    """CPU, cores, versions, torch's threads, and the load of the last minute."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 2),
    }


def code() -> dict[str, Any]:
    """The commit, whether tracked files differ from it, and the date (UTC)."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else changes != "",
        "date": datetime.now(UTC).date().isoformat(),
    }


def _git(*args: str) -> str | None:
    try:
        process = subprocess.run(["git", *args], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
