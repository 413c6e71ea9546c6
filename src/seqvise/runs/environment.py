"""What a run ran on: versions, device, and the state of the code."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytorch_lightning as pl
import torch

PACKAGES = ("seqvise", "torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "sacrebleu", "spacy")


def environment(trainer: pl.Trainer) -> dict[str, Any]:
    """Versions, device, processes, precision, and git revision with the changes since, for ``env.json``."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "device": device_name(trainer.strategy.root_device),
        "threads": torch.get_num_threads(),
        "world_size": trainer.world_size,
        "precision": str(trainer.precision),
        "git": {"revision": _git("rev-parse", "HEAD"), "diff": _git("diff", "HEAD")},
    }


def device_name(device: torch.device) -> str:
    """The device's kind, and for CUDA its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*words: str) -> str | None:
    """What git says of the folder that the run was started in; None where there is no git or no repository."""
    try:
        told = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return told.stdout.strip() if told.returncode == 0 else None
