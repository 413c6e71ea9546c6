"""How long a command takes to answer: real processes, started anew each time."""

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
        RuntimeError: a command ended otherwise than it should.
    """
    return [
        {
            "command": " ".join(["seqvise", *words]),
            "exit_code": ends,
            "seconds": statistics.median(_seconds(words, ends) for _ in range(repeats)),
        }
        for words, ends in COMMANDS.items()
    ]


def _seconds(words: Sequence[str], ends: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "seqvise.cli.main", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if done.returncode != ends:
        raise RuntimeError(f"seqvise {' '.join(words)} ended with {done.returncode}, not {ends}:\n{done.stderr}")
    return seconds
