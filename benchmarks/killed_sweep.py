"""Kills and resumes a sweep repeatedly, to check that nothing is lost.

Every other kill hits only the sweep process, whose jobs then save; the other kills also hit the jobs. In the end the
metrics and weights of each job are compared with those of an uninterrupted sweep.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from benchmarks.sweep import SMALL, TRAIN

VARYING_METRICS = ("seconds",)
"""Metrics that differ between runs."""


def measure_killed_sweep(jobs: int, at_a_time: int, kills: int, epochs: int) -> dict[str, Any]:
    """Runs an uninterrupted and a killed sweep, and counts the jobs with equal results.

    Raises:
        RuntimeError: a sweep failed.
    """
    generator = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = [
            *SMALL,
            f"trainer.max_epochs={epochs}",
            "callbacks.save_steps=5",
            f"paths.outputs={folder}/outputs",
        ]
        overrides += [f"seed=choice({','.join(map(str, range(1, jobs + 1)))})", f"hydra.launcher.jobs={at_a_time}"]
        start = time.perf_counter()
        _finish(overrides, folder / "alone")
        alone = time.perf_counter() - start
        start = time.perf_counter()
        done = [
            _killed(overrides, folder / "killed", generator.uniform(0, alone / jobs), turn) for turn in range(kills)
        ]
        _finish(overrides, folder / "killed")
        return {
            "jobs": jobs,
            "kills": sum(done),
            "starts": kills + 1,
            "undisturbed_seconds": alone,
            "killed_seconds": time.perf_counter() - start,
            "same": sum(_same(folder / "alone" / str(job), folder / "killed" / str(job)) for job in range(jobs)),
        }


def _start(overrides: list[str], folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(TRAIN), "-m", *overrides, f"hydra.sweep.dir={folder}", "resume=auto"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with Path(f"{folder}.log").open("ab") as output:
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _finish(overrides: list[str], folder: Path) -> None:
    if code := _start(overrides, folder).wait():
        raise RuntimeError(f"The sweep ended with {code}:\n{Path(f'{folder}.log').read_text()}")


def _killed(overrides: list[str], folder: Path, seconds: float, turn: int) -> bool:
    """Starts a sweep and kills it after some seconds; returns whether it was still running."""
    sweep = _start(overrides, folder)
    with suppress(subprocess.TimeoutExpired):
        sweep.wait(seconds)
        return False
    jobs = _children(sweep.pid)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    if turn % 2:
        for job in jobs:  # each leads a process group with its ranks and data loaders
            with suppress(ProcessLookupError):
                os.killpg(job, signal.SIGKILL)
    return True


def _children(parent: int) -> list[int]:
    pids = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                pids.append(int(path.parent.name))
    return pids


def _same(alone: Path, killed: Path) -> bool:
    """Whether two runs have bit-identical metrics and weights."""
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (alone, killed)]
    if any(metrics[0][name] != metrics[1].get(name) for name in metrics[0] if name not in VARYING_METRICS):
        return False
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (alone, killed)]
    return all(torch.equal(weight, states[1][name]) for name, weight in states[0].items())
