"""``seqvise find_lr``: learning-rate range test, with a plot and a suggested rate."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.config.schema import typed
from seqvise.launching.processes import job_directory


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise find_lr`` and returns its exit code."""
    return hydra_command(_find, argv, fixed=["hydra=find_lr"], trains=True)


def _find(cfg: DictConfig, _start: list[str]) -> None:
    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
    cfg.paths.run = str(job_directory())

    from seqvise.callbacks.find_lr import find_lr
    from seqvise.runs.directory import RunDirectory
    from seqvise.training.acquire import acquire
    from seqvise.training.build import build_job

    config = acquire(typed(cfg))
    plot = Path(cfg.paths.run) / "find_lr.png"
    job = build_job(config, RunDirectory(plot.parent))
    rate = find_lr(job.trainer, job.parts.task, job.parts.data, plot, config.find_lr)
    print(f"the loss falls fastest at optimizer.lr={rate:.2g}")
    print(f"plot: {plot}")
