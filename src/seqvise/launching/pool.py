"""The devices and slots that the jobs of a sweep share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqvise.errors import UserError
from seqvise.machine import usable_cores

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
DRIVERS = ("nvidia*", "nvhost*", "dxg", "kfd")
"""Device files on Linux of NVIDIA's drivers, of WSL and of ROCm."""
ALL = ("auto", -1, "-1")


class Pool:
    """Slots for a number of parallel jobs, each with its own devices.

    Args:
        jobs: maximum number of parallel jobs; None for as many as the devices allow, or one without devices.
        devices: CUDA names of the devices. A device that is listed twice serves two jobs.
    """

    def __init__(self, jobs: int | None, devices: Sequence[str]) -> None:
        self._free = list(devices)
        self._free_slots = jobs or max(1, len(devices))
        self._unlimited = jobs is None
        self._cpu_jobs = 0

    def take(self, count: int) -> tuple[str, ...] | None:
        """Takes a slot and ``count`` devices (possibly none) for a job; None while they are not free."""
        if not self._free_slots or count > len(self._free) or (count == 0 and self._unlimited and self._cpu_jobs):
            return None
        taken, self._free = tuple(self._free[:count]), self._free[count:]
        self._free_slots -= 1
        self._cpu_jobs += count == 0
        return taken

    def give_back(self, devices: Sequence[str]) -> None:
        """Frees the slot and devices of a job."""
        self._free.extend(devices)
        self._free_slots += 1
        self._cpu_jobs -= not devices


def cuda_devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the usable CUDA or ROCm devices of this machine, determined without importing torch here.

    They are counted by a child process, so that a sweep occupies no memory of a device.
    """
    if VISIBLE in environment:
        return [name.strip() for name in environment[VISIBLE].split(",") if name.strip() not in ("", "-1")]
    if sys.platform == "linux" and not any(match for name in DRIVERS for match in Path("/dev").glob(name)):
        return []  # importing torch takes seconds
    child = [sys.executable, "-P", "-c", "import torch; print(torch.cuda.device_count())"]
    lines = subprocess.run(child, capture_output=True, text=True, check=False).stdout.split()
    return [str(number) for number in range(int(lines[-1]) if lines and lines[-1].isdecimal() else 0)]


def devices_needed(trainer: Any, per_job: int | None, available: int, pool_key: str = "hydra.launcher.devices") -> int:
    """Number of CUDA devices that a job needs; 0 if it runs on the CPU.

    Args:
        per_job: ``hydra.launcher.devices_per_job``.
        available: number of devices in the pool.
        pool_key: config key of the pool's devices, for messages.

    Raises:
        UserError: trainer.devices lists device ids, or needs more devices than are available.
    """
    if trainer.accelerator not in ("gpu", "cuda", "auto") or (trainer.accelerator == "auto" and not available):
        return 0
    requested = _requested_devices(trainer.devices, per_job, available, pool_key)
    if per_job is not None and requested > per_job:
        raise UserError(f"trainer.devices is {requested}, but hydra.launcher.devices_per_job is {per_job}.")
    if (count := per_job or requested) > available or not available:
        key = "hydra.launcher.devices_per_job" if per_job else "trainer.devices"
        raise UserError(
            f"A job needs {max(count, 1)} CUDA devices ({key}), but {available} are available ({VISIBLE}, {pool_key})"
            + ("." if available else "; try trainer=cpu.")
        )
    return count


def threads_of_job(threads: int | None, parallel_jobs: int, processes: int) -> dict[str, str]:
    """Environment variables that set the number of CPU threads of each process of a job.

    Args:
        threads: ``hydra.launcher.threads``; None divides the cores between parallel jobs.
        parallel_jobs: number of jobs that run at the same time.
        processes: number of processes of each job.
    """
    if threads is None:
        if parallel_jobs == 1 or THREADS[0] in os.environ:
            return {}
        threads = max(1, usable_cores() // (parallel_jobs * processes))
    return dict.fromkeys(THREADS, str(threads))


def cpu_processes(trainer: Any) -> int:
    """Number of processes of a job that runs on the CPU."""
    return int(trainer.devices) if str(trainer.devices).isdecimal() else 1


def _requested_devices(devices: Any, per_job: int | None, available: int, pool_key: str) -> int:
    if devices in ALL:
        return per_job or available
    try:
        return int(devices)
    except (TypeError, ValueError):
        raise UserError(
            f"trainer.devices is {devices}, but the sweep assigns devices to jobs: set trainer.devices to a number, "
            f"and {pool_key} to the devices of the sweep."
        ) from None
