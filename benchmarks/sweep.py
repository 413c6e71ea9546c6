"""Overhead of a sweep, compared with the same jobs as plain parallel processes of train.py.

Sweep and plain processes take turns; the result is the median ratio of their wall times.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TRAIN = Path(__file__).parents[1] / "train.py"
SMALL = (
    "data.limit=400",
    "model=rnn",
    "model.embedding=32",
    "model.encoder_hidden=32",
    "model.decoder_hidden=32",
    "vectors.dim=32",
    "trainer=cpu",
    "test=false",
)
POLL_SECONDS = 0.02


def measure_sweep(jobs: int, at_a_time: int, rounds: int, epochs: int) -> dict[str, Any]:
    """Median seconds of a sweep over seeds and of plain processes, and the median of their ratios.

    Raises:
        RuntimeError: a job failed.
    """
    threads = max(1, (os.cpu_count() or 1) // at_a_time)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*SMALL, f"trainer.max_epochs={epochs}", f"paths.outputs={folder}/outputs"]
        # Prepares the corpus for all following runs.
        _plain(overrides, [0], 1, Path(folder) / "first", environment)
        sweeps, plains = [], []
        for index in range(rounds):
            seeds = list(range(1, jobs + 1))
            sweeps.append(_sweep(overrides, seeds, at_a_time, Path(folder) / f"sweep{index}", environment))
            plains.append(_plain(overrides, seeds, at_a_time, Path(folder) / f"plain{index}", environment))
    ratios = [ours / plain for ours, plain in zip(sweeps, plains, strict=True)]
    return {
        "jobs": jobs,
        "at_a_time": at_a_time,
        "sweep_seconds": statistics.median(sweeps),
        "plain_seconds": statistics.median(plains),
        "ratio": statistics.median(ratios),
        "smallest_ratio": min(ratios),
        "largest_ratio": max(ratios),
    }


def _sweep(overrides: list[str], seeds: list[int], at_a_time: int, folder: Path, environment: dict[str, str]) -> float:
    launcher = [f"hydra.launcher.jobs={at_a_time}", f"hydra.sweep.dir={folder}"]
    # choice() makes a sweep even of a single value.
    swept = f"seed=choice({','.join(map(str, seeds))})"
    start = time.perf_counter()
    command = [sys.executable, str(TRAIN), "-m", *overrides, swept, *launcher]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The sweep ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - start


def _plain(overrides: list[str], seeds: list[int], at_a_time: int, folder: Path, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    pending, running = list(seeds), list[subprocess.Popen[bytes]]()
    while pending or running:
        while pending and len(running) < at_a_time:
            seed = pending.pop(0)
            running.append(_start([*overrides, f"seed={seed}"], folder / str(seed), environment))
        ended = [process for process in running if process.poll() is not None]
        if any(process.returncode for process in ended):
            raise RuntimeError(f"A job in {folder} failed.")
        running = [process for process in running if process not in ended]
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - start


def _start(overrides: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, str(TRAIN), *overrides, f"hydra.run.dir={folder}"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
