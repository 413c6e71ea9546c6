"""Creates a record from a run directory."""

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
    """Reads files of a run directory."""

    path: Path

    def json(self, name: str) -> dict[str, Any]:
        """Content of a JSON file."""
        return read_object(self.path / name)

    def yaml(self, name: str, key: str = "") -> Any:
        """Content of a YAML file, or its node at ``key``; None if the node is missing.

        Raises:
            UserError: the file is missing or not valid YAML.
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
        UserError: it is not a run directory, the run is not finished, or it has no metrics.
    """
    folder = Folder(path)
    status = _finished(folder)
    metrics = _measured(folder)
    environment = folder.json("env.json")
    overrides = shown([str(item) for item in folder.yaml(".hydra/overrides.yaml")])
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
    """Name of the data set; marks the classification of documents, whose metrics differ from those of their words."""
    name = str(folder.yaml("config.yaml", "data.name"))
    return f"{name} (labels)" if folder.yaml("config.yaml", "data.kind") == "text_labels" else name


def file_of(record: Record, results: Path, name: str | None = None) -> Path:
    """File of a record: named by data set and seed, in the folder of its experiment.

    File names of image experiments, which have many runs, also contain the overrides.
    """
    parts = [record.dataset.split()[0], f"seed{record.seed}"]
    if is_of_images(record):
        parts[1:1] = [*([] if record.curves else ["baselines"]), *map(plain, record.overrides)]
    return results / record.experiment / f"{name or '-'.join(parts)}.json"


def plain(override: str) -> str:
    """An override as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", override.lstrip("+~")).strip("-")


def _finished(folder: Folder) -> dict[str, Any]:
    if not (folder.path / "status.json").is_file():
        reason = "it has no status.json" if folder.path.is_dir() else "there is no such folder"
        raise UserError(f"{folder.path} is not a run directory: {reason}.")
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
    """The UTC date of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def code_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Fields ``commit`` and ``dirty``, from a run's ``env.json``."""
    git = environment.get("git") or {}
    changes = git.get("diff", git.get("changes"))  # earlier revisions stored the diff
    return {"commit": git.get("revision"), "dirty": None if changes is None else changes != ""}
