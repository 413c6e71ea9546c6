"""Processes of one run that were started externally: by torchrun, by SLURM, or by hand on several machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

INTERACTIVE = ("bash", "interactive")
"""Names of interactive SLURM jobs, in which each command is a single process."""


def started_from_outside(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several that were started together, so none of them starts the others."""
    return any((_by_rank(environment), _by_slurm(environment), _by_node(environment)))


def common_name(environment: Mapping[str, str] = os.environ) -> str | None:
    """A name that only these processes have in common, or None."""
    if _by_rank(environment):
        name = environment.get("TORCHELASTIC_RUN_ID", "none")
        return None if name == "none" else f"torchrun-{name}"
    if _by_slurm(environment):
        return f"slurm-{environment['SLURM_JOB_ID']}-{environment.get('SLURM_STEP_ID', '0')}"
    return None


def run_time(pattern: str) -> str:
    """The time, which names a new run; for processes that were started externally, their common name."""
    return (started_from_outside() and common_name()) or datetime.now().strftime(pattern)


def _by_rank(environment: Mapping[str, str]) -> bool:
    return "RANK" in environment and int(environment.get("WORLD_SIZE", "1")) > 1


def _by_slurm(environment: Mapping[str, str]) -> bool:
    if "SLURM_JOB_ID" not in environment or environment.get("SLURM_JOB_NAME") in INTERACTIVE:
        return False
    return "SLURM_PROCID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1


def _by_node(environment: Mapping[str, str]) -> bool:
    return "NODE_RANK" in environment and "MASTER_ADDR" in environment and "LOCAL_RANK" not in environment
