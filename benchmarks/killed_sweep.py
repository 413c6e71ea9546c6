"""A sweep that is killed again and again, and started again each time: is anything lost?

    python -m benchmarks.killed_sweep [--jobs 6] [--at-a-time 2] [--kills 20] [--epochs 20] [--seed 1] [--json FILE]

Every other kill meets the sweep alone, whose jobs then save; the rest meet its jobs, too. In the end each job's metrics
and weights are compared with those of a sweep that nothing happened to.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import code, machine
from benchmarks.sweep import SMALL, TRAIN
from seqvise.files import write_text

OTHER = ("seconds",)
"""Metrics that two runs do not share."""


def main(argv: Sequence[str] | None = None) -> int:
    """Kills, compares, prints, and gives 1 where something was lost."""
    words = argparse.ArgumentParser(
        prog="python -m benchmarks.killed_sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in (("jobs", 6), ("at-a-time", 2), ("kills", 20), ("epochs", 20), ("seed", 1)):
        words.add_argument(f"--{name}", type=int, default=default)
    words.add_argument("--json", type=Path, metavar="FILE")
    asked = words.parse_args(argv)
    found = measure_kills(asked.jobs, asked.at_a_time, asked.kills, asked.epochs, random.Random(asked.seed))
    print(
        f"{found['kills']} kills in {found['starts']} starts of a sweep of {asked.jobs} jobs: "
        f"{found['same']} of {asked.jobs} jobs ended with the metrics and the weights of the undisturbed sweep "
        f"({found['undisturbed_seconds']:.0f} s undisturbed, {found['killed_seconds']:.0f} s killed)"
    )
    if asked.json:
        write_text(asked.json, json.dumps({**code(), "machine": machine(), "killed_sweep": found}, indent=2) + "\n")
    return int(found["same"] < asked.jobs)


def measure_kills(jobs: int, at_a_time: int, kills: int, epochs: int, chance: random.Random) -> dict[str, Any]:
    """Runs a sweep left alone and one that is killed, and counts the jobs that end alike.

    Raises:
        RuntimeError: a sweep failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [*SMALL, f"trainer.max_epochs={epochs}", "callbacks.save_steps=5", f"paths.outputs={folder}/outputs"]
        words += [f"seed=choice({','.join(map(str, range(1, jobs + 1)))})", f"hydra.launcher.jobs={at_a_time}"]
        began = time.perf_counter()
        _finish(words, folder / "alone")
        alone = time.perf_counter() - began
        began = time.perf_counter()
        done = [_killed(words, folder / "killed", chance.uniform(0, 1.5 * alone / jobs), turn) for turn in range(kills)]
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


if __name__ == "__main__":
    sys.exit(main())
