"""Reads run directories without torch; unreadable files become errors of the job."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from seqvise.checksums import FILES, SEAL
from seqvise.config.formats import upgrade
from seqvise.config.keys import flatten
from seqvise.config.overrides import split_override
from seqvise.errors import UserError
from seqvise.moved import current_metric, current_metrics
from seqvise.runs.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, METRICS, STATUS
from seqvise.runs.integrity import run_changes
from seqvise.tasks.options import metric_names

log = logging.getLogger(__name__)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HYDRA, OVERRIDES = ".hydra/hydra.yaml", ".hydra/overrides.yaml"
RESULT_NEUTRAL = ("resume", "trust", "paths.")
"""Keys that do not affect results: a resumed run gives the results of an uninterrupted one."""
MARKS = (CONFIG, STATUS, ".hydra")
SILENT_SECONDS = 30 * 60
"""Seconds after which a run with status ``running`` that writes nothing counts as killed."""

Value = bool | int | float | str | None
ABSENT = "–"
"""Value of a key that a job lacks."""


@dataclass(frozen=True)
class Job:
    """A run, alone or as a job of a sweep.

    Attributes:
        settings: config group choices, as ``model: rnn``, and all values by full key; empty without a config.
        choices: the config group choices among the settings.
        overrides: key -> text of each override of the command line.
        errors: one sentence for each file that cannot be read.
        written: time of the last change to its files, in seconds since 1970.
    """

    path: Path
    settings: Mapping[str, Value] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    written: float = 0.0

    @property
    def name(self) -> str:
        """Sweep and number, or the last two folders of a run's path."""
        return "/".join(self.path.absolute().parts[-2:])

    def state(self, now: float | None = None) -> str:
        """``ok``, ``failed``, ``interrupted``, ``running``, ``killed`` (status running, but silent), ``unreadable``
        or ``never started``. now: current time; None for that of the clock."""
        if self.errors:
            return "unreadable"
        recorded = str(self.status.get("status", "never started"))
        if recorded == "failed" and self.status.get("interrupted"):
            return "interrupted"
        silent = (time.time() if now is None else now) - self.written
        return "killed" if recorded == "running" and silent > SILENT_SECONDS else recorded

    def reason(self, now: float | None = None) -> str:
        """Why the run has no result, in one line; empty for a finished run."""
        state = self.state(now)
        if state == "unreadable":
            return " ".join(self.errors)
        if state == "killed":
            silent = (time.time() if now is None else now) - self.written
            return f"status is running, but nothing was written for {duration(silent)}"
        return " ".join(str(self.status.get("why", "")).split())

    def number(self, metric: str) -> float | None:
        """A metric of a finished run; None if it is missing or not a number."""
        value = self.metrics.get(metric)
        if self.state() != "ok" or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)

    @property
    def monitored(self) -> tuple[str, str] | None:
        """The monitored metric and its mode."""
        metric, mode = (self.settings.get(f"monitor.{name}") for name in ("metric", "mode"))
        return (str(metric), str(mode)) if metric and mode else None

    @property
    def own_metrics(self) -> list[str]:
        """Names of the metrics that `metrics` of the config names."""
        return metric_names(json.loads(str(self.settings.get("metrics", "[]"))))

    @property
    def seconds(self) -> float | None:
        """Seconds from the start to the end, or to the last change to its files."""
        start, end = self.status.get("started"), self.status.get("written")
        if not isinstance(start, int | float) or not isinstance(end, int | float):
            return None
        return max(self.written if self.status.get("status") == "running" else end, start) - start


def is_run(folder: Path) -> bool:
    """Whether a folder is a run directory, or was created as one."""
    return any((folder / name).exists() for name in MARKS)


def read_job(folder: Path) -> Job:
    """Reads a run directory; unreadable files become errors of the job."""
    errors: list[str] = []
    config = _config(folder / CONFIG, errors)
    hydra = _node(_read(folder / HYDRA, errors), "hydra", "runtime", "choices")
    choices = {str(name): str(value) for name, value in hydra.items() if _is_choice(str(name))}
    flat = {".".join(key): _plain(value) for key, value in flatten(config)}
    run_folder = flat.get("paths.run")
    relevant = {name: value for name, value in flat.items() if not name.startswith(RESULT_NEUTRAL)}
    settings = {name: _portable(value, run_folder) for name, value in relevant.items()}
    overrides = list(map(str, _read(folder / OVERRIDES, errors, list)))
    return Job(
        path=folder,
        settings={**settings, **choices} if config else {},
        choices=choices,
        overrides=dict(_override(item) for item in overrides if not config or _is_used(item, settings, choices)),
        status=_status(folder, errors),
        metrics=current_metrics(_read(folder / METRICS, errors)),
        environment=_read(folder / ENVIRONMENT, errors),
        errors=tuple(errors),
        written=_last_written(folder),
    )


def duration(seconds: float) -> str:
    """Seconds as readable text: 48 s, 2 min 20 s, 3 h 12 min, 2 d 4 h."""
    whole = round(seconds)
    for unit, below, size in (("d", "h", 86400), ("h", "min", 3600), ("min", "s", 60)):
        if whole >= size:
            rest = whole % size // {"h": 3600, "min": 60, "s": 1}[below]
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def _read(path: Path, errors: list[str], content_type: type[Any] = dict) -> Any:
    """Content of a JSON or YAML file; empty if there is no file, or it is invalid, which is added to the errors."""
    if not path.is_file():
        return content_type()
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, LOADER)
    except (OSError, ValueError, yaml.YAMLError) as error:
        errors.append(f"{path} cannot be read: {' '.join(str(error).split())}.")
        return content_type()
    if not isinstance(content, content_type):
        errors.append(f"{path} does not contain {'a list' if content_type is list else 'names and values'}.")
        return content_type()
    return content


def _status(folder: Path, errors: list[str]) -> dict[str, Any]:
    """Content of ``status.json``. Logs files that do not match their checksum: they may have been edited."""
    content = _read(folder / STATUS, errors)
    for message in run_changes(folder, content):
        log.warning("%s", message)
    return {key: value for key, value in content.items() if key not in (FILES, SEAL)}


def _config(path: Path, errors: list[str]) -> dict[str, Any]:
    content: dict[str, Any] = _read(path, errors)
    try:
        if content:
            upgrade(content, path)
    except UserError as error:
        errors.extend(error.messages)
    return content


def _node(content: Any, *names: str) -> dict[str, Any]:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return cast(dict[str, Any], content) if isinstance(content, dict) else {}


def _is_choice(group: str) -> bool:
    return not group.startswith("hydra") and group not in ("local", "paths", "debug")


def _plain(value: Any) -> Value:
    return value if isinstance(value, Value) else json.dumps(value, default=str)


def _portable(value: Value, run_folder: Value) -> Value:
    """A value without the run's folder, which differs between jobs."""
    has_folder = isinstance(value, str) and isinstance(run_folder, str) and run_folder
    return str(value).replace(str(run_folder), "RUN") if has_folder else value


def _is_used(item: str, settings: Mapping[str, Value], choices: Mapping[str, str]) -> bool:
    """Whether the config has a key that the command line added. Earlier revisions accepted and ignored any key."""
    name, _ = _override(item)
    known = (*settings, *choices, *RESULT_NEUTRAL)
    return item[:1] != "+" or any(key == name or key.startswith(f"{name}.") for key in known)


def _override(word: str) -> tuple[str, str]:
    parts = split_override(word)
    return parts.target, current_metric(parts.value)


def _last_written(folder: Path) -> float:
    files = [folder, *folder.glob("*"), *(folder / CHECKPOINTS).glob("*")]
    return max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
