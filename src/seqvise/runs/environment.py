"""What a run ran on: versions, device, and the state of the code."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seqvise.files import digest
from seqvise.runs.versions import version_of

CPU_FACTS = Path("/proc/cpuinfo")
SHAPING = ("*.py", "*.yaml", "*.yml")
"""Files by which a run's code and config are made, as git matches names."""
MOST_NEW = 200
"""Such files that are read at most."""
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
        "git": {"revision": _git("rev-parse", "HEAD"), "diff": _changes()},
    }


def device_name(device: torch.device) -> str:
    """The device's kind, and for CUDA its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """The processor as the system names it; its architecture where it has no name."""
    told = CPU_FACTS.read_text(encoding="utf-8") if CPU_FACTS.is_file() else ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _changes() -> str | None:
    """The difference to the revision; of Python and YAML files that git does not know, a line each with a digest."""
    diff = _git("diff", "HEAD")
    if diff is None:
        return None
    new = (_git("ls-files", "--others", "--exclude-standard", "-z", "--", *SHAPING) or "").split("\0")
    # More are no code of the run's, but an environment or a download that git was not told to pass over.
    files = [Path(name) for name in new[:MOST_NEW] if name]
    told = [
        f"?? {file} {digest(file.read_text(encoding='utf-8', errors='replace'))}" for file in files if file.is_file()
    ]
    return "\n".join([diff, *told]).strip()


def _git(*words: str) -> str | None:
    """What git says of the folder that the run was started in; None where there is no git or no repository."""
    try:
        told = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return told.stdout.strip() if told.returncode == 0 else None
