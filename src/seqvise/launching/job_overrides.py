"""The words that start one job of a sweep as a run of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from seqvise.config.compose import CONFIG_NAME
from seqvise.config.search_path import conf_folder

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
    kept = [word for word in hydra.overrides.hydra if not word.lstrip("+~").startswith(OF_THE_SWEEP)]
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
