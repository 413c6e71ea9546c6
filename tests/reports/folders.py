"""Creates run directories for tests."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

MONITOR = {"metric": "val/bleu", "mode": "max"}
ENVIRONMENT = {
    "python": "3.11.7",
    "versions": {"torch": "2.13.0"},
    "device": "cpu",
    "world_size": 1,
    "precision": "32-true",
    "git": {"revision": "0123456789abcdef", "diff": ""},
}


def make_run(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    overrides: tuple[str, ...] = (),
    status: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> Path:
    """Creates the directory of a run: finished, unless a status is given."""
    (folder / ".hydra").mkdir(parents=True)
    content = {"monitor": MONITOR, "paths": {"run": str(folder)}, **(config or {})}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    hydra = {"hydra": {"runtime": {"choices": {"hydra": "default", **(choices or {})}}}}
    (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(hydra))
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    write_json(folder / "status.json", status or {"status": "ok", "started": 1000.0, "written": 1090.0})
    write_json(folder / "env.json", {**ENVIRONMENT, **(environment or {})})
    if metrics is not None:
        write_json(folder / "metrics.json", metrics)
    return folder


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content))


def running() -> dict[str, Any]:
    """Status of a running run."""
    return {"status": "running", "started": time.time() - 60, "written": time.time() - 60}


def age(folder: Path, seconds: float) -> None:
    """Sets the modification times of a run directory this many seconds into the past."""
    then = time.time() - seconds
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


def rates(folder: Path, results: Mapping[tuple[float, int], float | None]) -> Path:
    """Creates a sweep of learning rates and seeds with their BLEU; None creates a failed job."""
    folder.mkdir(parents=True)
    (folder / "multirun.yaml").write_text("hydra: {}\n")
    failed = {"status": "failed", "started": 1000.0, "written": 1001.0, "why": "CUDA out\nof memory"}
    for number, ((rate, seed), bleu) in enumerate(results.items()):
        make_run(
            folder / str(number),
            {"seed": seed, "optimizer": {"lr": rate}, "data": {"seed": seed}},
            None if bleu is None else {"val/bleu": bleu, "val/loss": 1 / bleu, "note": "text"},
            overrides=(f"optimizer.lr={rate}", f"seed={seed}"),
            status=failed if bleu is None else None,
        )
    return folder
