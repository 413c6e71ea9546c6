"""``seqvise find_batch_size``: finds the largest batch size that fits in the memory of a CUDA device."""

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
"""Optimizer steps of a trial: the first has the longest sentences, the later ones include the optimizer's state."""
FIRST_SIZE = 8
log = logging.getLogger(__name__)


class Trial(NamedTuple):
    """The result of one batch size.

    Attributes:
        peak: peak memory in bytes; None if the device ran out of memory.
        whole: whether one batch held all training data.
    """

    peak: int | None
    whole: bool = False

    def summary(self) -> str:
        """The peak memory as text."""
        return "out of memory" if self.peak is None else f"peak memory {self.peak / 2**30:.2f} GiB"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise find_batch_size`` and returns its exit code."""
    return hydra_command(_find, argv, fixed=["hydra=bare"])


def _find(cfg: DictConfig, _start: list[str]) -> None:
    from seqvise.training.acquire import acquire

    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
    config = typed(cfg)
    _refuse(config)
    config = acquire(config)
    trials: dict[int, Trial] = {}

    def attempt(size: int) -> Trial:
        trials[size] = run_trial(config, size)
        log.info("data.batch_size=%d: %s", size, trials[size].summary())
        return trials[size]

    batch_size = largest(attempt, FIRST_SIZE)
    if batch_size is None:
        raise UserError(
            f"data.batch_size={FIRST_SIZE} does not fit in memory: choose a smaller model, shorter sentences, or "
            "trainer.precision=bf16-mixed."
        )
    print(f"largest that fits: data.batch_size={batch_size} ({trials[batch_size].summary()})")


def largest(attempt: Callable[[int], Trial], first: int) -> int | None:
    """The largest batch size that fits, within one eighth: doubles the size until it fails, then bisects.

    Doubling also stops when one batch holds all training data.

    Args:
        attempt: tries a size. If a size fits, all smaller sizes fit.
        first: the first size.

    Returns:
        None if the first size does not fit.
    """
    fitting, too_large = 0, first
    while (trial := attempt(too_large)).peak is not None:
        fitting, too_large = too_large, 2 * too_large
        if trial.whole:
            return fitting
    while fitting and too_large - fitting > max(1, fitting // 8):
        middle = (fitting + too_large) // 2
        fitting, too_large = (middle, too_large) if attempt(middle).peak is not None else (fitting, middle)
    return fitting or None


def run_trial(config: Config, size: int) -> Trial:
    """Trains a few steps.

    Args:
        config: the resolved config; its seed is a number.
        size: the batch size.
    """
    import torch

    from seqvise.runs.directory import RunDirectory
    from seqvise.training.build import build_job

    trial_config: Any = deepcopy(config)
    trial_config.data.batch_size, trial_config.logger, trial_config.callbacks.progress = size, None, False
    device = _Device()
    with tempfile.TemporaryDirectory() as folder:
        trial_config.paths.run = folder
        device.begin()
        try:
            job = build_job(trial_config, RunDirectory(Path(folder)))
            _steps(job.trainer, job.parts.task, job.parts.data)
            return Trial(device.peak(), whole=job.trainer.num_training_batches == 1)
        except torch.OutOfMemoryError:
            return Trial(None)
        finally:
            job = None  # type: ignore[assignment]
            device.clear()


def _steps(trainer: Any, task: Any, data: Any) -> None:
    """Trains a few steps without validation and checkpoints."""
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
    """Raises UserError if the config or the machine does not allow a search."""
    import torch

    trainer = config.trainer
    if getattr(config.data, "batch_tokens", None) is not None:
        raise UserError("data.batch_tokens limits batches by their tokens: set it to null to find data.batch_size.")
    if trainer.devices not in (1, "1") or trainer.num_nodes != 1:
        raise UserError(
            f"trainer.devices is {trainer.devices}, but must be 1: the size that is found applies to each device."
        )
    if trainer.accelerator not in ("gpu", "cuda", "auto") or not torch.cuda.is_available():
        raise UserError(
            "seqvise find_batch_size needs a CUDA device, but "
            f"trainer.accelerator={trainer.accelerator} has none on this machine."
        )
