"""From a run directory to a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from results.curves import read_curves
from results.images import is_of_images
from results.overrides import TRAIN, command, of_data, of_run, shown
from results.record import Record, read_object, rounded_metrics
from seqvise.errors import UserError

CHOICES = "hydra.runtime.choices"


@dataclass(frozen=True)
class Folder:
    """The files of a run directory that a result is made of."""

    path: Path

    def json(self, name: str) -> dict[str, Any]:
        """One of its JSON files."""
        return read_object(self.path / name)

    def yaml(self, name: str, key: str = "") -> Any:
        """One of its YAML files, or the node at ``key`` of it; a node that is not there is None.

        Raises:
            UserError: there is no such file, or it is not YAML.
        """
        file = self.path / name
        try:
            content = OmegaConf.load(file)
            return OmegaConf.select(content, key) if key else content
        except FileNotFoundError:
            raise UserError(f"{file} is missing.") from None
        except (OmegaConfBaseException, YAMLError) as error:
            raise UserError(f"{file} cannot be read: {error}.") from error


def read_run(path: Path, note: str | None = None) -> Record:
    """The record of a finished run.

    Raises:
        UserError: it is not a run directory, or the run is not finished, or it has measured nothing.
    """
    folder = Folder(path)
    status = _finished(folder)
    metrics = _measured(folder)
    environment = folder.json("env.json")
    overrides = shown([str(word) for word in folder.yaml(".hydra/overrides.yaml")])
    experiment = _experiment(folder)
    return Record(
        experiment=experiment,
        dataset=" ".join([_data(folder), *of_data(overrides)]),
        overrides=of_run(overrides, experiment),
        command=command(overrides, str(metrics.pop("command", TRAIN))),
        seed=int(folder.yaml("config.yaml", "seed")),
        **code_of(environment),
        date=day_of(status["started"]),
        device=str(metrics.get("device", environment.get("device"))),
        processor=environment.get("processor"),
        threads=environment.get("threads"),
        python=environment.get("python"),
        versions=dict(environment.get("versions", {})),
        metrics=rounded_metrics(metrics),
        curves=read_curves(path),
        note=note,
    )


def _data(folder: Folder) -> str:
    """The data set's name; labels of its documents are another thing to measure than their words."""
    name = str(folder.yaml("config.yaml", "data.name"))
    return f"{name} (labels)" if folder.yaml("config.yaml", "data.kind") == "text_labels" else name


def file_of(record: Record, results: Path, name: str | None = None) -> Path:
    """Where a record is kept: named by data set and seed, in its experiment's folder.

    Of images, which have many runs of an experiment, by what was changed of it too.
    """
    parts = [record.dataset.split()[0], f"seed{record.seed}"]
    if is_of_images(record):
        parts[1:1] = [*([] if record.curves else ["baselines"]), *map(plain, record.overrides)]
    return results / record.experiment / f"{name or '-'.join(parts)}.json"


def plain(word: str) -> str:
    """An override as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", word.lstrip("+~")).strip("-")


def _finished(folder: Folder) -> dict[str, Any]:
    if not (folder.path / "status.json").is_file():
        found = "it has no status.json" if folder.path.is_dir() else "there is no such folder"
        raise UserError(f"{folder.path} is not a run directory: {found}.")
    status = folder.json("status.json")
    if status.get("status") != "ok":
        why = f" ({status['why']})" if status.get("why") else ""
        raise UserError(
            f"{folder.path} is not a finished run: its status is '{status.get('status')}'{why}, but must be 'ok'."
        )
    return status


def _measured(folder: Folder) -> dict[str, Any]:
    metrics = folder.json("metrics.json") if (folder.path / "metrics.json").is_file() else {}
    if not any(name.startswith("val/") or "/hit@" in name for name in metrics):
        raise UserError(f"{folder.path} has no validation metrics in metrics.json; was it a dry run (dry_run=true)?")
    return metrics


def _experiment(folder: Folder) -> str:
    choices = {name: folder.yaml(".hydra/hydra.yaml", f"{CHOICES}.{name}") for name in ("experiment", "model")}
    return str(choices["experiment"] or choices["model"])


def day_of(seconds: float) -> str:
    """The day in UTC of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def code_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """``commit`` and ``dirty``, from a run's ``env.json``."""
    git = environment.get("git") or {}
    changes = git.get("diff", git.get("changes"))  # earlier revisions kept the changes themselves
    return {"commit": git.get("revision"), "dirty": None if changes is None else changes != ""}
