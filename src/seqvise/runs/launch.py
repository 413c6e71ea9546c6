"""Where a Hydra job writes, and how Lightning starts the other processes of one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import read_write

LEFT_BEHIND = (
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "PL_GLOBAL_SEED",
    "PL_SEED_WORKERS",
)


def job_directory() -> Path:
    """The directory of the running Hydra job, absolute."""
    return Path(HydraConfig.get().runtime.output_dir).absolute()


@contextmanager
def launching(start: Sequence[str], drawn: Sequence[str] = ()) -> Iterator[None]:
    """Lets several processes train one job, alone or in a sweep, and leaves no trace of them for the next job.

    Lightning starts the other processes of ``strategy=ddp`` with the words of this one and Hydra's run directory. In a
    sweep those words are the whole sweep's, so for the time of the job they become the job's own overrides and
    ``hydra.mode=RUN``, and the run directory the job's.

    Args:
        start: the words that start this program, up to its overrides.
        drawn: overrides for what was drawn by chance, so that all processes have the same.
    """
    words, environment = sys.argv, {name: os.environ.get(name) for name in LEFT_BEHIND}
    sys.argv = [*start, *_job_overrides(words), *drawn]
    try:
        yield
    finally:
        _leave_process_group()
        sys.argv = words
        _restore(environment)


def _job_overrides(words: Sequence[str]) -> list[str]:
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return list(words[1:])
    with read_write(hydra):
        hydra.run.dir = str(job_directory())
    return [*hydra.overrides.task, "hydra.mode=RUN"]


def _leave_process_group() -> None:
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _restore(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
