"""What callbacks share: state of the trainer, numbers of the current step, and the hook after a validation."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from typing_extensions import override

from seqvise.tasks.samples import fields_of

IMAGES, TEXTS = "val_images", "val_texts"
"""Groups of tags in TensorBoard, which sorts them by name: images and texts come after all curves."""


def callbacks_of(trainer: pl.Trainer) -> list[pl.Callback]:
    """The trainer's callbacks, in the order they are called."""
    return cast(list[pl.Callback], trainer.callbacks)  # type: ignore[attr-defined]


def tensorboards(trainer: pl.Trainer) -> Iterator[TensorBoardLogger]:
    """The trainer's TensorBoard loggers, which accept text and images."""
    return (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))


def is_fit_validation(trainer: pl.Trainer) -> bool:
    """Whether the current validation is part of training and not the sanity check before it."""
    return trainer.state.fn == "fit" and not trainer.sanity_checking


def is_logged(trainer: pl.Trainer, step: int) -> bool:
    """Whether the trainer logs metrics after ``step`` optimizer steps."""
    interval = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return bool(interval) and step % interval == 0


def batch_loss(trainer: pl.Trainer, outputs: Any) -> Tensor:
    """The detached mean loss of a batch, (), from the scaled loss that a training step returned.

    The trainer divides the loss by the number of accumulated batches; a task multiplies it by its ``last_share``.
    """
    loss: Tensor = outputs["loss"] if isinstance(outputs, dict) else outputs
    return loss.detach() * trainer.accumulate_grad_batches / fields_of(trainer.lightning_module).last_share


def step_counts(pl_module: pl.LightningModule, batch: object) -> tuple[int, int]:
    """Tokens and items of the last step; 0 if unknown."""
    return fields_of(pl_module).last_tokens, len(batch) if isinstance(batch, Sized) else 0


class ValidationCallback(pl.Callback):
    """Calls ``after_validation`` after each validation of a fit, or after each epoch if there is no validation."""

    def after_validation(self, trainer: pl.Trainer) -> None:
        """To be overridden."""
        raise NotImplementedError

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if is_fit_validation(trainer):
            self.after_validation(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.enable_validation:
            self.after_validation(trainer)
