"""Implements ``hydra/launcher=local``: selects the jobs of a sweep that are still to run, and runs them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.core.utils import JobReturn, JobStatus, configure_log
from omegaconf import DictConfig

from seqvise.errors import LOG, RunFailedError, UserError
from seqvise.launching.local import JobOutcome, LocalJob, run_jobs, value_of
from seqvise.launching.pool import Pool, cpu_processes, cuda_devices, devices_needed, threads_of_job
from seqvise.launching.processes import job_argv
from seqvise.launching.sweep import failed_before, job_folder, job_trainer, name_in_tensorboard, swept
from seqvise.moved import current_metric, current_override
from seqvise.runs.resume import AUTO, FAILED, has_finished

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sweep:
    launcher: Any
    devices: Sequence[str]

    @property
    def config(self) -> DictConfig:
        return cast(DictConfig, self.launcher.config)


def launch(launcher: Any, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Runs jobs; with resume=auto, skips those that have finished.

    Args:
        launcher: the plugin with its options, after ``setup``.

    Raises:
        UserError: a job needs more devices than are available; no job is started.
    """
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    devices = cuda_devices() if launcher.devices is None else [str(device) for device in launcher.devices]
    sweep = _Sweep(launcher, devices)
    jobs = [_job(sweep, list(overrides), number) for number, overrides in enumerate(job_overrides, first)]
    _check_distinct_folders(jobs)
    for job in jobs:
        name_in_tensorboard(config, job.folder, job.overrides, job.number)
    outcomes = {job.number: outcome for job in jobs if (outcome := _earlier_outcome(config, job)) is not None}
    pending = [job for job in jobs if job.number not in outcomes]
    log.info("%d jobs, %d of them to run: %s", len(jobs), len(pending), config.hydra.sweep.dir)
    command = str(launcher.task_function.__module__).rpartition(".")[2]
    for outcome in run_jobs(pending, Pool(launcher.jobs, devices), command):
        outcomes[outcome.number] = outcome
    if config.get("dry_run"):
        _show_plans(pending)
    return [_job_return(outcomes[job.number], job) for job in jobs]


def _job(sweep: _Sweep, overrides: list[str], number: int) -> LocalJob:
    launcher, config = sweep.launcher, sweep.config
    trainer = job_trainer(config, overrides, launcher.hydra_context.config_loader)
    # A dry run needs no device: a plan is also made where there are none.
    dry = bool(config.get("dry_run"))
    devices = 0 if dry else devices_needed(trainer, launcher.devices_per_job, len(sweep.devices))
    parallel_jobs = launcher.jobs or (len(sweep.devices) // devices if devices else 1)
    return LocalJob(
        number=number,
        overrides=overrides,
        varied=swept(config, overrides),
        argv=job_argv(config.hydra, overrides, number),
        folder=job_folder(config, overrides, number, launcher.hydra_context.config_loader),
        devices=devices,
        environment=threads_of_job(launcher.threads, parallel_jobs, devices or cpu_processes(trainer)),
        metric=current_metric(str(config.monitor.metric)),
    )


def _check_distinct_folders(jobs: Sequence[LocalJob]) -> None:
    folders = [job.folder for job in jobs]
    if len(set(folders)) < len(folders):
        duplicate = next(folder for folder in folders if folders.count(folder) > 1)
        raise UserError(
            f"Several jobs of the sweep would write into {duplicate}: hydra.sweep.subdir must differ between jobs, as "
            "${hydra.job.num} does."
        )


def _earlier_outcome(config: DictConfig, job: LocalJob) -> JobOutcome | None:
    """Earlier outcome of a job in a sweep with resume=auto; None for a job that is to run."""
    if config.resume != AUTO:
        return None
    if has_finished(job.folder) and _earlier_overrides(job.folder) == _without_resume_keys(job.overrides):
        return JobOutcome(job.number, value=value_of(job))
    if (failure := failed_before(job.folder)) and config.retry != FAILED:
        return JobOutcome(job.number, failure)
    return None


def _show_plans(jobs: Sequence[LocalJob]) -> None:
    """Prints the logs of the jobs of a dry run."""
    for job in jobs:
        print(f"job {job.number}: {' '.join(job.varied)}")
        print((job.folder / LOG).read_text(encoding="utf-8", errors="replace"))


def _earlier_overrides(folder: Path) -> list[str] | None:
    try:
        overrides = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
        return _without_resume_keys([current_override(word) for word in overrides])
    except (OSError, yaml.YAMLError, TypeError, AttributeError):
        return None


def _without_resume_keys(overrides: Sequence[str]) -> list[str]:
    """Overrides without those that only control resuming."""
    return [str(override) for override in overrides if not str(override).startswith(("resume=", "retry=", "trust="))]


def _job_return(outcome: JobOutcome, job: LocalJob) -> JobReturn:
    result = JobReturn(overrides=job.overrides, working_dir=str(job.folder))
    result.status = JobStatus.COMPLETED if outcome.failure is None else JobStatus.FAILED
    result.return_value = outcome.value if outcome.failure is None else RunFailedError(outcome.failure)
    return result
