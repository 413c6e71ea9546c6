"""Measures the start-up time of commands, with a new process each time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

DONE, REFUSED = 0, 2
COMMANDS = {("--help",): DONE, ("train", "model=attn", "optimizer.lr=-1"): REFUSED}


def measure_start_up(repeats: int) -> list[dict[str, Any]]:
    """Median seconds of `seqvise --help` and of a refused config.

    Raises:
        RuntimeError: a command ended with an unexpected exit code.
    """
    return [
        {
            "command": " ".join(["seqvise", *argv]),
            "exit_code": expected_code,
            "seconds": statistics.median(_seconds(argv, expected_code) for _ in range(repeats)),
        }
        for argv, expected_code in COMMANDS.items()
    ]


def _seconds(argv: Sequence[str], expected_code: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", "seqvise.cli.main", *argv], cwd=folder, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if process.returncode != expected_code:
        raise RuntimeError(
            f"seqvise {' '.join(argv)} ended with {process.returncode}, not {expected_code}:\n{process.stderr}"
        )
    return seconds
