"""A sweep over all combinations of values, in which a job that fails stops no other."""

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
from seqvise.launching.sweep import check_folder, job_folder, name_in_tensorboard, raise_if_failed

PLUGINS = {
    "hydra_plugins.hydra_submitit_launcher": ("slurm", "hydra-submitit-launcher"),
    "hydra_plugins.hydra_joblib_launcher": ("joblib", "hydra-joblib-launcher"),
    "hydra_plugins.hydra_ray_launcher": ("ray", "hydra-ray-launcher"),
}
"""Launchers that are packages of their own: the name of the choice, which is that of the extra, and of the package."""


def check(config: DictConfig) -> None:
    """Raises UserError where a sweep cannot be started. config: the sweep's, with Hydra's node."""
    plugin = ".".join(str(config.hydra.launcher._target_).split(".")[:2])
    if plugin in PLUGINS and find_spec(plugin) is None:
        choice, package = PLUGINS[plugin]
        raise UserError(
            f"hydra/launcher={choice} needs {package}: pip install 'seqvise[{choice}]', or choose hydra/launcher=local."
        )
    check_folder(config)


def sweep(sweeper: Any, arguments: Sequence[str]) -> list[Sequence[JobReturn]]:
    """Launches all jobs of a basic sweeper that has been set up.

    Args:
        sweeper: Hydra's.
        arguments: the overrides of the command line.

    Raises:
        SweepFailedError: when all are over, if some failed.
    """
    config, loader = sweeper.config, sweeper.hydra_context.config_loader
    words = [*sweeper._parse_config(), *arguments]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(words)
    batches = list(sweeper.split_arguments(parsed, sweeper.max_batch_size))
    if slurm.is_slurm(sweeper.launcher):
        slurm.check_jobs(config, [overrides for batch in batches for overrides in batch], loader)
        if config.dry_run:
            print(slurm.script(sweeper.launcher))
            return []
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    failures, returns, first = dict[int, str](), list[Sequence[JobReturn]](), 0
    for batch in batches:
        if not getattr(sweeper.launcher, "names_runs", False):
            for number, overrides in enumerate(batch, first):
                name_in_tensorboard(config, job_folder(config, overrides, number, loader), overrides, number)
        results = _launch(sweeper.launcher, batch, first)
        failures.update(_failures(results, first))
        returns.append(results)
        first += len(batch)
    raise_if_failed(failures, first)
    return returns


def _launch(launcher: Any, batch: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Runs jobs.

    Raises:
        RunFailedError: a launcher of another package gave up, as where one of its processes was killed.
    """
    if slurm.is_slurm(launcher):
        return slurm.launch(launcher, batch, first)
    try:
        results: Sequence[JobReturn] = launcher.launch(batch, initial_job_idx=first)
    except Exception as error:
        if not type(launcher).__module__.startswith(tuple(PLUGINS)):
            raise
        raise RunFailedError(
            f"{type(launcher).__name__} has ended the sweep ({sentence(error).rstrip('.')}). The same words with "
            "resume=auto go on; with hydra/launcher=local no job can end the others."
        ) from error
    return results


def _failures(results: Sequence[JobReturn], first: int) -> Mapping[int, str]:
    return {
        number: sentence(result._return_value)
        for number, result in enumerate(results, first)
        if result.status == JobStatus.FAILED
    }
