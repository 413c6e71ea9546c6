"""What ``hydra/launcher=local`` does with the jobs that a sweeper gives it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.core.utils import JobReturn, JobStatus, configure_log
from omegaconf import DictConfig

from seqvise.config.overrides import split_override
from seqvise.errors import LOG, RunFailedError, UserError
from seqvise.launching.local import LocalJob, Outcome, run_jobs, value_of
from seqvise.launching.pool import Pool, cuda_devices, needed, processes_of, threads_of_job
from seqvise.launching.processes import job_words
from seqvise.launching.sweep import failed_before, job_folder, name_in_tensorboard, swept
from seqvise.runs.resume import AUTO, FAILED, has_finished

log = logging.getLogger(__name__)
SHAPING = ("trainer", "trainer.accelerator", "trainer.devices", "experiment", "debug", "local")
"""Overrides that may give one job other devices than the rest."""


@dataclass(frozen=True)
class _Sweep:
    launcher: Any
    devices: Sequence[str]

    @property
    def config(self) -> DictConfig:
        return cast(DictConfig, self.launcher.config)


def launch(launcher: Any, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Runs jobs, and leaves those alone that are done.

    Args:
        launcher: with its options, and set up.
        job_overrides: of each job.
        first: number of the first.

    Raises:
        UserError: a job needs devices that are not there; none is started then.
    """
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    devices = cuda_devices() if launcher.devices is None else [str(device) for device in launcher.devices]
    sweep = _Sweep(launcher, devices)
    jobs = [_job(sweep, list(words), number) for number, words in enumerate(job_overrides, first)]
    _check_apart(jobs)
    for job in jobs:
        name_in_tensorboard(config, job.folder, job.overrides, job.number)
    outcomes = {job.number: outcome for job in jobs if (outcome := _before(config, job)) is not None}
    wanted = [job for job in jobs if job.number not in outcomes]
    log.info("%d jobs, %d of them to be run: %s", len(jobs), len(wanted), config.hydra.sweep.dir)
    command = str(launcher.task_function.__module__).rpartition(".")[2]
    for outcome in run_jobs(wanted, Pool(launcher.jobs, devices), command):
        outcomes[outcome.number] = outcome
    if config.get("dry_run"):
        _show_plans(wanted)
    return [_returned(outcomes[job.number], job) for job in jobs]


def _job(sweep: _Sweep, overrides: list[str], number: int) -> LocalJob:
    launcher, config = sweep.launcher, sweep.config
    trainer = _trainer(sweep, overrides)
    devices = needed(trainer, launcher.devices_per_job, len(sweep.devices))
    at_a_time = launcher.jobs or (len(sweep.devices) // devices if devices else 1)
    return LocalJob(
        number=number,
        overrides=overrides,
        shown=swept(config, overrides),
        words=job_words(config.hydra, overrides, number),
        folder=job_folder(config, overrides, number, launcher.hydra_context.config_loader),
        devices=devices,
        environment=threads_of_job(launcher.threads, at_a_time, devices or processes_of(trainer)),
        metric=str(config.monitor.metric),
    )


def _check_apart(jobs: Sequence[LocalJob]) -> None:
    folders = [job.folder for job in jobs]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise UserError(
            f"Several jobs of the sweep would write into {twice}: let hydra.sweep.subdir tell them apart, as "
            "${hydra.job.num} does."
        )


def _trainer(sweep: _Sweep, overrides: list[str]) -> Any:
    """The ``trainer`` node of a job; that of the sweep where the job has no other, as composing takes time."""
    common = set(map(str, sweep.config.hydra.overrides.task))
    own = [word for word in overrides if word not in common]
    if not any(split_override(word).name in SHAPING for word in own):
        return sweep.config.trainer
    return sweep.launcher.hydra_context.config_loader.load_sweep_config(sweep.config, overrides).trainer


def _before(config: DictConfig, job: LocalJob) -> Outcome | None:
    """How a job of a sweep that is started again has ended before; None for one that is to be run."""
    if config.resume != AUTO:
        return None
    if has_finished(job.folder) and _words_before(job.folder) == _lasting(job.overrides):
        return Outcome(job.number, value=value_of(job))
    if (why := failed_before(job.folder)) and config.retry != FAILED:
        return Outcome(job.number, why)
    return None


def _show_plans(jobs: Sequence[LocalJob]) -> None:
    """Prints what dry jobs have printed into their folders, which are removed."""
    for job in jobs:
        print(f"job {job.number}: {' '.join(job.shown)}")
        print((job.folder / LOG).read_text(encoding="utf-8", errors="replace"))


def _words_before(folder: Path) -> list[str] | None:
    try:
        return _lasting(yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, TypeError):
        return None


def _lasting(words: Sequence[str]) -> list[str]:
    """Overrides without those that say how a sweep is started again."""
    return [str(word) for word in words if not str(word).startswith(("resume=", "retry=", "trust="))]


def _returned(outcome: Outcome, job: LocalJob) -> JobReturn:
    result = JobReturn(overrides=job.overrides, working_dir=str(job.folder))
    result.status = JobStatus.COMPLETED if outcome.why is None else JobStatus.FAILED
    result.return_value = outcome.value if outcome.why is None else RunFailedError(outcome.why)
    return result
