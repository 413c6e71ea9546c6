"""The lines written after each validation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from seqvise.callbacks.progress import LoggedEpochs, ProgressFile

from .tiny import TinyTask, loader, trainer_for


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_one_line_per_validation_with_step_and_metrics(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    trainer = trainer_for(tmp_path, ProgressFile(file), max_epochs=2, val_check_interval=2, num_sanity_val_steps=1)
    trainer.fit(TinyTask(), loader(4), loader(1))
    written = lines(file)
    assert [(line["epoch"], line["step"]) for line in written] == [(1, 2), (1, 4), (2, 6), (2, 8)]
    assert written[-1]["val/loss"] == float(trainer.callback_metrics["val/loss"])
    assert len({line["val/loss"] for line in written}) == 4


def test_without_validation_one_line_per_epoch(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    trainer_for(tmp_path, ProgressFile(file), max_epochs=2).fit(TinyTask(), loader(3))
    assert [line["step"] for line in lines(file)] == [3, 6]
    assert "train/loss" in lines(file)[0]


@pytest.mark.parametrize(("earlier", "epochs"), [(False, [1, 2]), (True, [0, 1])])
def test_a_resumed_run_keeps_the_number_of_its_first_epoch(tmp_path: Path, earlier: bool, epochs: list[int]) -> None:
    file, logs = tmp_path / "progress.jsonl", CSVLogger(tmp_path)
    settings: dict[str, Any] = {"logger": logs, "log_every_n_steps": 1}
    trainer = trainer_for(tmp_path, LoggedEpochs(file), ProgressFile(file), max_epochs=1, **settings)
    trainer.fit(TinyTask(), loader(3), loader(1))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    (line,) = lines(file)
    assert (line["epoch"], line["first_epoch"]) == (1, 1)
    if earlier:
        del line["first_epoch"]
        file.write_text(json.dumps({**line, "epoch": 0}) + "\n", encoding="utf-8")
    settings["logger"] = logs = CSVLogger(tmp_path, version=1)
    trainer = trainer_for(tmp_path, LoggedEpochs(file), ProgressFile(file), max_epochs=2, **settings)
    trainer.fit(TinyTask(), loader(3), loader(1), ckpt_path=tmp_path / "a.ckpt")
    assert [(line["epoch"], line["step"]) for line in lines(file)] == list(zip(epochs, (3, 6), strict=True))
    rows = list(csv.DictReader((Path(logs.log_dir) / "metrics.csv").open(encoding="utf-8")))
    assert {float(row["epoch"]) for row in rows} == {epochs[-1]}


def test_a_test_after_training_logs_the_number_of_finished_epochs(tmp_path: Path) -> None:
    class Tested(TinyTask):
        def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.log("test/loss", batch[0].mean())

    logs, file = CSVLogger(tmp_path), tmp_path / "progress.jsonl"
    trainer = trainer_for(tmp_path, LoggedEpochs(file), max_epochs=2, logger=logs, log_every_n_steps=1)
    trainer.fit(Tested(), loader(3), loader(1))
    trainer.test(trainer.lightning_module, loader(1), verbose=False)
    rows = list(csv.DictReader((Path(logs.log_dir) / "metrics.csv").open(encoding="utf-8")))
    assert [float(row["epoch"]) for row in rows if row["train/loss"]] == [1, 1, 1, 2, 2, 2]
    assert [float(row["epoch"]) for row in rows if row["test/loss"]] == [2]
