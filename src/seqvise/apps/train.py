"""``seqvise train`` and ``train.py``: fit a model, and test it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from seqvise.apps.hydra_app import hydra_command
from seqvise.config.schema import typed
from seqvise.runs.launch import job_directory, launching


def main(argv: Sequence[str] | None = None) -> int:
    """Trains with the given Hydra overrides, or those of the process, and gives the exit code."""
    return hydra_command(_train, argv)


def _train(cfg: DictConfig, start: list[str]) -> None:
    drawn = []
    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
        drawn = [f"seed={cfg.seed}"]
    cfg.paths.run = str(job_directory())
    with launching(start, drawn):
        from seqvise.apps.fit import fit

        fit(typed(cfg), Path(cfg.paths.run))
