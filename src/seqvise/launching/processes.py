"""Where a Hydra job writes, and how Lightning starts the other processes of one."""

from __future__ import annotations

import ctypes
import os
import signal
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
"""Starts ``seqvise``, whatever this process was started with; without the folder at hand among Python's own."""
OF_THE_SWEEP = (
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


def job_words(hydra: Any, overrides: Sequence[str], number: int) -> list[str]:
    """The words of a job.

    Args:
        hydra: Hydra's own node in the sweep, or in the job.
        overrides: the job's, without those of Hydra.
        number: the job's.
    """
    kept = [word for word in hydra.overrides.hydra if not f"{split_override(word).name}=".startswith(OF_THE_SWEEP)]
    return [*_flags(hydra), *overrides, *kept, f"hydra.job.num={number}", f"hydra.job.id={number}", "hydra.mode=RUN"]


def directory_word(directory: Path | str) -> str:
    """The override that gives a run its directory, quoted for Hydra."""
    return f"hydra.run.dir={QuotedString(str(directory), Quote.single).with_quotes()}"


def _flags(hydra: Any) -> list[str]:
    """What stood on the command line about config files beside overrides."""
    sources = {source.provider: source.path for source in hydra.runtime.config_sources}
    flags = [] if hydra.job.config_name == CONFIG_NAME else [f"--config-name={hydra.job.config_name}"]
    if sources.get("main") not in (None, str(conf_folder())):
        flags.append(f"--config-path={sources['main']}")
    if "command-line" in sources:
        flags.append(f"--config-dir={sources['command-line']}")
    return flags


SWEEP = "SEQVISE_SWEEP"
"""Environment variable of a job that a sweep has started as a process of its own: the process id of the sweep."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def is_job_process() -> bool:
    """Whether a sweep has started this process for one of its jobs."""
    return SWEEP in os.environ


def end_with_parent() -> None:
    """Lets the kernel tell this process when its parent has ended; does nothing but on Linux, and for others.

    A job of a sweep is told by SIGTERM, and saves. A rank that another process of its job has started is killed: it
    would wait for the others for ever.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        _tell(os.getppid(), signal.SIGKILL)
    elif is_job_process():
        _tell(int(os.environ[SWEEP]), signal.SIGTERM)


def _tell(parent: int, signum: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != parent:  # it ended before it could be watched
        os.kill(os.getpid(), signum)


def job_directory() -> Path:
    """The directory of the running Hydra job, absolute."""
    return Path(HydraConfig.get().runtime.output_dir).absolute()


def in_sweep() -> bool:
    """Whether the running Hydra job is one of a sweep, be it in a process of its own."""
    return not OmegaConf.is_missing(HydraConfig.get().job, "num")


@contextmanager
def launching(start: Sequence[str], drawn: Sequence[str] = (), minutes: float = 10.0) -> Iterator[None]:
    """Lets several processes train one job, alone or in a sweep, and leaves no trace of them for the next job.

    Lightning starts the other processes of ``strategy=ddp`` with the words of this one. In a sweep those are the whole
    sweep's, so each gets the job's own overrides and directory instead.

    Args:
        start: the words that start this program, up to its overrides.
        drawn: overrides for what was drawn by chance, so that all processes have the same.
        minutes: after which a process that gives no sign of life is taken to hang.

    Raises:
        RunFailedError: another process of the job came to its end before.
    """
    directory, argv, environment = job_directory(), sys.argv, dict(os.environ)
    threads = _threads()
    words = [*_own_words(argv), *drawn]
    sys.argv = [*start, *words]
    ranks = Ranks(directory, minutes)
    if not is_first_process() or started_from_outside():
        ranks.begin()  # where Lightning starts the others, they begin with them
    try:
        with _lightning_starts(words, directory, ranks):
            yield
    except UserError:  # all processes have met the same
        raise
    except Exception as error:
        if why := ranks.why():
            record_failure(directory, why, replace=True)
            raise RunFailedError(f"{why} What was logged is in {directory}.") from error
        raise
    finally:
        _leave_process_group()
        ranks.end()
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        _set_threads(threads)


def _own_words(argv: Sequence[str]) -> list[str]:
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return list(argv[1:])
    return job_words(hydra, list(hydra.overrides.task), hydra.job.num)


@contextmanager
def _lightning_starts(words: Sequence[str], directory: Path, ranks: Ranks) -> Iterator[None]:
    """Gives Lightning the command of the other processes, and who watches them."""
    from pytorch_lightning.strategies.launchers import subprocess_script as lightning

    def command(local_rank: int) -> tuple[list[str], str]:  # noqa: ARG001
        # Only the first process keeps Hydra's files.
        return [*PROGRAM, "train", *words, directory_word(directory), "hydra.output_subdir=null"], get_original_cwd()

    module: Any = lightning
    before = module._hydra_subprocess_cmd, module._launch_process_observer
    module._hydra_subprocess_cmd, module._launch_process_observer = command, ranks.watch
    try:
        yield
    finally:
        module._hydra_subprocess_cmd, module._launch_process_observer = before


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
