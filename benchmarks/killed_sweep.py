"""A sweep that is killed again and again, and started again each time: is anything lost?

Every other kill meets the sweep alone, whose jobs then save; the rest meet its jobs, too. In the end each job's metrics
and weights are compared with those of a sweep that nothing happened to.
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

OTHER = ("seconds",)
"""Metrics that two runs do not share."""


def measure_killed_sweep(jobs: int, at_a_time: int, kills: int, epochs: int) -> dict[str, Any]:
    """Runs a sweep left alone and one that is killed, and counts the jobs that end alike.

    Raises:
        RuntimeError: a sweep failed.
    """
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [*SMALL, f"trainer.max_epochs={epochs}", "callbacks.save_steps=5", f"paths.outputs={folder}/outputs"]
        words += [f"seed=choice({','.join(map(str, range(1, jobs + 1)))})", f"hydra.launcher.jobs={at_a_time}"]
        began = time.perf_counter()
        _finish(words, folder / "alone")
        alone = time.perf_counter() - began
        began = time.perf_counter()
        done = [_killed(words, folder / "killed", chance.uniform(0, alone / jobs), turn) for turn in range(kills)]
        _finish(words, folder / "killed")
        return {
            "jobs": jobs,
            "kills": sum(done),
            "starts": kills + 1,
            "undisturbed_seconds": alone,
            "killed_seconds": time.perf_counter() - began,
            "same": sum(_same(folder / "alone" / str(job), folder / "killed" / str(job)) for job in range(jobs)),
        }


def _start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(TRAIN), "-m", *words, f"hydra.sweep.dir={folder}", "resume=auto"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with Path(f"{folder}.log").open("ab") as output:
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _finish(words: list[str], folder: Path) -> None:
    if code := _start(words, folder).wait():
        raise RuntimeError(f"The sweep ended with {code}:\n{Path(f'{folder}.log').read_text()}")


def _killed(words: list[str], folder: Path, after: float, turn: int) -> bool:
    """Starts a sweep and kills it after so many seconds; tells whether it was still at work."""
    sweep = _start(words, folder)
    with suppress(subprocess.TimeoutExpired):
        sweep.wait(after)
        return False
    jobs = _children(sweep.pid)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    if turn % 2:
        for job in jobs:  # each leads a group of its own, its ranks and loaders included
            with suppress(ProcessLookupError):
                os.killpg(job, signal.SIGKILL)
    return True


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def _same(alone: Path, killed: Path) -> bool:
    """Whether two runs have the same metrics and weights, to the bit."""
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (alone, killed)]
    if any(metrics[0][name] != metrics[1].get(name) for name in metrics[0] if name not in OTHER):
        return False
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (alone, killed)]
    return all(torch.equal(weight, states[1][name]) for name, weight in states[0].items())
