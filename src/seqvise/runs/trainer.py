"""Lightning's Trainer from the config."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from seqvise.config.classes import LOGGER, STRATEGY, construct
from seqvise.config.options import Config
from seqvise.config.schema import content
from seqvise.errors import UserError
from seqvise.runs.checkpoints import AtomicCheckpointIO
from seqvise.runs.directory import RunDirectory

log = logging.getLogger(__name__)
COPYING = re.compile(r"(?<=^ddp)_(spawn|fork|notebook)")
"""What Lightning calls a strategy whose processes are copies of this one."""
CURVES = "metrics.csv"
"""What Lightning's CSV logger writes."""


def build_trainer(
    config: Config, run: RunDirectory, callbacks: Sequence[pl.Callback], done: int | None = None
) -> pl.Trainer:
    """The trainer of the `trainer` node, with the logger of the `logger` node.

    Args:
        config: the two nodes are read.
        run: where logs and checkpoints go.
        callbacks: all of them.
        done: optimizer steps behind which training goes on; None for a new run.

    Raises:
        UserError: the devices, the strategy or the precision asked for are not to be had on this machine.
    """
    options: dict[str, Any] = content(config)["trainer"]
    if isinstance(options["strategy"], dict):
        options["strategy"] = construct("trainer.strategy", options["strategy"], STRATEGY)
    elif isinstance(options["strategy"], str):
        options["strategy"] = _with_own_processes(options["strategy"])
    logger = construct("logger", _logger_node(config.logger, run, done), LOGGER) if config.logger else False
    try:
        return pl.Trainer(
            **options,
            logger=logger,
            callbacks=list(callbacks),
            # The batch sampler of the data module shares batches out by itself.
            use_distributed_sampler=False,
            enable_progress_bar=config.callbacks.progress,
            default_root_dir=run.path,
            plugins=[AtomicCheckpointIO()],
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"This machine cannot do what the trainer node asks for: {' '.join(str(error).split())}"
        ) from error


def _with_own_processes(strategy: str) -> str:
    """A strategy whose processes are started as this one was, for one that copies this process.

    What copies of it have measured, which is all but the weights, Lightning forgets when they end.
    """
    other = re.sub(COPYING, "", strategy)
    if other != strategy:
        log.info("trainer.strategy=%s: processes are started as %s starts them.", strategy, other)
    return other


def _logger_node(node: dict[str, Any], run: RunDirectory, done: int | None) -> dict[str, Any]:
    """The node of a logger that goes on behind a step: curves are not told twice, and no file is lost."""
    if done is None:
        return node
    # Lightning's CSV logger removes the file that it finds.
    if run.writes and (run.path / CURVES).is_file():
        (run.path / CURVES).rename(run.path / f"{Path(CURVES).stem}-before-{done}.csv")
    return {**node, "purge_step": done + 1} if str(node.get("_target_")).endswith(".TensorBoardLogger") else node
