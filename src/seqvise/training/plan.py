"""The plan of a dry run: what would be trained, where, in how many steps, and how long it would take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from typing_extensions import override

from seqvise.callbacks.banner import TrainingPlan, banner, training_plan
from seqvise.callbacks.hooks import callbacks_of
from seqvise.callbacks.schedule import ScheduleCallback
from seqvise.config.options import Config, TrainerOptions
from seqvise.config.overrides import split_override
from seqvise.errors import UserError
from seqvise.runs.devices import GPUS, device_count, devices_per_node, lacks_devices
from seqvise.training.build import TrainingJob

TIMED_STEPS = 5
"""Steps that are timed, after a first one that is not."""
TIMED_SECONDS = 3.0
"""Seconds after which no further step is timed."""
WIDTHS = {"bf16-true": 0.5, "16-true": 0.5, "64-true": 2.0}
"""Precision -> size of a parameter, in comparison with float32."""


@dataclass(frozen=True)
class Timing:
    """Mean seconds of a step, and the peak memory in bytes; None where it is not measured."""

    steps: int
    seconds: float
    memory: int | None


def for_this_machine(config: Config) -> Config:
    """The config of a dry run: if this machine lacks the devices, it has CPU processes instead.

    Trainer and batches are then built as for the requested number of devices.
    """
    trainer = config.trainer
    if not lacks_devices(trainer):
        return config
    devices = devices_per_node(trainer.devices) or 1
    strategy = "ddp" if devices * trainer.num_nodes > 1 else "auto"
    stand_in = replace(trainer, accelerator="cpu", devices=devices, strategy=strategy, precision="32-true")
    return replace(config, trainer=stand_in)


def show_plan(job: TrainingJob, config: Config) -> None:
    """Prints the plan of a training without starting it. A few steps are timed.

    Args:
        job: built with the config that ``for_this_machine`` returns.
        config: the config of the dry run.

    Raises:
        UserError: a schedule does not fit into training.
    """
    plan = _plan(job, config)
    schedules = [callback for callback in callbacks_of(job.trainer) if isinstance(callback, ScheduleCallback)]
    messages = [message for schedule in schedules for message in schedule.overruns(plan.horizon)]
    if messages and not job.trainer.fast_dev_run:  # type: ignore[attr-defined]
        raise UserError(*messages)
    print(banner(plan, list(_subject(config, plan)), list(_cost(job, config, plan))))


def _plan(job: TrainingJob, config: Config) -> TrainingPlan:
    configured = cast(Any, job.parts.task.configure_optimizers())
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    job.parts.data.trainer = job.trainer  # the batches are divided among its ranks
    plan = training_plan(job.trainer, job.parts.task, job.parts.data.train_dataloader(), optimizer)
    # The parameters are converted when training starts.
    plan = replace(plan, bytes=round(plan.bytes * WIDTHS.get(config.trainer.precision, 1.0)))
    if not lacks_devices(config.trainer):
        return plan
    count = device_count(config.trainer.accelerator)
    device = f"{config.trainer.accelerator}; this machine has {count or 'none'}, and makes the plan on the CPU"
    return replace(plan, device=device, precision=config.trainer.precision)


def _subject(config: Config, plan: TrainingPlan) -> Iterator[tuple[str, str]]:
    """Names of the experiment, the model and the data, the strategy, and the run directory."""
    choices = dict(HydraConfig.get().runtime.choices) if HydraConfig.initialized() else {}
    if experiment := choices.get("experiment"):
        yield "experiment", str(experiment)
    class_name = str(getattr(config.model, "_target_", "")).rpartition(".")[2]
    yield "model", str(choices.get("model") or class_name)
    root = f" in {config.data.root}" if config.data.root else ""
    yield "data", f"{choices.get('data') or config.data.kind}{root}"
    yield "strategy", _strategy(config.trainer, plan.world)
    yield "folder", _folder(config, choices)


def _strategy(trainer: TrainerOptions, world: int) -> str:
    name = trainer.strategy if isinstance(trainer.strategy, str) else str(trainer.strategy.get("_target_"))
    if world == 1:
        count = "one process"
    else:
        nodes = f" on {trainer.num_nodes} machines" if trainer.num_nodes > 1 else ""
        count = f"{world} processes{nodes}, each with one device"
    everything = devices_per_node(trainer.devices) is None and lacks_devices(trainer)
    hint = f" (trainer.devices={trainer.devices}: set a number to plan for more)" if everything else ""
    return f"{name}, {count}{hint}"


def _folder(config: Config, choices: dict[str, Any]) -> str:
    """The run directory of the training, which a dry run does not create."""
    if not HydraConfig.initialized():
        return str(config.paths.run)
    hydra = HydraConfig.get()
    if not OmegaConf.is_missing(hydra.job, "num"):
        return f"{hydra.job.num} in the sweep's folder (hydra.sweep.dir)"
    overrides = [split_override(text) for text in hydra.overrides.hydra]
    chosen = [parts.value.strip("'\"") for parts in overrides if parts.name == "hydra.run.dir"]
    if len(chosen) > 1:  # the last one is the temporary folder of the dry run
        return chosen[-2]
    name = choices.get("experiment") or choices.get("model")
    return f"{config.paths.outputs}/runs/{name}/DATE_TIME"


def _cost(job: TrainingJob, config: Config, plan: TrainingPlan) -> Iterator[tuple[str, str]]:
    """The time of the training, and the peak memory, as far as they can be measured here."""
    timing = _timing(job, config)
    if isinstance(timing, str):
        yield "time", f"not estimated: {timing}"
        return
    if timing.memory is not None:
        yield "peak memory", f"{timing.memory / 2**20:,.0f} MiB, measured in {timing.steps} steps on one device"
    epoch, total = (_duration(timing.seconds * steps) for steps in (plan.steps_per_epoch, plan.horizon.steps))
    without = "validation" if plan.world == 1 else "validation and communication between processes"
    measured = f"{timing.seconds:.3g} s per step, the mean of {timing.steps}"
    yield "time", f"about {epoch} per epoch, {total} in total, without {without} ({measured})"


def _timing(job: TrainingJob, config: Config) -> Timing | str:
    """Times a few steps on one device; the reason if that is not possible."""
    trainer = config.trainer
    if lacks_devices(trainer):
        return "no step can be timed without the devices."
    if trainer.fast_dev_run or trainer.profiler:
        return "a debug run is not timed."
    timer = StepTimer()
    try:
        _one_device(trainer, timer).fit(job.parts.task, job.parts.data)
    except Exception as error:  # a plan is printed anyway; running out of memory is worth knowing
        return f"a training step failed here: {' '.join(str(error).split())[:200]}"
    return timer.result() or "training ended before a step could be timed."


def _one_device(trainer: TrainerOptions, timer: StepTimer) -> pl.Trainer:
    """A trainer of a few steps on one device, that writes nothing."""
    first = trainer.devices[:1] if isinstance(trainer.devices, list) and trainer.accelerator in GPUS else 1
    return pl.Trainer(
        accelerator=trainer.accelerator,
        devices=first,
        precision=cast(Any, trainer.precision),
        gradient_clip_val=trainer.gradient_clip_val,
        gradient_clip_algorithm=trainer.gradient_clip_algorithm,
        accumulate_grad_batches=trainer.accumulate_grad_batches,
        limit_train_batches=trainer.limit_train_batches,
        max_epochs=-1,
        max_steps=TIMED_STEPS + 1,
        limit_val_batches=0,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


class StepTimer(pl.Callback):
    """Records when optimizer steps end, and stops training after ``TIMED_SECONDS``."""

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._memory: int | None = None

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Records the time if the batch ended a step."""
        if trainer.global_step == len(self._ends):
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
            self._memory = torch.cuda.max_memory_allocated(pl_module.device)
        self._ends.append(time.perf_counter())
        trainer.should_stop = len(self._ends) > 1 and self._ends[-1] - self._ends[0] > TIMED_SECONDS

    def result(self) -> Timing | None:
        """The mean of the steps but for the first; None if there was only one."""
        steps = len(self._ends) - 1
        return Timing(steps, (self._ends[-1] - self._ends[0]) / steps, self._memory) if steps > 0 else None


def _duration(seconds: float) -> str:
    """Seconds as readable text, with two units at most."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
