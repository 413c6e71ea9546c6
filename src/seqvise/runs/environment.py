"""What a run ran on: versions, device, and the state of the code."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seqvise.runs.versions import version_of

CPU_FACTS = Path("/proc/cpuinfo")
PACKAGES = ("seqvise", "torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "sacrebleu", "spacy")


def environment(trainer: pl.Trainer) -> dict[str, Any]:
    """Versions, device, processes, precision, and git revision with the changes since, for ``env.json``."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "processor": processor_name(),
        "device": device_name(trainer.strategy.root_device),
        "threads": torch.get_num_threads(),
        "world_size": trainer.world_size,
        "precision": str(trainer.precision),
        "git": {"revision": _git("rev-parse", "HEAD"), "diff": _git("diff", "HEAD")},
    }


def device_name(device: torch.device) -> str:
    """The device's kind, and for CUDA its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """The processor as the system names it; its architecture where it has no name."""
    told = CPU_FACTS.read_text(encoding="utf-8") if CPU_FACTS.is_file() else ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*words: str) -> str | None:
    """What git says of the folder that the run was started in; None where there is no git or no repository."""
    try:
        told = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return told.stdout.strip() if told.returncode == 0 else None
