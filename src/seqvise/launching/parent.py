"""Processes that end with their parent, so that a killed sweep leaves none behind. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

SWEEP = "SEQVISE_SWEEP"
"""Environment variable of a job in a separate process: the process id of the sweep that started it."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def is_job_process() -> bool:
    """Whether a sweep started this process for one of its jobs."""
    return SWEEP in os.environ


def end_with_parent() -> None:
    """Makes the kernel signal this process when its parent ends; only on Linux, and only for jobs and ranks.

    A job of a sweep receives SIGTERM, and saves. A rank that another process of its job has started is killed: it
    would wait for the others for ever.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        _signal_when_parent_ends(os.getppid(), signal.SIGKILL)
    elif is_job_process():
        _signal_when_parent_ends(int(os.environ[SWEEP]), signal.SIGTERM)


def _signal_when_parent_ends(parent: int, signum: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != parent:  # the parent ended before prctl was called
        os.kill(os.getpid(), signum)
