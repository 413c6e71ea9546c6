"""What the jobs of a sweep have in common: where they lie, how they are named, and which of them are done."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from seqvise.config.overrides import split_override
from seqvise.errors import RunFailedError, UserError
from seqvise.files import digest
from seqvise.runs.directory import CONFIG, read_status
from seqvise.runs.resume import AUTO

log = logging.getLogger(__name__)
CURVES = "tensorboard"
"""Folder in that of a sweep where each job's folder is found by what the job overrides."""
BY_NUMBER = "${hydra.job.num}"
LONGEST = 200
"""Letters of a name, which the file system limits."""


class SweepFailedError(RunFailedError):
    """Some jobs of a sweep have failed; the others are done."""


def check_folder(config: DictConfig) -> None:
    """Raises UserError where the sweep's folder holds runs that the config does not go on with."""
    folder = Path(str(config.hydra.sweep.dir))
    if config.resume not in (None, AUTO):
        raise UserError(
            "resume=DIR goes on with a single run: for a sweep set resume=auto, and hydra.sweep.dir to its folder."
        )
    if config.resume is None and any(folder.glob(f"*/{CONFIG}")):
        raise UserError(
            f"{folder} holds a sweep already: go on with it by resume=auto, or choose another folder (hydra.sweep.dir)."
        )


def job_folder(config: DictConfig, overrides: Sequence[str], number: int, loader: Any) -> Path:
    """The run directory of a job.

    Args:
        config: the sweep's.
        overrides: the job's.
        number: the job's.
        loader: Hydra's, which composes the job's config where the folder's name needs it; that takes time.
    """
    sweep = Path(str(config.hydra.sweep.dir))
    if OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"] == BY_NUMBER:  # type: ignore[call-overload, index]
        return (sweep / str(number)).absolute()
    job: DictConfig = loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        job.hydra.job.num, job.hydra.job.id = number, str(number)
        job.hydra.runtime.output_dir = ""
    return (sweep / str(job.hydra.sweep.subdir)).absolute()


def name_in_tensorboard(config: DictConfig, folder: Path, overrides: Sequence[str], number: int) -> None:
    """Links a job's folder under a name that says what it overrides, for ``tensorboard --logdir SWEEP/tensorboard``."""
    if not config.logger or "TensorBoard" not in str(config.logger.get("_target_")):
        return
    root = Path(str(config.hydra.sweep.dir)).absolute() / CURVES
    link = root / job_name(number, swept(config, overrides))
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(folder, root), target_is_directory=True)
    except OSError as error:
        log.warning("TensorBoard will know job %d by its number alone: %s", number, error)


def job_name(number: int, overrides: Sequence[str]) -> str:
    """The number and the overrides, as the name of a folder."""
    name = ",".join([str(number), *overrides]).replace("/", "-")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{digest(name)}"


def failed_before(folder: Path) -> str | None:
    """Why a job has failed, if it has by itself; one that was interrupted or killed with its sweep has not."""
    status = read_status(folder)
    if status.get("status") != "failed" or status.get("interrupted"):
        return None
    return " ".join(str(status.get("why", "")).split()) or "for a reason unknown"


def raise_if_failed(failures: Mapping[int, str], jobs: int) -> None:
    """Raises SweepFailedError if jobs have failed. failures: number of each and why; jobs: how many there were."""
    if failures:
        told = "; ".join(f"job {number}: {' '.join(why.split())}" for number, why in sorted(failures.items()))
        raise SweepFailedError(f"{len(failures)} of {jobs} jobs failed. {told}")


def swept(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """The overrides of a job in which the jobs of the sweep differ; all where that is not known."""
    words = OverridesParser.create().parse_overrides([*map(str, config.hydra.overrides.task), *_params(config)])
    keys = {split_override(word.get_key_element())[:-1] for word in words if word.is_sweep_override()}
    return [word for word in overrides if split_override(word)[:-1] in keys] or list(overrides)


def _params(config: DictConfig) -> list[str]:
    params: Any = config.hydra.sweeper.get("params") or {}
    return [f"{key}={value}" for key, value in params.items()]
