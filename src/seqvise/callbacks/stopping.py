"""Why training stopped before its limit."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from seqvise.callbacks.hooks import callbacks_of


def stop_reason(trainer: pl.Trainer) -> str | None:
    """Why early stopping ended the training; None if it reached `trainer.max_epochs` or `trainer.max_steps`."""
    if trainer.current_epoch == trainer.max_epochs or trainer.global_step == trainer.max_steps:
        return None
    reasons = (_reason(callback) for callback in callbacks_of(trainer) if isinstance(callback, EarlyStopping))
    return next((reason for reason in reasons if reason), None)


def _reason(callback: EarlyStopping) -> str | None:
    if callback.wait_count >= callback.patience:
        noun = "validation" if callback.wait_count == 1 else "validations"
        return f"no better {callback.monitor} for {callback.wait_count} {noun}"
    message = callback.stopping_reason_message
    return message and message.removesuffix(" Signaling Trainer to stop.").rstrip(".")
