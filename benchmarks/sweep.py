"""What a sweep costs: the same jobs as plain processes of train.py, as many at a time, take how long?

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
LOOK = 0.02


def measure_sweep(jobs: int, at_a_time: int, rounds: int, epochs: int) -> dict[str, Any]:
    """Median seconds of a sweep over seeds and of plain processes, and the median of their ratios.

    Raises:
        RuntimeError: a job failed.
    """
    threads = max(1, (os.cpu_count() or 1) // at_a_time)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        words = [*SMALL, f"trainer.max_epochs={epochs}", f"paths.outputs={folder}/outputs"]
        # The corpus is there for all that follow.
        _plain(words, [0], 1, Path(folder) / "first", environment)
        sweeps, plains = [], []
        for turn in range(rounds):
            seeds = list(range(1, jobs + 1))
            sweeps.append(_sweep(words, seeds, at_a_time, Path(folder) / f"sweep{turn}", environment))
            plains.append(_plain(words, seeds, at_a_time, Path(folder) / f"plain{turn}", environment))
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


def _sweep(words: list[str], seeds: list[int], at_a_time: int, folder: Path, environment: dict[str, str]) -> float:
    launcher = [f"hydra.launcher.jobs={at_a_time}", f"hydra.sweep.dir={folder}"]
    # A sweep needs two values.
    swept = f"seed=choice({','.join(map(str, seeds))})"
    began = time.perf_counter()
    command = [sys.executable, str(TRAIN), "-m", *words, swept, *launcher]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The sweep ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began


def _plain(words: list[str], seeds: list[int], at_a_time: int, folder: Path, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    waiting, running = list(seeds), list[subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < at_a_time:
            seed = waiting.pop(0)
            running.append(_start([*words, f"seed={seed}"], folder / str(seed), environment))
        ended = [process for process in running if process.poll() is not None]
        if any(process.returncode for process in ended):
            raise RuntimeError(f"A job in {folder} failed.")
        running = [process for process in running if process not in ended]
        time.sleep(LOOK)
    return time.perf_counter() - began


def _start(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, str(TRAIN), *words, f"hydra.run.dir={folder}"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
