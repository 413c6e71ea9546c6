"""What a run directory says of itself, read without torch and without refusing anything."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from seqvise.checksums import FILES, SEAL
from seqvise.config.formats import upgrade
from seqvise.errors import UserError
from seqvise.runs.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, METRICS, STATUS
from seqvise.runs.integrity import run_changes

log = logging.getLogger(__name__)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HYDRA, OVERRIDES = ".hydra/hydra.yaml", ".hydra/overrides.yaml"
SHAPELESS = ("resume", "trust", "paths.")
"""Keys that do not shape the result: a run that goes on ends as one that was left alone."""
MARKS = (CONFIG, STATUS, ".hydra")
QUIET = 30 * 60
"""Seconds after which a run that says ``running`` and writes nothing is taken for killed."""

Value = bool | int | float | str | None
ABSENT = "–"
"""Stands for a key that a job does not have."""


@dataclass(frozen=True)
class Job:
    """A run, of a sweep or alone.

    Attributes:
        path: its directory.
        settings: the choices of config groups, as ``model: rnn``, and every value by its full key; empty without a
            config.
        choices: the config groups among them.
        overrides: what the command line changed, key and text.
        status: content of ``status.json``.
        metrics: content of ``metrics.json``.
        environment: content of ``env.json``.
        messages: a sentence about each file that cannot be read.
        written: when a file of it was last written, in seconds since 1970.
    """

    path: Path
    settings: Mapping[str, Value] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    written: float = 0.0

    @property
    def name(self) -> str:
        """Sweep and number, or the last two folders of a run's path."""
        return "/".join(self.path.absolute().parts[-2:])

    def state(self, now: float | None = None) -> str:
        """``ok``, ``failed``, ``interrupted``, ``running``, ``killed`` (says running, but is silent), ``unreadable``
        or ``never started``. now: the time; null: the clock's."""
        if self.messages:
            return "unreadable"
        said = str(self.status.get("status", "never started"))
        if said == "failed" and self.status.get("interrupted"):
            return "interrupted"
        silent = (time.time() if now is None else now) - self.written
        return "killed" if said == "running" and silent > QUIET else said

    def reason(self, now: float | None = None) -> str:
        """Why it is no result, in one line; empty for a run that is done."""
        state = self.state(now)
        if state == "unreadable":
            return " ".join(self.messages)
        if state == "killed":
            silent = (time.time() if now is None else now) - self.written
            return f"says running, but wrote nothing for {duration(silent)}"
        return " ".join(str(self.status.get("why", "")).split())

    def number(self, metric: str) -> float | None:
        """A metric of a run that is done; None where it has none of that name, or it is no number."""
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
    def seconds(self) -> float | None:
        """From the start to the end, or to the last sign of life."""
        start, end = self.status.get("started"), self.status.get("written")
        if not isinstance(start, int | float) or not isinstance(end, int | float):
            return None
        return max(self.written if self.status.get("status") == "running" else end, start) - start


def is_run(folder: Path) -> bool:
    """Whether a folder is a run directory, or was made to be one."""
    return any((folder / name).exists() for name in MARKS)


def read_job(folder: Path) -> Job:
    """Reads a run directory; what cannot be read is among its problems."""
    problems: list[str] = []
    config = _config(folder / CONFIG, problems)
    hydra = _node(_read(folder / HYDRA, problems), "hydra", "runtime", "choices")
    choices = {str(name): str(value) for name, value in hydra.items() if _is_choice(str(name))}
    flat = dict(_flatten(config))
    here = flat.get("paths.run")
    shaping = {name: value for name, value in flat.items() if not name.startswith(SHAPELESS)}
    settings = {name: _portable(value, here) for name, value in shaping.items()}
    words = _read(folder / OVERRIDES, problems, list)
    return Job(
        path=folder,
        settings={**settings, **choices} if config else {},
        choices=choices,
        overrides=dict(_override(str(word)) for word in words if not config or _is_read(str(word), settings, choices)),
        status=_status(folder, problems),
        metrics=_read(folder / METRICS, problems),
        environment=_read(folder / ENVIRONMENT, problems),
        messages=tuple(problems),
        written=_last_written(folder),
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: 48 s, 2 min 20 s, 3 h 12 min, 2 d 4 h."""
    whole = round(seconds)
    for unit, below, size in (("d", "h", 86400), ("h", "min", 3600), ("min", "s", 60)):
        if whole >= size:
            rest = whole % size // {"h": 3600, "min": 60, "s": 1}[below]
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def _read(path: Path, problems: list[str], kind: type[Any] = dict) -> Any:
    """A JSON or YAML file's content; empty where there is none, or it is not right, which becomes a problem."""
    if not path.is_file():
        return kind()
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, LOADER)
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path} cannot be read: {' '.join(str(error).split())}.")
        return kind()
    if not isinstance(content, kind):
        problems.append(f"{path} does not hold {'a list' if kind is list else 'names and values'}.")
        return kind()
    return content


def _status(folder: Path, problems: list[str]) -> dict[str, Any]:
    """The content of ``status.json``. What does not match a checksum is logged: it may have been edited."""
    content = _read(folder / STATUS, problems)
    for message in run_changes(folder, content):
        log.warning("%s", message)
    return {key: value for key, value in content.items() if key not in (FILES, SEAL)}


def _config(path: Path, problems: list[str]) -> dict[str, Any]:
    content: dict[str, Any] = _read(path, problems)
    try:
        if content:
            upgrade(content, path)
    except UserError as error:
        problems.extend(error.messages)
    return content


def _node(content: Any, *names: str) -> dict[str, Any]:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return cast(dict[str, Any], content) if isinstance(content, dict) else {}


def _is_choice(group: str) -> bool:
    return not group.startswith("hydra") and group not in ("local", "paths", "debug")


def _flatten(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, Value) else json.dumps(value, default=str)


def _portable(value: Value, here: Value) -> Value:
    """A value without the run's own folder, which is another in each job."""
    return value.replace(here, "RUN") if isinstance(value, str) and isinstance(here, str) and here else value


def _is_read(word: str, settings: Mapping[str, Value], choices: Mapping[str, str]) -> bool:
    """Whether the config has a key that the command line added. Earlier revisions took any, and ignored it."""
    name, _ = _override(word)
    there = (*settings, *choices, *SHAPELESS)
    return word[:1] != "+" or any(key == name or key.startswith(f"{name}.") for key in there)


def _override(word: str) -> tuple[str, str]:
    name, _, value = word.lstrip("+~").partition("=")
    return name, value


def _last_written(folder: Path) -> float:
    files = [folder, *folder.glob("*"), *(folder / CHECKPOINTS).glob("*")]
    return max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
