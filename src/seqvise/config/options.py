"""Options of the trainer and of the folders, and the root of the config. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from seqvise.callbacks.options import CallbackOptions, RangeTestOptions
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.options import NODE, Options, Problem, at_least, one_of
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.vectors.options import VectorOptions

PRECISIONS = ("64-true", "32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed", "64", "32", "16", "bf16")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
PROFILERS = ("simple", "advanced", "pytorch")

BATCH_LIMITS = {
    "limit_train_batches": 1,
    "limit_val_batches": 0,
    "limit_test_batches": 0,
    "val_check_interval": 1,
}
"""Keys of the trainer whose value is a number of batches or a fraction of them, and the minimum number."""


@dataclass
class TrainerOptions(Options):
    """Arguments of Lightning's Trainer, and ``timeout``. Its logger, callbacks and sampler have nodes of their own."""

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
    timeout: float = 10.0  # minutes without a heartbeat from a process after which the job ends; not Lightning's
    arguments: dict[str, Any] = field(default_factory=dict)  # further arguments of the Trainer, keys of the node itself

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "num_nodes", "accumulate_grad_batches", "log_every_n_steps")
        yield from one_of(self, precision=PRECISIONS, accelerator=ACCELERATORS)
        if self.profiler is not None:
            yield from one_of(self, profiler=PROFILERS)
        if not 0 < self.timeout < math.inf:
            yield "timeout", f"is {self.timeout:g}, but must be a number of minutes above 0."
        if self.gradient_clip_val is not None and self.gradient_clip_val <= 0:
            yield "gradient_clip_val", f"is {self.gradient_clip_val}, but must be above 0, or null not to clip."
        if self.gradient_clip_algorithm not in (None, "norm", "value"):
            yield "gradient_clip_algorithm", f"is '{self.gradient_clip_algorithm}', but must be norm or value."
        if not _are_devices(self.devices):
            yield "devices", f"is {self.devices}, but must be a number from 1, a list of device numbers, -1 or auto."
        yield from self._validate_length()
        yield from self._validate_validation()

    def _validate_length(self) -> Iterator[Problem]:
        for name in ("max_epochs", "max_steps"):
            value = getattr(self, name)
            if value != -1 and value < 1:
                yield name, f"is {value}, but must be at least 1, or -1 for no limit."
        if self.max_epochs == -1 and self.max_steps == -1:
            yield (
                "max_epochs",
                f"is -1 and {NODE}.max_steps is -1, but the schedule needs an end of training: set {NODE}.max_steps to "
                f"the number of optimizer steps, or {NODE}.max_epochs to the number of epochs.",
            )
        if self.max_time is not None and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", self.max_time):
            yield "max_time", f"is '{self.max_time}', but must be days:hours:minutes:seconds, as in 00:02:30:00."
        for name, minimum in BATCH_LIMITS.items():
            value = getattr(self, name)
            if value is not None and not _is_batch_limit(value, minimum):
                yield name, f"is {value}, but must be a number of batches from {minimum}, or a fraction up to 1.0."

    def _validate_validation(self) -> Iterator[Problem]:
        every, interval = self.check_val_every_n_epoch, self.val_check_interval
        yield from at_least(self, 1, "check_val_every_n_epoch", null="to count batches across epochs")
        if every is None and (not isinstance(interval, int) or isinstance(interval, bool)):
            yield (
                "val_check_interval",
                f"is {interval}, but must be a number of batches with {NODE}.check_val_every_n_epoch=null, which "
                "counts them across epochs.",
            )


def _are_devices(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, int) and item >= 0 for item in value)
    if isinstance(value, str):
        return value == "auto" or (bool(re.fullmatch(r"-1|\d+(,\d+)*,?", value)) and value != "0")
    return isinstance(value, int) and not isinstance(value, bool) and (value >= 1 or value == -1)


def _is_batch_limit(value: Any, minimum: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value >= minimum if isinstance(value, int) else 0 <= value <= 1 and (value > 0 or minimum == 0)


@dataclass
class PathOptions(Options):
    """Folders that are read and written."""

    data: str = "data"
    outputs: str = "outputs"
    cache: str = "outputs/cache"
    run: str | None = None  # the run directory, set when the run starts


@dataclass
class Config(Options):
    """The whole config of a run."""

    data: Any = MISSING  # options of the kind of data
    tokenizer: TokenizerOptions = MISSING
    vectors: VectorOptions = MISSING
    model: Any = MISSING  # options of the model's class, or a dictionary for a class without options
    loss: LossOptions = field(default_factory=LossOptions)
    optimizer: OptimizerOptions = MISSING
    schedule: ScheduleOptions = MISSING
    callbacks: CallbackOptions = MISSING
    logger: Any = None  # a node with `_target_`, a Lightning logger
    trainer: TrainerOptions = MISSING
    paths: PathOptions = MISSING
    monitor: MonitorOptions = field(default_factory=MonitorOptions)
    metrics: list[str] = field(default_factory=list)  # dotted paths of functions of your own
    find_lr: RangeTestOptions = field(default_factory=RangeTestOptions)
    seed: int | None = 1
    test: bool | None = None  # null: true outside sweeps
    resume: str | None = None  # a run directory, or auto
    retry: str | None = None  # failed
    dry_run: bool = False
    verify: bool = False
    keep_changes: bool = True
    trust: bool = False  # import classes that the config of a loaded run names

    def validate(self) -> Iterator[Problem]:
        if self.seed is not None and not 0 <= self.seed < 2**32:
            yield "seed", f"is {self.seed}, but must be at least 0 and below 2**32, or null for a new one each run."
        if self.retry not in (None, "failed"):
            yield "retry", f"is '{self.retry}', but must be failed, for the jobs of a sweep that failed, or null."
