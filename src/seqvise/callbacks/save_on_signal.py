"""A run that is told to stop saves first."""

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
"""The exit code of a process that was told to end."""


class StopOnSignal(pl.Callback):
    """On SIGTERM or a first Ctrl-C, saves behind the step at hand and stops; a second Ctrl-C stops at once.

    All ranks stop behind the same step, whichever was told. A validation that is due is still made, as it saves. This
    must be the last of the callbacks, so that the checkpoint holds what the others have done in the step.

    Args:
        file: the checkpoint.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM, with the code 143.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._told: int | None = None
        self._group: torch.distributed.ProcessGroup | None = None
        self._before: dict[int, Any] = {}

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listens, in the place of Lightning, which would stop without saving."""
        launcher = trainer.strategy.launcher

        def told(signum: int, _: FrameType | None) -> None:
            if self._told is not None and signum == signal.SIGINT:
                raise KeyboardInterrupt
            if launcher is not None and signum == signal.SIGTERM:
                launcher.kill(signum)  # the other processes, which Lightning has started from this one
            self._told = signum

        self._told = None
        if trainer.world_size > 1 and self._group is None:
            # Of processors: asking an accelerator would wait, at every step, until it has done the step.
            group = torch.distributed.new_group(backend="gloo")
            assert not isinstance(group, int)  # of which this process is no member
            self._group = group
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets no other thread listen
        for signum in (signal.SIGTERM, signal.SIGINT):
            self._before[signum] = signal.signal(signum, told)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves and stops, if one of the processes was told to."""
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or not self._is_told() or validation_follows(trainer):
            return
        trainer.save_checkpoint(self._file)
        log.info("Told to stop: saved behind step %d; resume=%s goes on.", trainer.global_step, self._file.parents[1])
        if self._told == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(TERMINATED)

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Listens no more."""
        self._stop_listening()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Listens no more."""
        self._stop_listening()

    def _stop_listening(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}

    def _is_told(self) -> bool:
        """Whether this process was told to stop, or any other of the group."""
        if self._group is None:
            return self._told is not None
        told = torch.tensor([self._told is not None], dtype=torch.uint8)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX, self._group)
        return bool(told)
