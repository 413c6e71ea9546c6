"""Lightning's Trainer from the config."""

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

from seqvise.checksums import DamagedError, check_archive
from seqvise.config.options import Config
from seqvise.config.registry import LOGGER, STRATEGY, construct
from seqvise.config.schema import content
from seqvise.errors import UserError
from seqvise.files import atomic_write
from seqvise.runs.directory import RunDirectory
from seqvise.runs.weights import REMEDY, refuse_nan, write_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file and renames, so that a full disk or a kill leaves the old one as it was."""

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
                f"{path} cannot be written ({_reason(error)}); what was there is as it was. Make room, and go on with "
                f"resume={Path(path).parents[1]}."
            ) from error

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = lambda storage, _: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Raises:
            UserError: it is damaged, or has weights that are not finite.
        """
        try:
            check_archive(Path(path))
            content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        except DamagedError as error:
            raise UserError(f"{path} is damaged ({error}): {REMEDY}") from None
        refuse_nan(content.get("state_dict", {}), Path(path))
        return content


def _reason(error: BaseException) -> str:
    """Why writing failed: the system's error where torch hides one behind its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200]


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
    del options["timeout"]  # ours
    if isinstance(options["strategy"], dict):
        options["strategy"] = construct("trainer.strategy", options["strategy"], STRATEGY)
    elif isinstance(options["strategy"], str):
        options["strategy"] = _with_own_processes(options["strategy"])
    logger = construct("logger", _logger_node(config.logger, done), LOGGER) if config.logger else False
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


def keep_curves(run: RunDirectory, done: int) -> None:
    """Renames the file of Lightning's CSV logger, which removes the file that it finds.

    Args:
        run: a run that is resumed.
        done: optimizer steps behind it.
    """
    if run.writes and (run.path / CURVES).is_file():
        (run.path / CURVES).rename(run.path / f"{Path(CURVES).stem}-before-{done}.csv")


def _logger_node(node: dict[str, Any], done: int | None) -> dict[str, Any]:
    """The node of a logger. TensorBoard's hides the points behind the step from which training is resumed."""
    if done is None or not str(node.get("_target_")).endswith(".TensorBoardLogger"):
        return node
    return {**node, "purge_step": done + 1}
