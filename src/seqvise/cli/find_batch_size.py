"""``seqvise find_batch_size``: the largest batches that a CUDA device has memory for."""

from __future__ import annotations

import gc
import logging
import secrets
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.errors import UserError

STEPS = 3
"""Optimizer steps of a trial: the first has the longest sentences; behind it the optimizer has its state."""
FIRST = 8
log = logging.getLogger(__name__)


class Trial(NamedTuple):
    """What became of a size.

    Attributes:
        peak: bytes of the device at the most; None where it had not enough.
        whole: whether a batch held all there is to train on.
    """

    peak: int | None
    whole: bool = False

    def told(self) -> str:
        """It in words."""
        return "more memory than there is" if self.peak is None else f"{self.peak / 2**30:.2f} GiB at the peak"


def main(argv: Sequence[str] | None = None) -> int:
    """Tries batch sizes with the given Hydra overrides and gives the exit code."""
    return hydra_command(_find, argv, fixed=["hydra=bare"])


def _find(cfg: DictConfig, _start: list[str]) -> None:
    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
    config = typed(cfg)
    _refuse(config)
    trials: dict[int, Trial] = {}

    def attempt(size: int) -> Trial:
        trials[size] = attempted(config, size)
        log.info("data.batch_size=%d: %s", size, trials[size].told())
        return trials[size]

    found = largest(attempt, FIRST)
    if found is None:
        raise UserError(
            f"Not even data.batch_size={FIRST} fits: choose a smaller model, shorter sentences, or trainer.precision="
            "bf16-mixed."
        )
    print(f"largest that fits: data.batch_size={found} ({trials[found].told()})")


def largest(attempt: Callable[[int], Trial], first: int) -> int | None:
    """The largest size that fits, to an eighth: doubled until one does not, or holds all, then halved in between.

    Args:
        attempt: tries a size. Where one fits, so do all smaller ones.
        first: is tried first.

    Returns:
        None where the first does not fit.
    """
    good, bad = 0, first
    while (trial := attempt(bad)).peak is not None:
        good, bad = bad, 2 * bad
        if trial.whole:
            return good
    while good and bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if attempt(middle).peak is not None else (good, middle)
    return good or None


def attempted(config: Config, size: int) -> Trial:
    """Trains a few steps.

    Args:
        config: every choice; its seed is a number.
        size: of the batches.
    """
    import torch

    from seqvise.runs.directory import RunDirectory
    from seqvise.training.build import build_job

    tried: Any = deepcopy(config)
    tried.data.batch_size, tried.logger, tried.callbacks.progress = size, None, False
    device = _Device()
    with tempfile.TemporaryDirectory() as folder:
        tried.paths.run = folder
        device.begin()
        try:
            job = build_job(tried, RunDirectory(Path(folder)))
            _steps(job.trainer, job.parts.task, job.parts.data)
            return Trial(device.peak(), whole=job.trainer.num_training_batches == 1)
        except torch.OutOfMemoryError:
            return Trial(None)
        finally:
            job = None  # type: ignore[assignment]
            device.clear()


def _steps(trainer: Any, task: Any, data: Any) -> None:
    """Trains a few steps, and nothing else."""
    import pytorch_lightning as pl

    from seqvise.callbacks.find_lr import strip_trainer

    strip_trainer(trainer, pl.Callback())
    trainer.fit_loop.epoch_loop.max_steps = STEPS
    trainer.fit(task, data)


class _Device:
    """The memory of the CUDA device."""

    def begin(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> int:
        import torch

        return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0

    def clear(self) -> None:
        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _refuse(config: Config) -> None:
    """Raises UserError where no batch size can be found."""
    import torch

    trainer = config.trainer
    if getattr(config.data, "batch_tokens", None) is not None:
        raise UserError("data.batch_tokens sizes batches by their words: set it to null to find data.batch_size.")
    if trainer.devices not in (1, "1") or trainer.num_nodes != 1:
        raise UserError(
            f"trainer.devices is {trainer.devices}: find the size with one device; with several, each has it."
        )
    if trainer.accelerator not in ("gpu", "cuda", "auto") or not torch.cuda.is_available():
        raise UserError(
            "seqvise find_batch_size fills the memory of a CUDA device, but "
            f"trainer.accelerator={trainer.accelerator} has none here."
        )
