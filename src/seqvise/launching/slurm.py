"""Implements ``hydra/launcher=slurm``: checks jobs before submission, shows the script in a dry run, logs job ids."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf

from seqvise.errors import UserError
from seqvise.launching.pool import ALL
from seqvise.launching.sweep import job_folder, job_trainer

log = logging.getLogger(__name__)
PLUGIN = "hydra_plugins.hydra_submitit_launcher"
PROGRAMS = ("sbatch", "srun")
AT_START = ("submitit_folder", "max_num_timeout")
"""Parameters of the constructor of submitit's executor."""
COMMON = (
    "timeout_min",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "mem_gb",
    "nodes",
    "name",
    "stderr_to_stdout",
)
"""Parameters that submitit has for every kind of cluster."""


def is_slurm(launcher: Any) -> bool:
    """Whether a launcher submits jobs to SLURM."""
    launcher_class = type(launcher)
    return launcher_class.__module__.startswith(PLUGIN) and launcher_class.__name__ == "SlurmLauncher"


def check_jobs(config: DictConfig, jobs: Sequence[Sequence[str]], loader: Any) -> None:
    """Checks that the jobs of a sweep fit what SLURM would start for them.

    Args:
        loader: Hydra's config loader; it composes the config of a job whose trainer may differ.

    Raises:
        UserError: this machine cannot submit jobs, or the processes of a job differ from those that SLURM would start.
    """
    messages: dict[str, None] = {}
    if missing := " and ".join(program for program in PROGRAMS if shutil.which(program) is None):
        sentence = (
            f"hydra/launcher=slurm submits jobs with {' and '.join(PROGRAMS)}, but this machine has no {missing}: "
            "start the sweep on a login node of the cluster, or choose hydra/launcher=local."
        )
        messages[sentence] = None
    for overrides in jobs:
        messages |= dict.fromkeys(mismatches(job_trainer(config, overrides, loader), config.hydra.launcher))
    if messages:
        raise UserError(*messages)


def mismatches(trainer: Any, launcher: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each mismatch between a job's trainer and its SLURM job."""
    tasks, gpus = int(launcher.get("tasks_per_node") or 1), launcher.get("gpus_per_node")
    uses_gpus = trainer.accelerator in ("gpu", "cuda")
    processes = _processes(trainer.devices, gpus)
    if processes is not None and tasks != processes:
        yield (
            f"hydra.launcher.tasks_per_node is {tasks}, but trainer.devices is {trainer.devices}: SLURM starts one "
            f"task for each process, so set hydra.launcher.tasks_per_node={processes}."
        )
    if uses_gpus and gpus is not None and processes is not None and int(gpus) < processes:
        yield (
            f"hydra.launcher.gpus_per_node is {gpus}, but trainer.devices is {trainer.devices}: set "
            f"hydra.launcher.gpus_per_node={processes}."
        )
    nodes = int(launcher.get("nodes") or 1)
    if nodes != int(trainer.num_nodes):
        yield (
            f"hydra.launcher.nodes is {nodes}, but trainer.num_nodes is {trainer.num_nodes}: set "
            f"hydra.launcher.nodes={trainer.num_nodes}."
        )


def script(launcher: Any) -> str:
    """The script that would be submitted to sbatch for a job of the sweep."""
    executor = _executor(launcher)
    engine = executor._executor  # submitit has no public function for the script
    return str(engine._make_submission_file_text(engine._submitit_command_str, "dry_run"))


def launch(launcher: Any, batch: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Submits jobs as one array, prints their ids and folders, and waits for all of them.

    Raises:
        UserError: SLURM rejects the jobs.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    rows = [
        (list(overrides), "hydra.sweep.dir", number, f"job_id_for_{number}", Singleton.get_state())
        for number, overrides in enumerate(batch, first)
    ]
    try:
        jobs = _executor(launcher).map_array(launcher, *zip(*rows, strict=True))
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        reason = " ".join(str(error).split())[-300:]
        raise UserError(f"SLURM rejected the jobs ({reason}): change hydra.launcher. No job was started.") from error
    loader = launcher.hydra_context.config_loader
    for job, row in zip(jobs, rows, strict=True):
        folder = job_folder(launcher.config, row[0], row[2], loader)
        log.info("job %d is SLURM job %s: %s, %s", row[2], job.job_id, folder, " ".join(filter_overrides(row[0])))
    return [_result(job, row[0]) for job, row in zip(jobs, rows, strict=True)]


def _result(job: Any, overrides: list[str]) -> JobReturn:
    """Result of a job. A job that SLURM ended has failed; the others continue."""
    try:
        result: JobReturn = job.results()[0]
    except Exception as error:  # submitit raises the error of the job, or its own for a lost job
        result = JobReturn(overrides=overrides, status=JobStatus.FAILED)
        result.return_value = error
    return result


def _executor(launcher: Any) -> Any:
    import submitit

    params = dict(launcher.params)
    executor = submitit.AutoExecutor(
        cluster="slurm", folder=params["submitit_folder"], slurm_max_num_timeout=params.get("max_num_timeout", 0)
    )
    chosen = {name: value for name, value in params.items() if name not in AT_START}
    executor.update_parameters(**{name if name in COMMON else f"slurm_{name}": chosen[name] for name in chosen})
    return executor


def _processes(devices: Any, gpus: Any) -> int | None:
    """Number of processes per node; None if it is not known before the job runs."""
    if OmegaConf.is_list(devices) or isinstance(devices, list):
        return len(devices)
    if str(devices) in ALL:
        return None if gpus is None else int(gpus)
    return int(devices) if str(devices).isdecimal() else None
