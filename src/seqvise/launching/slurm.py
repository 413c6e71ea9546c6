"""What ``hydra/launcher=slurm`` submits: checked before the queue, shown by a dry run, and named once it is queued."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf

from seqvise.config.overrides import key_of
from seqvise.errors import UserError
from seqvise.launching.sweep import job_folder

log = logging.getLogger(__name__)
PLUGIN = "hydra_plugins.hydra_submitit_launcher"
PROGRAMS = ("sbatch", "srun")
AT_START = ("submitit_folder", "max_num_timeout")
"""Parameters that submitit takes when its executor is made."""
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
"""Parameters that submitit has for every kind of queue."""
SHAPING = ("trainer", "experiment", "debug", "local")
"""Nodes and groups that may give one job another trainer than the rest."""
ALL = ("auto", "-1")


def is_slurm(launcher: Any) -> bool:
    """Whether a launcher submits jobs to SLURM."""
    kind = type(launcher)
    return kind.__module__.startswith(PLUGIN) and kind.__name__ == "SlurmLauncher"


def check_jobs(config: DictConfig, jobs: Sequence[Sequence[str]], loader: Any) -> None:
    """Refuses a sweep that SLURM would queue and that could not train.

    Args:
        config: the sweep's, with Hydra's node.
        jobs: the overrides of each job.
        loader: Hydra's, which composes the config of a job that has another trainer.

    Raises:
        UserError: this machine cannot submit jobs, or a job has other processes than SLURM would start.
    """
    problems: dict[str, None] = {}
    if missing := " and ".join(program for program in PROGRAMS if shutil.which(program) is None):
        sentence = (
            f"hydra/launcher=slurm submits jobs with {' and '.join(PROGRAMS)}, but this machine has no {missing}: "
            "start the sweep on a login node of the cluster, or choose hydra/launcher=local."
        )
        problems[sentence] = None
    for overrides in jobs:
        problems |= dict.fromkeys(misfits(_trainer(config, overrides, loader), config.hydra.launcher))
    if problems:
        raise UserError(*problems)


def misfits(trainer: Any, launcher: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each number in which a job's trainer and its SLURM job differ.

    Args:
        trainer: the `trainer` node.
        launcher: the `hydra.launcher` node.
    """
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
    """The script that sbatch would get for a job of the sweep."""
    executor = _executor(launcher)
    engine = executor._executor  # submitit has no public way to see what it would submit
    return str(engine._make_submission_file_text(engine._submitit_command_str, "dry_run"))


def launch(launcher: Any, batch: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Submits jobs as one array, prints their ids and folders, and waits for all of them.

    Args:
        launcher: the plugin's, set up.
        batch: the overrides of each job.
        first: number of the first.

    Raises:
        UserError: SLURM does not take the jobs.
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
        raise UserError(f"SLURM does not take the jobs ({reason}): change hydra.launcher. None was started.") from error
    loader = launcher.hydra_context.config_loader
    for job, row in zip(jobs, rows, strict=True):
        folder = job_folder(launcher.config, row[0], row[2], loader)
        log.info("job %d is SLURM job %s: %s, %s", row[2], job.job_id, folder, " ".join(filter_overrides(row[0])))
    return [_result(job, row[0]) for job, row in zip(jobs, rows, strict=True)]


def _result(job: Any, overrides: list[str]) -> JobReturn:
    """How a job ended; one that SLURM has ended has failed, and takes no other with it."""
    try:
        result: JobReturn = job.results()[0]
    except Exception as error:  # submitit raises the job's own error, and its own for a job that is gone
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
    """The processes of each node; None where that is not known before the job runs."""
    if OmegaConf.is_list(devices) or isinstance(devices, list):
        return len(devices)
    if str(devices) in ALL:
        return None if gpus is None else int(gpus)
    return int(devices) if str(devices).isdecimal() else None


def _trainer(config: DictConfig, overrides: Sequence[str], loader: Any) -> Any:
    common = set(map(str, config.hydra.overrides.task))
    own = [key_of(word).partition(".")[0] for word in overrides if word not in common]
    if not any(name in SHAPING for name in own):
        return config.trainer
    return loader.load_sweep_config(config, list(overrides)).trainer
