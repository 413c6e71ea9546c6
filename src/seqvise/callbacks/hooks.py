"""What hooks ask of a trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

SENTENCES = "sentences"


def callbacks_of(trainer: pl.Trainer) -> list[pl.Callback]:
    """The trainer's callbacks, in the order they are called."""
    return cast(list[pl.Callback], trainer.callbacks)  # type: ignore[attr-defined]


def tensorboards(trainer: pl.Trainer) -> Iterator[TensorBoardLogger]:
    """Those of the trainer's loggers that take text and pictures."""
    return (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))


def is_fit_validation(trainer: pl.Trainer) -> bool:
    """Whether a validation belongs to training, and is not the sanity check before it."""
    return trainer.state.fn == "fit" and not trainer.sanity_checking


def is_logged(trainer: pl.Trainer, step: int) -> bool:
    """Whether the trainer hands metrics to its loggers after so many optimizer steps."""
    every = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return bool(every) and step % every == 0


def batch_loss(trainer: pl.Trainer, outputs: Any) -> Tensor:
    """The mean loss of a batch, (), detached, from the share of it that a training step returned.

    The trainer has divided it by the accumulated batches, and a task of ours has multiplied it by its ``last_share``.
    """
    loss: Tensor = outputs["loss"] if isinstance(outputs, dict) else outputs
    return loss.detach() * trainer.accumulate_grad_batches / getattr(trainer.lightning_module, "last_share", 1.0)


def unit_of(pl_module: pl.LightningModule) -> str:
    """What the task's batches are made of: its ``unit``, such as images; else sentences."""
    return str(getattr(pl_module, "unit", SENTENCES))


def counts(pl_module: pl.LightningModule, batch: object) -> tuple[int, int]:
    """Tokens and items of the step that has just ended; 0 where the task or the batch does not tell."""
    return int(getattr(pl_module, "last_tokens", 0)), len(batch) if isinstance(batch, Sized) else 0
