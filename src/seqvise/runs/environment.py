"""What a run ran on: versions, device, and the state of the code."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class CodeChanges:
    """What the code has beside its git revision.

    Attributes:
        text: the difference to the revision; of new Python and YAML files a line each with a digest. None without git.
        names: the changed and the new files.
    """

    text: str | None
    names: tuple[str, ...] = ()

    @property
    def hash(self) -> str | None:
        """Of the text, as 12 hexadecimal digits; empty where there are no changes."""
        return self.text and digest(self.text)

    @property
    def file(self) -> str:
        """Name of the file for the text."""
        return f"changes-{self.hash}.diff"


def environment(trainer: pl.Trainer, changes: CodeChanges) -> dict[str, Any]:
    """Versions, device, processes, precision, and git revision with names and hash of the changes since."""
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
        "git": {"revision": _git("rev-parse", "HEAD"), "files": list(changes.names), "changes": changes.hash},
    }


def device_name(device: torch.device) -> str:
    """The device's kind, and for CUDA its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """The processor as the system names it; its architecture where it has no name."""
    told = CPU_FACTS.read_text(encoding="utf-8") if CPU_FACTS.is_file() else ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def code_changes() -> CodeChanges:
    """Uncommitted changes of the code in the folder that the run was started in."""
    diff = _git("diff", "HEAD")
    if diff is None:
        return CodeChanges(None)
    changed = (_git("diff", "HEAD", "--name-only", "-z") or "").split("\0")
    new = (_git("ls-files", "--others", "--exclude-standard", "-z", "--", *SHAPING) or "").split("\0")
    # More are no code of the run's, but an environment or a download that git was not told to pass over.
    files = [Path(name) for name in new[:MOST_NEW] if name and Path(name).is_file()]
    lines = [f"?? {file} {digest(file.read_text(encoding='utf-8', errors='replace'))}" for file in files]
    names = [*(name for name in changed if name), *map(str, files)]
    return CodeChanges("\n".join([diff, *lines]).strip(), tuple(names))


def _git(*words: str) -> str | None:
    """What git says of the folder that the run was started in; None where there is no git or no repository."""
    try:
        told = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return told.stdout.strip() if told.returncode == 0 else None
