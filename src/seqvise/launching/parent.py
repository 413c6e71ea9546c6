"""Processes that end with the one that started them, so that none is left behind by a kill."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

SWEEP = "SEQVISE_SWEEP"
"""Environment variable of a job that a sweep has started as a process of its own: the process id of the sweep."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def is_job_process() -> bool:
    """Whether a sweep has started this process for one of its jobs."""
    return SWEEP in os.environ


def end_with_parent() -> None:
    """Lets the kernel tell this process when its parent has ended; does nothing but on Linux, and for others.

    A job of a sweep is told by SIGTERM, and saves. A rank that another process of its job has started is killed: it
    would wait for the others for ever.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        _tell(os.getppid(), signal.SIGKILL)
    elif is_job_process():
        _tell(int(os.environ[SWEEP]), signal.SIGTERM)


def _tell(parent: int, signum: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != parent:  # it ended before it could be watched
        os.kill(os.getpid(), signum)
