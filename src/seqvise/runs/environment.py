"""The environment of a run: versions, device and state of the code."""

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

from seqvise.config.options import Config
from seqvise.config.schema import content
from seqvise.files import digest

if TYPE_CHECKING:
    import pytorch_lightning as pl
    import torch


ENVIRONMENT = "env.json"
SEQVISE = ("seqvise",)
NUMERIC_PACKAGES = ("seqvise", "torch", "pytorch-lightning", "numpy")
MAX_NEW_KEYS = 8
"""Maximum number of new keys in a message."""


def version_of(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def other_versions(folder: Path, packages: Sequence[str] = SEQVISE) -> str:
    """The packages whose version differs from the run's, e.g. ``seqvise 0.0.9 (here 0.1.0)``.

    Empty if there are none, or if the run has not recorded its versions.
    """
    try:
        run_versions = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["versions"]
        pairs = [(name, run_versions.get(name), version_of(name)) for name in packages]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name} {old or 'absent'} (here {new or 'absent'})" for name, old, new in pairs if old != new)


def new_keys(saved: DictConfig, config: Config) -> str:
    """Keys that a run's config does not have yet, with their defaults, e.g. ``data.prepare_workers=None``."""
    before, now = set(_leaves(OmegaConf.to_container(saved))), _leaves(content(config))
    new = [f"{key}={value}" for key, value in now.items() if not _has(before, key)]
    more = [f"and {len(new) - MAX_NEW_KEYS} more"] if len(new) > MAX_NEW_KEYS else []
    return ", ".join([*new[:MAX_NEW_KEYS], *more])


def _has(keys: set[str], key: str) -> bool:
    """Whether a key exists, or one of its parent nodes is empty or null."""
    names = key.split(".")
    return any(".".join(names[: end + 1]) in keys for end in range(len(names)))


def _leaves(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {path: node}
    leaves: dict[str, Any] = {}
    for name, value in cast(dict[str, Any], node).items():
        leaves |= _leaves(value, f"{path}.{name}" if path else str(name))
    return leaves


CPU_INFO = Path("/proc/cpuinfo")
CODE_PATTERNS = ("*.py", "*.yaml", "*.yml")
"""Git patterns of a run's code and config files."""
MAX_NEW_FILES = 200
"""Maximum number of untracked files that are read."""
PACKAGES = ("seqvise", "torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "sacrebleu", "spacy")


@dataclass(frozen=True)
class CodeChanges:
    """The uncommitted changes of the code.

    Attributes:
        text: the diff to the revision, and a line with a digest for each new Python or YAML file. None without git.
        names: the changed and new files.
    """

    text: str | None
    names: tuple[str, ...] = ()

    @property
    def hash(self) -> str | None:
        """Hash of the text as 12 hexadecimal digits; empty if there are no changes."""
        return self.text and digest(self.text)

    @property
    def file(self) -> str:
        """The name of the file for the text."""
        return f"changes-{self.hash}.diff"


def environment(trainer: pl.Trainer, changes: CodeChanges) -> dict[str, Any]:
    """Versions, device, processes, precision, and the git revision with the names and hash of uncommitted changes."""
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
    """The device type or, for CUDA, the name of the GPU."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """The processor's model name, or its architecture if the system has no name for it."""
    cpu_info = CPU_INFO.read_text(encoding="utf-8") if CPU_INFO.is_file() else ""
    names = [line.partition(":")[2].strip() for line in cpu_info.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def code_changes() -> CodeChanges:
    """The uncommitted changes of the code in the working directory."""
    diff = _git("diff", "HEAD")
    if diff is None:
        return CodeChanges(None)
    changed = (_git("diff", "HEAD", "--name-only", "-z") or "").split("\0")
    new = (_git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE_PATTERNS) or "").split("\0")
    # More files are not the run's code, but an environment or a download that is missing in .gitignore.
    files = [Path(name) for name in new[:MAX_NEW_FILES] if name and Path(name).is_file()]
    lines = [f"?? {file} {digest(file.read_text(encoding='utf-8', errors='replace'))}" for file in files]
    names = [*(name for name in changed if name), *map(str, files)]
    return CodeChanges("\n".join([diff, *lines]).strip(), tuple(names))


def _git(*arguments: str) -> str | None:
    """The output of git in the working directory; None without git or a repository."""
    try:
        process = subprocess.run(["git", *arguments], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
