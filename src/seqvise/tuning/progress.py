"""Reads the run of a trial: the monitored metric after each validation, the result, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqvise.moved import current_metrics
from seqvise.runs.directory import PROGRESS, read_metrics, read_status


def progress(folder: Path, metric: str) -> list[float]:
    """A metric after each validation so far.

    A validation repeated after a kill counts once, with its later value. The last line may be incomplete.
    """
    scores: dict[int, float] = {}
    for line in _lines(folder / PROGRESS):
        value = current_metrics(line).get(metric)
        if isinstance(value, int | float) and isinstance(line.get("step"), int):
            scores[line["step"]] = float(value)
    return list(scores.values())


def result(folder: Path, metric: str) -> float | None:
    """A metric of a finished run; None for any other run."""
    if read_status(folder).get("status") != "ok":
        return None
    value = read_metrics(folder).get(metric)
    return float(value) if isinstance(value, int | float) else None


def failure_reason(folder: Path, log: Path) -> str:
    """Why a run failed, in one line: the reason in its status, or else the last line of its output."""
    reason = str(read_status(folder).get("why", ""))
    if not reason and log.is_file():
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        reason = lines[-1] if lines else ""
    return " ".join(reason.removeprefix("seqvise: ").split())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content
