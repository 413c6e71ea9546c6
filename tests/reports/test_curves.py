"""Learning curves from the files of loggers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from seqvise.reports.curves import learning_curve
from seqvise.reports.job import read_job
from tests.reports.events import write_events
from tests.reports.folders import make_run

POINTS = [(10, 1.0), (20, 2.5), (30, 2.0)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "0")


def test_files_of_lightnings_tensorboard_logger_are_read(run: Path) -> None:
    logger = TensorBoardLogger(run, "", "")
    for step, value in POINTS:
        logger.log_metrics({"val/bleu": value, "val/bleu_2": 9.0}, step)
        logger.experiment.add_image("queries val/bleu", torch.zeros(3, 8, 8), step)
    logger.finalize("success")
    assert learning_curve(read_job(run), "val/bleu") == POINTS
    assert learning_curve(read_job(run), "val/chrf") == []


def test_a_resumed_run_has_one_curve(run: Path) -> None:
    first = write_events(run, "val/bleu", POINTS)
    second = write_events(run, "val/bleu", [(30, 7.0), (40, 8.0)], ".again")
    os.utime(first, (1000, 1000))
    os.utime(second, (2000, 2000))
    assert learning_curve(read_job(run), "val/bleu") == [(10, 1.0), (20, 2.5), (30, 7.0), (40, 8.0)]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_an_incomplete_record_ends_the_curve(run: Path, cut: int) -> None:
    file = write_events(run, "val/bleu", POINTS)
    file.write_bytes(file.read_bytes()[:-cut])
    assert learning_curve(read_job(run), "val/bleu") == POINTS[:2]


def test_a_corrupt_file_gives_an_empty_curve(run: Path) -> None:
    (run / "events.out.tfevents.1.x").write_bytes(b"\xff" * 500)
    assert learning_curve(read_job(run), "val/bleu") == []


def test_files_of_the_csv_logger_are_read_without_nan(run: Path) -> None:
    logger = CSVLogger(run, "", "")
    for step, value in [*POINTS, (40, float("nan"))]:
        logger.log_metrics({"train/loss": 0.0}, step - 5)
        logger.log_metrics({"val/bleu": value}, step)
    logger.save()
    assert learning_curve(read_job(run), "val/bleu") == POINTS
