"""Builds Lightning's Trainer from the config."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins import TorchCheckpointIO
from lightning_fabric.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from seqvise.checksums import check_archive, read_failure
from seqvise.classes import construct
from seqvise.config.options import Config
from seqvise.config.registry import LOGGER, STRATEGY
from seqvise.config.schema import content
from seqvise.errors import UserError
from seqvise.files import atomic_write
from seqvise.runs.devices import missing_devices
from seqvise.runs.directory import RunDirectory
from seqvise.runs.model import REMEDY, refuse_nan, write_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a temporary file and renames it, so that a full disk or a kill leaves the old file unchanged."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: the folder cannot be written to, or the disk is full.
        """
        try:
            with atomic_write(Path(path)) as temporary:
                write_checkpoint(checkpoint, temporary)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{path} cannot be written ({_reason(error)}); an existing file is unchanged. Free disk space, and "
                f"resume with resume={Path(path).parents[1]}."
            ) from error

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = lambda storage, _: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Raises:
            UserError: the checkpoint is damaged, or contains NaN.
        """
        try:
            check_archive(Path(path))
            content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        except Exception as error:  # its type depends on which bytes are damaged
            raise UserError(f"{path} cannot be loaded ({read_failure(error)}): {REMEDY}") from error
        refuse_nan(content.get("state_dict", {}), Path(path))
        return content


def _reason(error: BaseException) -> str:
    """Why writing failed: the system's error if torch's error wraps one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200]


log = logging.getLogger(__name__)
COPYING_STRATEGY = re.compile(r"(?<=^ddp)_(spawn|fork|notebook)")
"""Lightning's names of strategies whose processes are copies of this one."""
CURVES = "metrics.csv"
"""The file of Lightning's CSV logger."""


def build_trainer(
    config: Config, run: RunDirectory, callbacks: Sequence[pl.Callback], done: int | None = None
) -> pl.Trainer:
    """The trainer of the `trainer` node, with the logger of the `logger` node.

    Args:
        config: the config with the two nodes.
        run: the directory of logs and checkpoints.
        callbacks: all callbacks.
        done: the step from which training is resumed; None for a new run.

    Raises:
        UserError: this machine does not support the devices, the strategy or the precision.
    """
    if messages := missing_devices(config.trainer):
        raise UserError(*messages)
    options: dict[str, Any] = content(config)["trainer"]
    del options["timeout"]  # not an argument of Lightning's Trainer
    if isinstance(options["strategy"], dict):
        options["strategy"] = construct("trainer.strategy", options["strategy"], STRATEGY)
    elif isinstance(options["strategy"], str):
        options["strategy"] = _with_new_processes(options["strategy"])
    logger = construct("logger", _logger_node(config.logger, done), LOGGER) if config.logger else False
    try:
        return pl.Trainer(
            **options,
            logger=logger,
            callbacks=list(callbacks),
            # The batch sampler of the data module distributes batches itself.
            use_distributed_sampler=False,
            enable_progress_bar=config.callbacks.progress,
            default_root_dir=run.path,
            plugins=[AtomicCheckpointIO()],
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            "This machine does not support trainer.accelerator, trainer.devices, trainer.strategy or "
            f"trainer.precision: {' '.join(str(error).split())}"
        ) from error


def _with_new_processes(strategy: str) -> str:
    """Replaces a strategy that copies this process by one that starts new processes.

    Lightning returns only the weights from copied processes: their metrics are lost.
    """
    other = re.sub(COPYING_STRATEGY, "", strategy)
    if other != strategy:
        log.info("trainer.strategy=%s is replaced by %s, which starts new processes.", strategy, other)
    return other


def keep_curves(run: RunDirectory, done: int) -> None:
    """Renames the file of Lightning's CSV logger, which would otherwise delete it.

    Args:
        run: the resumed run.
        done: the step from which training is resumed.
    """
    if run.writes and (run.path / CURVES).is_file():
        (run.path / CURVES).rename(run.path / f"{Path(CURVES).stem}-before-{done}.csv")


def _logger_node(node: dict[str, Any], done: int | None) -> dict[str, Any]:
    """The node of a logger. TensorBoard's hides points after the step from which training is resumed."""
    if done is None or not str(node.get("_target_")).endswith(".TensorBoardLogger"):
        return node
    return {**node, "purge_step": done + 1}
