"""Creates small run directories and records for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from results.page import SUMMARY, pages
from results.record import Record

METRICS = {
    "val/loss": 3.68083859,
    "val/ppl": 39.679653,
    "val/bleu": 3.63038,
    "epoch": 2,
    "epochs": 3,
    "seconds": 228.0,
    "parameters": 3550512,
    "device": "cpu",
    "seed": 4,
}
# As in Lightning: step and epoch start at 0, training is logged every tenth step, validation at the end of an epoch.
SCALARS = {
    "epoch": {9: 0.0, 12: 0.0, 19: 1.0, 25: 1.0, 38: 2.0},
    "train/loss_smooth": {9: 6.5, 19: 5.25, 29: 4.0},
    "val/bleu": {12: 1.0, 25: 2.123456, 38: 1.5},
    "val/loss_free": {12: 5.0, 25: 4.0, 38: 3.5},
}


@dataclass
class Run:
    """A run directory to write; the fields are the contents of its files."""

    overrides: list[str] = field(default_factory=lambda: ["experiment=lesson11/rnn", "data=tatoeba"])
    status: dict[str, Any] = field(default_factory=lambda: {"status": "ok", "started": 1795247129.5})
    metrics: dict[str, Any] = field(default_factory=lambda: dict(METRICS))
    scalars: Mapping[str, Mapping[int, float]] = field(default_factory=lambda: SCALARS)
    git: dict[str, Any] = field(default_factory=lambda: {"revision": "880f561da68e260a078e", "diff": ""})
    experiment: str = "lesson11/rnn"
    seed: int = 4

    def write(self, folder: Path) -> Path:
        """Writes all files."""
        (folder / ".hydra").mkdir(parents=True)
        environment = {"device": "cpu", "threads": 1, "versions": {"torch": "2.13.0"}, "git": self.git}
        for name, content in (("status", self.status), ("metrics", self.metrics), ("env", environment)):
            (folder / f"{name}.json").write_text(json.dumps(content))
        lines = "".join(f"- {json.dumps(override)}\n" for override in self.overrides)
        (folder / ".hydra" / "overrides.yaml").write_text(lines or "[]\n")
        choices = f"hydra: {{runtime: {{choices: {{experiment: {self.experiment}, model: rnn}}}}}}\n"
        (folder / ".hydra" / "hydra.yaml").write_text(choices)
        config = f"data: {{name: tatoeba}}\nseed: {self.seed}\npaths: {{run: {folder}}}\n"
        (folder / "config.yaml").write_text(config)
        write_events(folder, self.scalars)
        return folder


def write_events(folder: Path, scalars: Mapping[str, Mapping[int, float]]) -> None:
    """Writes TensorBoard events; no file without scalars."""
    if not scalars:
        return
    writer = EventFileWriter(str(folder))
    for name, series in scalars.items():
        for step, value in series.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            writer.add_event(Event(step=step, wall_time=1.0 + step, summary=summary))
    writer.close()


def record(experiment: str, bleu: float, loss: float, **changes: Any) -> Record:
    """A record with some curves. changes: fields that differ from the defaults."""
    metrics = {
        "val/bleu": bleu,
        "val/loss_free_padded": loss,
        "epoch": 1,
        "epochs": 2,
        "seconds": 90.0,
        "parameters": 12345,
    }
    usual: dict[str, Any] = {
        "experiment": experiment,
        "dataset": "tatoeba",
        "overrides": [],
        "command": f"python train.py experiment={experiment}",
        "seed": 1,
        "commit": "0123456789abcdef",
        "dirty": False,
        "date": "2026-11-21",
        "device": "cpu",
        "processor": None,
        "threads": 2,
        "python": "3.11.7",
        "versions": {"torch": "2.13.0"},
        "metrics": metrics,
        "curves": {"epoch": [1, 2], "val/bleu": [1.0, bleu], "val/loss_free": [5.0, 4.0]},
    }
    return Record(**(usual | changes))


def summary_text(results: Path, root: Path) -> str:
    """The text of RESULTS.md."""
    return pages(results, root)[root / SUMMARY]


def detail_text(results: Path, root: Path) -> str:
    """The texts of all pages of docs/results."""
    return "\n".join(text for page, text in pages(results, root).items() if page.name != SUMMARY)
