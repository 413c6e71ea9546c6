"""Saves a checkpoint before a run is stopped by a signal."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from typing_extensions import override

from seqvise.callbacks.checkpoints import validation_follows

log = logging.getLogger(__name__)
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a process that was ended by SIGTERM."""


class StopOnSignal(pl.Callback):
    """On SIGTERM or a first Ctrl-C, saves after the current step and stops; a second Ctrl-C stops at once.

    All ranks stop after the same step, whichever received the signal. A validation that is due still runs, because it
    saves. This must be the last callback, so that the checkpoint holds the state of the others after the step.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM, with the code 143.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signal: int | None = None
        self._group: torch.distributed.ProcessGroup | None = None
        self._previous_handlers: dict[int, Any] = {}

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Installs signal handlers in place of those of Lightning, which stop without saving."""
        launcher = trainer.strategy.launcher

        def on_signal(signum: int, _: FrameType | None) -> None:
            if self._signal is not None and signum == signal.SIGINT:
                raise KeyboardInterrupt
            if launcher is not None and signum == signal.SIGTERM:
                launcher.kill(signum)  # the other processes, which Lightning started from this one
            self._signal = signum

        self._signal = None
        if trainer.world_size > 1 and self._group is None:
            # A CPU group: with an accelerator's group, the check would wait for the device at every step.
            group = torch.distributed.new_group(backend="gloo")
            assert not isinstance(group, int)  # an int would mean that this process is not a member
            self._group = group
        if threading.current_thread() is not threading.main_thread():
            return  # Python allows signal handlers in the main thread only
        for signum in (signal.SIGTERM, signal.SIGINT):
            self._previous_handlers[signum] = signal.signal(signum, on_signal)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or not self._stop_requested() or validation_follows(trainer):
            return
        trainer.save_checkpoint(self._file)
        log.info(
            "Interrupted: checkpoint saved at step %d. Resume with resume=%s.",
            trainer.global_step,
            self._file.parents[1],
        )
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(TERMINATED)

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._restore_handlers()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for signum, handler in self._previous_handlers.items():
            signal.signal(signum, handler)
        self._previous_handlers = {}

    def _stop_requested(self) -> bool:
        """Whether this process or another one of the group received a signal."""
        if self._group is None:
            return self._signal is not None
        requested = torch.tensor([self._signal is not None], dtype=torch.uint8)
        torch.distributed.all_reduce(requested, torch.distributed.ReduceOp.MAX, self._group)
        return bool(requested)
