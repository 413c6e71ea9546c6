"""``seqvise train`` and ``train.py``: fit a model, and test it."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.cli.support.inputs import missing_inputs
from seqvise.config.distributed_env import started_from_outside
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.errors import RunFailedError, UserError
from seqvise.files import digest
from seqvise.launching.processes import in_sweep, job_directory, launching
from seqvise.launching.sweep import failed_before
from seqvise.runs.directory import METRICS
from seqvise.runs.resume import AUTO, FAILED, begins, has_finished, is_longer, resumed_config, warn_of_changes

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Trains with the given Hydra overrides, or those of the process, and gives the exit code."""
    return hydra_command(_train, argv, accept=_refusals, scratch=True)


def _refusals(cfg: DictConfig, directory: Path | None, overrides: Sequence[str]) -> list[str]:
    """Why the job that `_train` would run is refused, as far as that is known before Hydra makes any file.

    Args:
        cfg: composed from the overrides.
        directory: the run's; None if it is new, or one of a sweep.
        overrides: of the command line.

    Raises:
        UserError: the run in the directory cannot be resumed so.
    """
    if directory is None or begins(cfg, directory):
        return [] if cfg.resume == AUTO else missing_inputs(typed(cfg))
    if has_finished(directory) and not is_longer(cfg, directory, overrides):
        _check_finished(cfg, directory, overrides)
        return []
    resumed = resumed_config(cfg, directory, overrides)
    return validate(resumed) or missing_inputs(typed(resumed))


def _train(cfg: DictConfig, start: list[str]) -> float | None:
    """Gives the monitored metric, which is what a sweeper that searches looks at; None where there is none."""
    directory, words = job_directory(), list(HydraConfig.get().overrides.task)
    if begins(cfg, directory):
        return _begin(cfg, directory, start)
    if has_finished(directory) and not is_longer(cfg, directory, words):
        return _already_done(cfg, directory, words)
    if in_sweep() and cfg.retry != FAILED and (why := failed_before(directory)):
        raise RunFailedError(f"{directory} failed before ({why}): retry=failed goes on with it.")
    cfg = resumed_config(cfg, directory, words)
    warn_of_changes(directory)
    if problems := validate(cfg):
        raise UserError(*problems)
    return _fit(cfg, directory, start, [], resumed=True)


def _begin(cfg: DictConfig, directory: Path, start: list[str]) -> float | None:
    drawn = []
    if cfg.seed is None:
        # Processes started from outside draw each for itself, but have their folder in common.
        cfg.seed = int(digest(str(directory), 7), 16) if started_from_outside() else secrets.randbelow(2**31)
        drawn.append(f"seed={cfg.seed}")
    if cfg.test is None:
        cfg.test = not in_sweep()
    cfg.paths.run = str(directory)
    return _fit(cfg, directory, start, drawn, resumed=False)


def _fit(cfg: DictConfig, directory: Path, start: list[str], drawn: list[str], resumed: bool) -> float | None:
    config = typed(cfg)
    with launching(start, drawn, config.trainer.timeout):
        from seqvise.training.fit import fit

        value = fit(config, directory, resumed).get(config.monitor.metric)
    return value if isinstance(value, float) else None


def _already_done(cfg: DictConfig, directory: Path, words: Sequence[str]) -> float | None:
    _check_finished(cfg, directory, words)
    log.info("%s is done already.", directory)
    value = json.loads((directory / METRICS).read_text(encoding="utf-8")).get(cfg.monitor.metric)
    return value if isinstance(value, float) else None


def _check_finished(cfg: DictConfig, directory: Path, words: Sequence[str]) -> None:
    """Raises UserError unless ``resume=auto`` asks, with the overrides of the run, for a run that has finished."""
    if cfg.resume != AUTO:
        raise UserError(
            f"The run in {directory} has come to its end. To train it for longer, add trainer.max_epochs=... and "
            "schedule.extend=true."
        )
    resumed_config(cfg, directory, words)
