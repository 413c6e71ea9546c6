"""What a run ran on: versions, device, and the state of the code."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.config.keys import flatten, is_filled
from seqvise.config.options import Config
from seqvise.config.schema import content
from seqvise.files import digest

if TYPE_CHECKING:
    import pytorch_lightning as pl
    import torch


ENVIRONMENT = "env.json"
OURS = ("seqvise",)
COMPUTING = ("seqvise", "torch", "pytorch-lightning", "numpy")
SHOWN = 8
"""New keys told at most."""


def version_of(package: str) -> str | None:
    """The installed version; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def other_versions(folder: Path, packages: Sequence[str] = OURS) -> str:
    """For example ``seqvise 0.0.9 (here 0.1.0)``: the packages of which a run had another version.

    Empty where there are none, or where the run does not say.
    """
    try:
        had = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["versions"]
        pairs = [(name, had.get(name), version_of(name)) for name in packages]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name} {old or 'absent'} (here {new or 'absent'})" for name, old, new in pairs if old != new)


def new_keys(saved: DictConfig, config: Config) -> str:
    """For example ``data.prepare_workers=None``: what a run's config did not say, and now is a choice."""
    former = cast(dict[str, Any], OmegaConf.to_container(saved))
    before = {".".join(key) for key, _ in flatten(former, is_filled)}
    now = {".".join(key): value for key, value in flatten(content(config), is_filled)}
    found = [f"{key}={value}" for key, value in now.items() if not _has(before, key)]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*found[:SHOWN], *more])


def _has(keys: set[str], key: str) -> bool:
    """Whether a key is there, or a node of it was an empty one or null."""
    places = key.split(".")
    return any(".".join(places[: end + 1]) in keys for end in range(len(places)))


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
    import torch

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
    import torch

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
