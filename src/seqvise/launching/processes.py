"""The directory of a Hydra job, and how Lightning starts its other processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import RunMode
from hydra.utils import get_original_cwd
from omegaconf import OmegaConf

from seqvise.config.compose import CONFIG_NAME
from seqvise.config.distributed_env import started_from_outside
from seqvise.config.overrides import split_override
from seqvise.config.search_path import conf_folder
from seqvise.errors import RunFailedError, UserError
from seqvise.launching.ranks import Ranks
from seqvise.runs.directory import is_first_process, record_failure

PROGRAM = (sys.executable, "-P", "-m", "seqvise.cli.main")
"""Starts ``seqvise``, however this process was started; ``-P`` keeps the working directory out of ``sys.path``."""
SWEEP_KEYS = (
    "hydra.mode=",
    "hydra.run.",
    "hydra.sweep.",
    "hydra.launcher.",
    "hydra.sweeper.",
    "hydra.job.num=",
    "hydra.job.id=",
    "hydra/launcher=",
    "hydra/sweeper=",
)


def job_argv(hydra: Any, overrides: Sequence[str], number: int) -> list[str]:
    """The arguments that start a job of a sweep.

    Args:
        hydra: the ``hydra`` node of the sweep or of the job.
        overrides: the job's overrides, without those of Hydra.
    """
    kept = [word for word in hydra.overrides.hydra if not f"{split_override(word).name}=".startswith(SWEEP_KEYS)]
    return [
        *config_flags(hydra),
        *overrides,
        *kept,
        f"hydra.job.num={number}",
        f"hydra.job.id={number}",
        "hydra.mode=RUN",
    ]


def directory_override(directory: Path | str) -> str:
    """The override that sets the directory of a run, quoted for Hydra."""
    return f"hydra.run.dir={QuotedString(str(directory), Quote.single).with_quotes()}"


def config_flags(hydra: Any) -> list[str]:
    """The config options of a command line (--config-name, --config-path, --config-dir). hydra: the ``hydra`` node."""
    sources = {source.provider: source.path for source in hydra.runtime.config_sources}
    flags = [] if hydra.job.config_name == CONFIG_NAME else [f"--config-name={hydra.job.config_name}"]
    if sources.get("main") not in (None, str(conf_folder())):
        flags.append(f"--config-path={sources['main']}")
    if "command-line" in sources:
        flags.append(f"--config-dir={sources['command-line']}")
    return flags


def job_directory() -> Path:
    """The directory of the running Hydra job, absolute."""
    return Path(HydraConfig.get().runtime.output_dir).absolute()


def in_sweep() -> bool:
    """Whether the running Hydra job belongs to a sweep, also in a separate process."""
    return not OmegaConf.is_missing(HydraConfig.get().job, "num")


@contextmanager
def launching(start: Sequence[str], drawn: Sequence[str] = (), minutes: float = 10.0) -> Iterator[None]:
    """Lets several processes train one job, alone or in a sweep, and restores this process for the next job.

    Lightning starts the other processes of ``strategy=ddp`` with the arguments of this one. In a sweep those are the
    arguments of the whole sweep, so they are replaced by the overrides and directory of the job.

    Args:
        start: the arguments that start this program, up to its overrides.
        drawn: overrides with the values drawn at random, so that all processes use the same.
        minutes: a process without a heartbeat for this long counts as hung.

    Raises:
        RunFailedError: another process of the job failed first.
    """
    directory, argv, environment = job_directory(), sys.argv, dict(os.environ)
    threads = _threads()
    job_args = [*_job_args(argv), *drawn]
    sys.argv = [*start, *job_args]
    ranks = Ranks(directory, minutes)
    if not is_first_process() or started_from_outside():
        ranks.begin()  # otherwise the watchdog begins when Lightning starts the other processes
    try:
        with _lightning_patched(job_args, directory, ranks):
            yield
    except UserError:  # all processes raise the same one
        raise
    except Exception as error:
        if failure := ranks.failure():
            record_failure(directory, failure, replace=True)
            raise RunFailedError(f"{failure} The log is in {directory}.") from error
        raise
    finally:
        _leave_process_group()
        ranks.end()
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        _set_threads(threads)


def _job_args(argv: Sequence[str]) -> list[str]:
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return list(argv[1:])
    return job_argv(hydra, list(hydra.overrides.task), hydra.job.num)


@contextmanager
def _lightning_patched(job_args: Sequence[str], directory: Path, ranks: Ranks) -> Iterator[None]:
    """Sets the command with which Lightning starts the other processes, and the observer that watches them."""
    from pytorch_lightning.strategies.launchers import subprocess_script as lightning

    def command(local_rank: int) -> tuple[list[str], str]:  # noqa: ARG001
        # Only the first process writes Hydra's files.
        overrides = [*job_args, directory_override(directory), "hydra.output_subdir=null"]
        return [*PROGRAM, "train", *overrides], get_original_cwd()

    module: Any = lightning
    originals = module._hydra_subprocess_cmd, module._launch_process_observer
    module._hydra_subprocess_cmd, module._launch_process_observer = command, ranks.watch
    try:
        yield
    finally:
        module._hydra_subprocess_cmd, module._launch_process_observer = originals


def _leave_process_group() -> None:
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _set_threads(threads: int) -> None:
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
