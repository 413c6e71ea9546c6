"""What a person chooses about the trainer and the folders, and the root of all choices. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from seqvise.callbacks.options import CallbackOptions, RangeTestOptions
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.vectors.options import VectorOptions

PRECISIONS = ("64-true", "32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed", "64", "32", "16", "bf16")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
PROFILERS = ("simple", "advanced", "pytorch")
COUNTS = ("num_nodes", "accumulate_grad_batches", "log_every_n_steps")

SHARES = {
    "limit_train_batches": 1,
    "limit_val_batches": 0,
    "limit_test_batches": 0,
    "val_check_interval": 1,
}
"""Keys of the trainer that are a number of batches, at least this, or a share of them."""


@dataclass
class TrainerOptions:
    """Lightning's own names for its Trainer, and ``timeout``; logger, callbacks and sampler have their own nodes."""

    max_epochs: int = 5
    min_epochs: int | None = None
    max_steps: int = -1
    min_steps: int | None = None
    max_time: str | None = None
    accelerator: str = "auto"
    devices: Any = 1
    num_nodes: int = 1
    strategy: Any = "auto"
    precision: str = "32-true"
    gradient_clip_val: float | None = 1.0
    gradient_clip_algorithm: str | None = "norm"
    accumulate_grad_batches: int = 1
    check_val_every_n_epoch: int | None = 1
    val_check_interval: Any = None
    num_sanity_val_steps: int = 0
    log_every_n_steps: int = 10
    deterministic: Any = False
    benchmark: bool | None = None
    fast_dev_run: Any = False
    limit_train_batches: Any = None
    limit_val_batches: Any = None
    limit_test_batches: Any = None
    profiler: str | None = None
    detect_anomaly: bool = False
    enable_model_summary: bool = False
    inference_mode: bool = True
    sync_batchnorm: bool = False
    timeout: float = 10.0  # minutes after which a process that gives no sign of life ends the job; not Lightning's
    arguments: dict[str, Any] = field(default_factory=dict)  # its other arguments, keys of the node itself

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name in COUNTS:
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        for name, allowed in (("precision", PRECISIONS), ("accelerator", ACCELERATORS), ("profiler", PROFILERS)):
            value = getattr(self, name)
            if value not in allowed and (name, value) != ("profiler", None):
                yield f"{key}.{name} is '{value}', but must be one of {', '.join(allowed)}."
        if not 0 < self.timeout < math.inf:
            yield f"{key}.timeout is {self.timeout:g}, but must be a number of minutes above 0."
        if self.gradient_clip_val is not None and self.gradient_clip_val <= 0:
            yield f"{key}.gradient_clip_val is {self.gradient_clip_val}, but must be above 0, or null not to clip."
        if self.gradient_clip_algorithm not in (None, "norm", "value"):
            yield f"{key}.gradient_clip_algorithm is '{self.gradient_clip_algorithm}', but must be norm or value."
        if not _are_devices(self.devices):
            yield f"{key}.devices is {self.devices}, but must be a number from 1, a list of device numbers, -1 or auto."
        yield from self._problems_of_length(key)

    def _problems_of_length(self, key: str) -> Iterator[str]:
        if self.max_epochs != -1 and self.max_epochs < 1:
            yield f"{key}.max_epochs is {self.max_epochs}, but must be at least 1, or -1 for no limit."
        if self.max_epochs == -1 and self.max_steps == -1:
            yield (
                f"{key}.max_epochs is -1 and {key}.max_steps is -1, but the schedule needs an end of training: set "
                f"{key}.max_steps to the optimizer steps, or {key}.max_epochs to the epochs."
            )
        if self.max_steps != -1 and self.max_steps < 1:
            yield f"{key}.max_steps is {self.max_steps}, but must be at least 1, or -1 for no limit."
        if self.max_time is not None and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", self.max_time):
            yield f"{key}.max_time is '{self.max_time}', but must be days:hours:minutes:seconds, as in 00:02:30:00."
        for name, least in SHARES.items():
            value = getattr(self, name)
            if value is not None and not _is_share(value, least):
                yield f"{key}.{name} is {value}, but must be a number of batches from {least}, or a share up to 1.0."
        yield from self._problems_of_validation(key)

    def _problems_of_validation(self, key: str) -> Iterator[str]:
        every, interval = self.check_val_every_n_epoch, self.val_check_interval
        if every is not None and every < 1:
            yield f"{key}.check_val_every_n_epoch is {every}, but must be at least 1, or null to count over epochs."
        if every is None and (not isinstance(interval, int) or isinstance(interval, bool)):
            yield (
                f"{key}.val_check_interval is {interval}, but must be a number of batches with "
                f"{key}.check_val_every_n_epoch=null, which counts them over epochs."
            )


def _are_devices(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, int) and item >= 0 for item in value)
    if isinstance(value, str):
        return value == "auto" or (bool(re.fullmatch(r"-1|\d+(,\d+)*,?", value)) and value != "0")
    return isinstance(value, int) and not isinstance(value, bool) and (value >= 1 or value == -1)


def _is_share(value: Any, least: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value >= least if isinstance(value, int) else 0 <= value <= 1 and (value > 0 or least == 0)


@dataclass
class PathOptions:
    """Folders of what is read and what is written."""

    data: str = "data"
    outputs: str = "outputs"
    cache: str = "outputs/cache"
    run: str | None = None  # the run's own folder, set when it starts


@dataclass
class Config:
    """Every choice of a run."""

    data: Any = MISSING  # each kind of data brings its own keys
    tokenizer: TokenizerOptions = MISSING
    vectors: VectorOptions = MISSING
    model: Any = MISSING  # a person's own class brings its own keys
    loss: LossOptions = field(default_factory=LossOptions)
    optimizer: OptimizerOptions = MISSING
    schedule: ScheduleOptions = MISSING
    callbacks: CallbackOptions = MISSING
    logger: Any = None  # a node with `_target_`, a Lightning logger
    trainer: TrainerOptions = MISSING
    paths: PathOptions = MISSING
    monitor: MonitorOptions = field(default_factory=MonitorOptions)
    find_lr: RangeTestOptions = field(default_factory=RangeTestOptions)
    seed: int | None = 1
    test: bool | None = None  # null: outside sweeps
    resume: str | None = None  # the folder of a run, or auto
    retry: str | None = None  # failed
    dry_run: bool = False
    verify: bool = False
    keep_changes: bool = True
    trust: bool = False  # of a run that is loaded: import classes that its own config names
