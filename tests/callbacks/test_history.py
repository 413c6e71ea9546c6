"""The lines written after each validation."""

from __future__ import annotations

import json
from pathlib import Path

from seqvise.callbacks.progress import ProgressFile

from .tiny import TinyTask, loader, trainer_for


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_one_line_per_validation_with_step_and_metrics(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    trainer = trainer_for(tmp_path, ProgressFile(file), max_epochs=2, val_check_interval=2, num_sanity_val_steps=1)
    trainer.fit(TinyTask(), loader(4), loader(1))
    written = lines(file)
    assert [(line["epoch"], line["step"]) for line in written] == [(0, 2), (0, 4), (1, 6), (1, 8)]
    assert written[-1]["val/loss"] == float(trainer.callback_metrics["val/loss"])
    assert len({line["val/loss"] for line in written}) == 4


def test_without_validation_one_line_per_epoch(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    trainer_for(tmp_path, ProgressFile(file), max_epochs=2).fit(TinyTask(), loader(3))
    assert [line["step"] for line in lines(file)] == [3, 6]
    assert "train/loss" in lines(file)[0]
