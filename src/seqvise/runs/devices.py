"""Compares the devices that the `trainer` node requires with those of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqvise.config.options import TrainerOptions
from seqvise.config.overrides import split_override

GPUS = ("gpu", "cuda", "mps")
"""Values of `trainer.accelerator` that need a device."""
ALL = ("auto", -1, "-1")
"""Values of `trainer.devices` for all devices of the machine."""


def device_count(accelerator: str) -> int:
    """Number of devices of an accelerator that torch finds: those of CUDA or ROCm, or one of Metal."""
    import torch

    count = torch.cuda.device_count() if accelerator in ("gpu", "cuda") else 0
    return count or int(accelerator in ("gpu", "mps") and torch.backends.mps.is_available())


def devices_per_node(devices: Any) -> int | None:
    """Number of devices that `trainer.devices` names; None for all of the machine."""
    if devices in ALL:
        return None
    if isinstance(devices, str) and "," in devices:
        return len([part for part in devices.split(",") if part.strip()])
    return int(devices) if isinstance(devices, int | str) else len(devices)


def lacks_devices(trainer: TrainerOptions) -> bool:
    """Whether this machine has fewer devices than the `trainer` node requires."""
    return trainer.accelerator in GPUS and device_count(trainer.accelerator) < (devices_per_node(trainer.devices) or 1)


def missing_devices(trainer: TrainerOptions, overrides: Sequence[str] = ()) -> list[str]:
    """A message if this machine has fewer devices than the `trainer` node requires.

    Args:
        trainer: the `trainer` node.
        overrides: the overrides of the command line; the one that requires a device is named.
    """
    if not lacks_devices(trainer):
        return []
    if count := device_count(trainer.accelerator):
        return [
            f"trainer.devices is {trainer.devices}, but torch finds {count} on this machine (trainer.accelerator="
            f"{trainer.accelerator}): set trainer.devices={count}, or add dry_run=true to print the plan only."
        ]
    named = [text for text in overrides if split_override(text).name in ("trainer", "trainer.accelerator")]
    name = named[-1] if named else f"trainer.accelerator={trainer.accelerator}"
    kind = "an Apple GPU (Metal)" if trainer.accelerator == "mps" else "a GPU"
    several = trainer.strategy != "auto" or (devices_per_node(trainer.devices) or 1) > 1
    alternative = "trainer=ddp_cpu" if several else "trainer=cpu"
    return [f"{name} needs {kind}, but torch finds none on this machine; try {alternative}."]
