"""``seqvise train`` and ``train.py``: trains and tests a model."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.cli.support.inputs import missing_data, missing_inputs
from seqvise.config.distributed_env import started_from_outside
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.errors import RunFailedError, UserError
from seqvise.files import digest
from seqvise.launching.processes import in_sweep, job_directory, launching
from seqvise.launching.sweep import failed_before
from seqvise.moved import current_metric
from seqvise.runs.devices import missing_devices
from seqvise.runs.directory import RunDirectory, read_metrics
from seqvise.runs.resume import AUTO, FAILED, changes_length, has_finished, is_new_run, resumed_config, warn_of_changes

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise train`` and returns its exit code."""
    return hydra_command(_train, argv, accept=_errors, scratch=True, trains=True)


def _errors(cfg: DictConfig, directory: Path | None, overrides: Sequence[str]) -> list[str]:
    """The reasons why `_train` cannot run the job, as far as known before Hydra creates any file.

    Args:
        cfg: the config composed from the overrides.
        directory: the run directory; None for a new run or a job of a sweep.
        overrides: the overrides of the command line.

    Raises:
        UserError: the run in the directory cannot be resumed with these overrides.
    """
    if directory is None or is_new_run(cfg, directory):
        return [] if cfg.resume == AUTO else missing_inputs(typed(cfg))
    if has_finished(directory) and not changes_length(cfg, directory, overrides):
        _check_finished(cfg, directory, overrides)
        return []
    resumed = resumed_config(cfg, directory, overrides)
    config = typed(resumed)
    return validate(resumed) or [*_missing_inputs(config, directory), *missing_devices(config.trainer)]


def _missing_inputs(config: Config, directory: Path) -> list[str]:
    """The messages of missing files, with the key to set if the data of a resumed run have moved."""
    messages = missing_inputs(config)
    if messages and config.data.root and missing_data(config):
        folder = f"The run in {directory} was started with data.root={config.data.root}"
        messages.append(f"{folder}: if the data have moved, add data.root=NEW_FOLDER to resume it.")
    return messages


def _train(cfg: DictConfig, start: list[str]) -> float | None:
    """Returns the monitored metric, which a sweeper optimizes; None if the run has none."""
    directory, overrides = job_directory(), list(HydraConfig.get().overrides.task)
    if is_new_run(cfg, directory):
        return _start(cfg, directory, start)
    if has_finished(directory) and not changes_length(cfg, directory, overrides):
        return _already_done(cfg, directory, overrides)
    if in_sweep() and cfg.retry != FAILED and (reason := failed_before(directory)):
        raise RunFailedError(f"{directory} failed before ({reason}): set retry=failed to resume it.")
    cfg = resumed_config(cfg, directory, overrides)
    warn_of_changes(directory)
    if messages := validate(cfg):
        raise UserError(*messages)
    return _fit(cfg, directory, start, [], resumed=True)


def _start(cfg: DictConfig, directory: Path, start: list[str]) -> float | None:
    drawn = []
    if cfg.seed is None:
        # Processes of an external launcher must have the same seed: it is derived from their common folder.
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

        config = _acquire(config, directory, resumed)
        value = fit(config, directory, resumed).get(config.monitor.metric)
    return value if isinstance(value, float) else None


def _acquire(config: Config, directory: Path, resumed: bool) -> Config:
    """The config with its data acquired. A failure is recorded in a new run, which can then be resumed."""
    from seqvise.training.acquire import acquire

    if resumed:
        return acquire(config)
    run = RunDirectory(directory)
    with run.failure_recorded():
        run.write_config(config)
        return acquire(config)


def _already_done(cfg: DictConfig, directory: Path, overrides: Sequence[str]) -> float | None:
    _check_finished(cfg, directory, overrides)
    log.info("The run in %s has already finished.", directory)
    value = read_metrics(directory).get(current_metric(cfg.monitor.metric))
    return value if isinstance(value, float) else None


def _check_finished(cfg: DictConfig, directory: Path, overrides: Sequence[str]) -> None:
    """Raises UserError unless a finished run is resumed with ``resume=auto`` and its own overrides."""
    if cfg.resume != AUTO:
        raise UserError(
            f"The run in {directory} has already finished. To train it longer, add trainer.max_epochs=... and "
            "schedule.extend=true."
        )
    resumed_config(cfg, directory, overrides)
