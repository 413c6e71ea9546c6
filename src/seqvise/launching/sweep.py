"""Functions that all launchers share: folders and names of the jobs of a sweep, and which of them have failed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from seqvise.config.overrides import OverrideParts, split_override, swept_targets
from seqvise.config.search_path import is_group
from seqvise.errors import RunFailedError, UserError
from seqvise.files import digest
from seqvise.runs.directory import CONFIG, read_status
from seqvise.runs.resume import AUTO

log = logging.getLogger(__name__)
LINKS = "tensorboard"
"""Subfolder of a sweep with a link to each job's folder, named after the overrides of the job."""
TRAINER = ("trainer", "trainer.accelerator", "trainer.devices", "trainer.num_nodes")
SHAPING = (*TRAINER, "experiment", "debug", "local")
"""Overrides that can change the devices and nodes of a single job."""
BY_NUMBER = "${hydra.job.num}"
MAX_NAME_LENGTH = 200
"""Maximum characters of a link name; file systems limit it."""


class SweepFailedError(RunFailedError):
    """Some jobs of a sweep failed; the others have finished."""


def check_folder(config: DictConfig) -> None:
    """Raises UserError if the sweep's folder already holds runs and the config does not resume them."""
    folder = Path(str(config.hydra.sweep.dir))
    if config.resume not in (None, AUTO):
        raise UserError(
            "resume=DIR resumes a single run: for a sweep set resume=auto, and hydra.sweep.dir to its folder."
        )
    if config.resume is None and any(folder.glob(f"*/{CONFIG}")):
        raise UserError(
            f"{folder} already holds a sweep: resume it with resume=auto, or set hydra.sweep.dir to another folder."
        )


def job_folder(config: DictConfig, overrides: Sequence[str], number: int, loader: Any) -> Path:
    """The run directory of a job.

    Args:
        loader: Hydra's config loader. It composes the job's config only if the folder's name needs it: that is slow.
    """
    sweep = Path(str(config.hydra.sweep.dir))
    if OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"] == BY_NUMBER:  # type: ignore[call-overload, index]
        return (sweep / str(number)).absolute()
    job: DictConfig = loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        job.hydra.job.num, job.hydra.job.id = number, str(number)
        job.hydra.runtime.output_dir = ""
    return (sweep / str(job.hydra.sweep.subdir)).absolute()


def job_trainer(config: DictConfig, overrides: Sequence[str], loader: Any) -> Any:
    """The ``trainer`` node of a job. Composing takes time, so the sweep's node is reused if the job cannot differ."""
    common = set(map(str, config.hydra.overrides.task))
    if not any(split_override(override).name in SHAPING for override in overrides if override not in common):
        return config.trainer
    return loader.load_sweep_config(config, list(overrides)).trainer


def name_in_tensorboard(config: DictConfig, folder: Path, overrides: Sequence[str], number: int) -> None:
    """Links a job's folder under the name of its overrides, for ``tensorboard --logdir SWEEP/tensorboard``."""
    if not config.logger or "TensorBoard" not in str(config.logger.get("_target_")):
        return
    root = Path(str(config.hydra.sweep.dir)).absolute() / LINKS
    link, target = root / job_name(number, swept(config, overrides)), os.path.relpath(folder, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        # A sweep of an earlier revision has links with longer names: one link per job is enough.
        if not any(str(former.readlink()) == target for former in root.iterdir() if former.is_symlink()):
            link.symlink_to(target, target_is_directory=True)
    except OSError as error:
        log.warning("TensorBoard shows job %d only by its number: %s", number, error)


def job_name(number: int, overrides: Sequence[str]) -> str:
    """Folder name made of the number and the overrides of a job: ``0,rnn,lr=0.001`` fits into TensorBoard's column.

    A group is named by its choice alone, and a key by its last part, unless two of the keys end in the same part.
    """
    parts = list(map(split_override, overrides))
    ends = Counter(_last_part(part.name) for part in parts)
    words = [part.value if is_group(part.name) else f"{_short(part, ends)}={part.value}" for part in parts]
    name = ",".join([str(number), *words]).replace("/", "-")
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}-{digest(name)}"


def _short(part: OverrideParts, ends: Mapping[str, int]) -> str:
    end = _last_part(part.name)
    return end if ends[end] == 1 else part.name


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]


def failed_before(folder: Path) -> str | None:
    """Why a job failed; None if it did not, or was interrupted or killed with its sweep."""
    status = read_status(folder)
    if status.get("status") != "failed" or status.get("interrupted"):
        return None
    return " ".join(str(status.get("why", "")).split()) or "for an unknown reason"


def raise_if_failed(failures: Mapping[int, str], jobs: int) -> None:
    """Raises SweepFailedError if jobs failed. failures: number of a failed job -> reason; jobs: count of all jobs."""
    if failures:
        reasons = "; ".join(f"job {number}: {' '.join(why.split())}" for number, why in sorted(failures.items()))
        raise SweepFailedError(f"{len(failures)} of {jobs} jobs failed. {reasons}")


def swept(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """The overrides of a job in which the jobs of the sweep differ; all where that is not known."""
    targets = swept_targets(config.hydra)
    return [word for word in overrides if split_override(word).target in targets] or list(overrides)
