"""A grid sweep over all combinations of values; a failed job does not stop the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from seqvise.errors import RunFailedError, UserError, sentence
from seqvise.launching import slurm
from seqvise.launching.summary import SweepJob, summary
from seqvise.launching.sweep import check_folder, job_folder, name_in_tensorboard, raise_if_failed

PLUGINS = {
    "hydra_plugins.hydra_submitit_launcher": ("slurm", "hydra-submitit-launcher"),
    "hydra_plugins.hydra_joblib_launcher": ("joblib", "hydra-joblib-launcher"),
    "hydra_plugins.hydra_ray_launcher": ("ray", "hydra-ray-launcher"),
}
"""Module of each third-party launcher -> its Hydra choice (also the name of the extra) and its package."""


def check(config: DictConfig) -> None:
    """Raises UserError if a sweep cannot be started. config: the sweep's, with Hydra's node."""
    plugin = ".".join(str(config.hydra.launcher._target_).split(".")[:2])
    if plugin in PLUGINS and find_spec(plugin) is None:
        choice, package = PLUGINS[plugin]
        raise UserError(
            f"hydra/launcher={choice} needs {package}: pip install 'seqvise[{choice}]', or choose hydra/launcher=local."
        )
    check_folder(config)


def sweep(sweeper: Any, arguments: Sequence[str]) -> list[Sequence[JobReturn]]:
    """Launches all jobs of a basic sweeper after its ``setup``.

    Raises:
        SweepFailedError: some jobs failed; raised after all have ended.
    """
    config, loader = sweeper.config, sweeper.hydra_context.config_loader
    task_overrides = [*sweeper._parse_config(), *arguments]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(task_overrides)
    batches = list(sweeper.split_arguments(parsed, sweeper.max_batch_size))
    if slurm.is_slurm(sweeper.launcher):
        slurm.check_jobs(config, [overrides for batch in batches for overrides in batch], loader)
        if config.dry_run:
            print(slurm.script(sweeper.launcher))
            return []
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    failures, returns, jobs = dict[int, str](), list[Sequence[JobReturn]](), list[SweepJob]()
    try:
        for batch in batches:
            first = len(jobs)
            folders = [job_folder(config, overrides, number, loader) for number, overrides in enumerate(batch, first)]
            jobs += map(SweepJob, range(first, first + len(batch)), folders, batch)
            if not getattr(sweeper.launcher, "names_runs", False):
                for job in jobs[first:]:
                    name_in_tensorboard(config, job.folder, job.overrides, job.number)
            results = _launch(sweeper.launcher, batch, first)
            failures.update(_failures(results, first))
            returns.append(results)
    finally:
        if _trains(sweeper) and not config.get("dry_run"):
            for line in summary(config, jobs):
                print(line)
    raise_if_failed(failures, len(jobs))
    return returns


def _trains(sweeper: Any) -> bool:
    """Whether the jobs are trainings, and not those of ``prepare`` or ``find_lr``."""
    task = getattr(sweeper, "task_function", None)
    return str(getattr(task, "__module__", "")).rpartition(".")[2] == "train"


def _launch(launcher: Any, batch: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Runs one batch of jobs.

    Raises:
        RunFailedError: a third-party launcher aborted the sweep, for example because one of its processes was killed.
    """
    if slurm.is_slurm(launcher):
        return slurm.launch(launcher, batch, first)
    try:
        results: Sequence[JobReturn] = launcher.launch(batch, initial_job_idx=first)
    except Exception as error:
        if not type(launcher).__module__.startswith(tuple(PLUGINS)):
            raise
        raise RunFailedError(
            f"{type(launcher).__name__} aborted the sweep ({sentence(error).rstrip('.')}). Resume with the same "
            "overrides and resume=auto. With hydra/launcher=local a job cannot end the others."
        ) from error
    return results


def _failures(results: Sequence[JobReturn], first: int) -> Mapping[int, str]:
    return {
        number: sentence(result._return_value)
        for number, result in enumerate(results, first)
        if result.status == JobStatus.FAILED
    }
