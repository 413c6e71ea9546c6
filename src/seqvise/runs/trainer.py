"""Lightning's Trainer from the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException

from seqvise.config.options import Config
from seqvise.errors import UserError
from seqvise.runs.directory import RunDirectory


def build_trainer(config: Config, run: RunDirectory, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """The trainer of the `trainer` node, with the logger of the `logger` node.

    Raises:
        UserError: the devices, the strategy or the precision asked for are not to be had on this machine.
    """
    options: dict[str, Any] = asdict(config.trainer)
    if isinstance(options["strategy"], dict):
        options["strategy"] = _made("trainer.strategy", options["strategy"])
    logger = _made("logger", config.logger) if config.logger else False
    try:
        return pl.Trainer(
            **options,
            logger=logger,
            callbacks=list(callbacks),
            # The batch sampler of the data module shares batches out by itself.
            use_distributed_sampler=False,
            enable_progress_bar=config.callbacks.progress,
            default_root_dir=run.path,
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"This machine cannot do what the trainer node asks for: {' '.join(str(error).split())}"
        ) from error


def _made(key: str, node: Any) -> Any:
    try:
        return instantiate(node)
    except InstantiationException as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise UserError(f"{key} cannot be made of its node ({node.get('_target_')}): {reason}") from error
