"""What a run was made with, beside what is here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.config.options import Config
from seqvise.config.schema import content

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
    before, now = set(_leaves(OmegaConf.to_container(saved))), _leaves(content(config))
    found = [f"{key}={value}" for key, value in now.items() if not _has(before, key)]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*found[:SHOWN], *more])


def _has(keys: set[str], key: str) -> bool:
    """Whether a key is there, or a node of it was an empty one or null."""
    places = key.split(".")
    return any(".".join(places[: end + 1]) in keys for end in range(len(places)))


def _leaves(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {path: node}
    found: dict[str, Any] = {}
    for name, value in cast(dict[str, Any], node).items():
        found |= _leaves(value, f"{path}.{name}" if path else str(name))
    return found
