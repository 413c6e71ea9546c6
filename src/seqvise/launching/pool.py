"""The devices that the jobs of a sweep share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from seqvise.errors import UserError
from seqvise.machine import usable_cores

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ALL = ("auto", -1, "-1")


class Pool:
    """Room for so many jobs at a time, each with devices of its own.

    Args:
        jobs: at most so many at a time; None for as many as have devices, which is one where there are none.
        devices: CUDA's names of them. One that is named twice serves two jobs.
    """

    def __init__(self, jobs: int | None, devices: Sequence[str]) -> None:
        self._free = list(devices)
        self._room = jobs or max(1, len(devices))
        self._unlimited = jobs is None
        self._alone = 0

    def take(self, needs: int) -> tuple[str, ...] | None:
        """Devices for a job that needs so many, which may be none; None while they, or the room, are not free."""
        if not self._room or needs > len(self._free) or (needs == 0 and self._unlimited and self._alone):
            return None
        taken, self._free = tuple(self._free[:needs]), self._free[needs:]
        self._room -= 1
        self._alone += needs == 0
        return taken

    def give_back(self, devices: Sequence[str]) -> None:
        """Frees what a job had."""
        self._free.extend(devices)
        self._room += 1
        self._alone -= not devices


def cuda_devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """CUDA's names of the devices of this machine that may be used, found without loading torch."""
    if VISIBLE in environment:
        return [name.strip() for name in environment[VISIBLE].split(",") if name.strip() not in ("", "-1")]
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    return [str(number) for number in range(sum(line.startswith("GPU ") for line in told.splitlines()))]


def needed(trainer: Any, per_job: int | None, there: int, chosen: str = "hydra.launcher.devices") -> int:
    """How many CUDA devices a job needs; 0 where it runs on the processor.

    Args:
        trainer: the ``trainer`` node of its config.
        per_job: ``hydra.launcher.devices_per_job``.
        there: devices of the pool.
        chosen: key of its devices, for messages.

    Raises:
        UserError: it asks for devices by their number, or for more than there are.
    """
    if trainer.accelerator not in ("gpu", "cuda", "auto") or (trainer.accelerator == "auto" and not there):
        return 0
    wanted = _count(trainer.devices, per_job, there, chosen)
    if per_job is not None and wanted > per_job:
        raise UserError(f"trainer.devices is {wanted}, but hydra.launcher.devices_per_job gives each job {per_job}.")
    if (needs := per_job or wanted) > there or not there:
        key = "hydra.launcher.devices_per_job" if per_job else "trainer.devices"
        raise UserError(
            f"A job needs {max(needs, 1)} CUDA devices ({key}), but there are {there} ({VISIBLE}, {chosen})."
        )
    return needs


def threads_of_job(threads: int | None, at_a_time: int, processes: int) -> dict[str, str]:
    """Environment variables that give each process of a job its share of the processor.

    Args:
        threads: ``hydra.launcher.threads``; None shares the cores out where several jobs run at a time.
        at_a_time: jobs.
        processes: of each job.
    """
    if threads is None:
        if at_a_time == 1 or THREADS[0] in os.environ:
            return {}
        threads = max(1, usable_cores() // (at_a_time * processes))
    return dict.fromkeys(THREADS, str(threads))


def processes_of(trainer: Any) -> int:
    """How many processes a job has on a machine without devices."""
    return int(trainer.devices) if str(trainer.devices).isdecimal() else 1


def _count(devices: Any, per_job: int | None, there: int, chosen: str) -> int:
    if devices in ALL:
        return per_job or there
    try:
        return int(devices)
    except (TypeError, ValueError):
        raise UserError(
            f"trainer.devices is {devices}, but the sweep chooses which devices a job gets: give their number, and "
            f"{chosen} for those of the sweep."
        ) from None
