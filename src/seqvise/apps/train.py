"""``seqvise train`` and ``train.py``: fit a model, and test it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from seqvise.apps.hydra_app import hydra_command
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.errors import UserError
from seqvise.runs.launch import job_directory, launching
from seqvise.runs.resume import AUTO, begins, has_finished, is_longer, resumed_config

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Trains with the given Hydra overrides, or those of the process, and gives the exit code."""
    return hydra_command(_train, argv)


def _train(cfg: DictConfig, start: list[str]) -> None:
    directory, words = job_directory(), list(HydraConfig.get().overrides.task)
    if begins(cfg, directory):
        _begin(cfg, directory, start)
    elif has_finished(directory) and not is_longer(cfg, directory, words):
        _already_done(cfg.resume, directory)
    else:
        cfg = resumed_config(cfg, directory, words)
        if problems := validate(cfg):
            raise UserError(*problems)
        _fit(cfg, directory, start, [], resumed=True)


def _begin(cfg: DictConfig, directory: Path, start: list[str]) -> None:
    drawn = []
    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
        drawn = [f"seed={cfg.seed}"]
    cfg.paths.run = str(directory)
    _fit(cfg, directory, start, drawn, resumed=False)


def _fit(cfg: DictConfig, directory: Path, start: list[str], drawn: list[str], resumed: bool) -> None:
    with launching(start, drawn):
        from seqvise.apps.fit import fit

        fit(typed(cfg), directory, resumed)


def _already_done(resume: str, directory: Path) -> None:
    if resume != AUTO:
        raise UserError(
            f"The run in {directory} has come to its end. To train it for longer, add trainer.max_epochs=... and "
            "schedule.extend=true."
        )
    log.info("%s is done already.", directory)
