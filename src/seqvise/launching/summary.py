"""The end of a sweep on the console: its best job, what varied, and the commands to continue with."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seqvise.config.overrides import split_override
from seqvise.launching.processes import config_flags
from seqvise.launching.sweep import LINKS, swept
from seqvise.moved import current_metric
from seqvise.runs.directory import read_metrics, read_status

NOT_REPEATED = ("resume", "retry", "hydra.sweep.dir", "hydra.mode")
"""Overrides that the command to resume a sweep sets itself."""
ORDER = {"max": "largest", "min": "smallest"}
LONGER = 2
"""Factor on the epochs in the command that trains the best job longer."""


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep: its number, run directory and overrides."""

    number: int
    folder: Path
    overrides: Sequence[str]

    @property
    def status(self) -> str | None:
        """Status of its run; None if it has not started."""
        return read_status(self.folder).get("status")

    def value(self, metric: str) -> float | None:
        """The metric of its finished run; None if it is missing or not finite."""
        value = read_metrics(self.folder).get(metric) if self.status == "ok" else None
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def summary(config: DictConfig, jobs: Sequence[SweepJob]) -> Iterator[str]:
    """Yields the lines to print at the end of a sweep; none if no job has started.

    Args:
        config: the sweep's config, with Hydra's node.
        jobs: all its jobs.
    """
    states = [job.status for job in jobs]
    if not any(states):
        return
    yield f"{states.count('ok')} of {len(jobs)} jobs done: {_sweep_folder(config)}"
    best = _best(config, jobs)
    named = [*_best_lines(config, best), *_keys(config), *_commands(config, best, states)]
    width = max(len(name) for name, _ in named)
    yield from (f"{name:{width}}  {content}" for name, content in named)


def _best(config: DictConfig, jobs: Sequence[SweepJob]) -> tuple[SweepJob, float] | None:
    metric = current_metric(str(config.monitor.metric))
    values = [(job, value) for job in jobs if (value := job.value(metric)) is not None]
    choose = min if config.monitor.get("mode") == "min" else max
    return choose(values, key=lambda pair: pair[1], default=None)


def _best_lines(config: DictConfig, best: tuple[SweepJob, float] | None) -> Iterator[tuple[str, str]]:
    if best is not None:
        job, value = best
        order = ORDER.get(str(config.monitor.get("mode")), ORDER["max"])
        varied = " ".join(swept(config, job.overrides))
        yield "best job", f"{job.number}, {varied}: {order} {config.monitor.metric}, {value:.4g}"
        yield "its folder", _shown(job.folder)


def _keys(config: DictConfig) -> Iterator[tuple[str, str]]:
    """The overrides that the sweep varies, and those that all jobs share."""
    overrides = [*map(str, config.hydra.overrides.task)]
    varied = swept(config, overrides)
    fixed = [text for text in overrides if text not in varied and split_override(text).name not in NOT_REPEATED]
    yield "varied", " ".join(varied)
    yield "fixed", " ".join(fixed) or "the values of the config files"


def _commands(
    config: DictConfig, best: tuple[SweepJob, float] | None, states: Sequence[str | None]
) -> Iterator[tuple[str, str]]:
    folder = _sweep_folder(config)
    yield "report", shlex.join(["seqvise", "report", f"sweep={folder}", f"output={folder}/report"])
    if any(state != "ok" for state in states):
        retry = ["retry=failed"] if "failed" in states else []
        kept = [*map(str, config.hydra.overrides.task), *map(str, config.hydra.overrides.hydra)]
        kept = [text for text in kept if split_override(text).name not in NOT_REPEATED]
        command = ["seqvise", "train", "-m", *config_flags(config.hydra), *kept]
        yield "resume", shlex.join([*command, f"hydra.sweep.dir={folder}", "resume=auto", *retry])
    elif best is not None and (epochs := _epochs(config)):
        resumed = [f"resume={_shown(best[0].folder)}", f"trainer.max_epochs={LONGER * epochs}"]
        has_schedule = OmegaConf.select(config, "schedule.extend") is not None  # it covers the first epochs alone
        extended = ["schedule.extend=true"] if has_schedule else []
        yield "resume best", shlex.join(["seqvise", "train", *resumed, *extended])
    if Path(folder, LINKS).is_dir():
        yield "TensorBoard", shlex.join(["tensorboard", "--logdir", f"{folder}/{LINKS}"])


def _epochs(config: DictConfig) -> int | None:
    """Epochs of each job; None if the sweep varies them."""
    varied = {split_override(text).name for text in swept(config, [*map(str, config.hydra.overrides.task)])}
    epochs: Any = OmegaConf.select(config, "trainer.max_epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 and not varied & {"trainer.max_epochs", "trainer"} else None


def _sweep_folder(config: DictConfig) -> str:
    return _shown(Path(str(config.hydra.sweep.dir)))


def _shown(path: Path) -> str:
    """A path as it is typed in the working directory."""
    full = path.absolute()
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)
