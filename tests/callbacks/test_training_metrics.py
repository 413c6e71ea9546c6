"""Smoothed loss, gradient norm and speed against independently computed values."""

from __future__ import annotations

import csv
import math
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.throughput import Smoothed, Speedometer
from seqvise.callbacks.training_metrics import TrainingSignals
from tests.callbacks.tiny import TinyTask, loader, trainer_for


class Recorder(TinyTask):
    """Records the loss of every batch and the gradient norm before each step."""

    def __init__(self) -> None:
        super().__init__("sgd", 0.0)
        self.losses: list[float] = []
        self.norms: list[float] = []

    @override
    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx) * 1e-3
        self.losses.append(float(loss))
        return loss

    @override
    def on_before_optimizer_step(self, optimizer: Any) -> None:
        squares = [float(p.grad.square().sum()) for p in self.parameters() if p.grad is not None]
        self.norms.append(math.sqrt(sum(squares)))


def logged(folder: Path, name: str) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def slow_mean(losses: list[float], beta: float) -> float:
    weights = [beta ** (len(losses) - 1 - index) for index in range(len(losses))]
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)


def test_smoothed_mean_is_a_weighted_mean_from_the_first_value() -> None:
    smoothed: Smoothed[float] = Smoothed(0.5)
    assert [smoothed.add(value) for value in (4.0, 1.0, 7.0)] == pytest.approx([4.0, 2.0, (4 + 2 + 28) / 7])


@pytest.mark.parametrize("accumulation", [1, 2])
def test_loss_and_gradients_are_logged_as_they_are(tmp_path: Path, accumulation: int) -> None:
    task, logger = Recorder(), CSVLogger(tmp_path, name="", version="")
    settings: dict[str, Any] = {"log_every_n_steps": 2, "accumulate_grad_batches": accumulation}
    trainer = trainer_for(tmp_path, TrainingSignals(), logger=logger, max_epochs=1, gradient_clip_val=1e-6, **settings)
    trainer.fit(task, loader(8))
    ends = [size * accumulation for size in range(2, 8 // accumulation + 1, 2)]
    expected = [slow_mean(task.losses[:end], 0.98) for end in ends]
    assert logged(tmp_path, "train/loss_smooth") == pytest.approx(expected, rel=1e-4)
    assert logged(tmp_path, "train/gradient_norm") == pytest.approx(task.norms[1::2], rel=1e-4)
    assert len(logged(tmp_path, "speed/tokens_per_second")) == len(ends)


def test_smoothing_resumes_from_a_checkpoint() -> None:
    first, second = TrainingSignals(0.5), TrainingSignals(0.5)
    first._loss.add(torch.tensor(4.0))
    second.load_state_dict(first.state_dict())
    assert float(second._loss.add(torch.tensor(1.0))) == pytest.approx(2.0)


def test_speed_excludes_the_time_between_the_last_batch_and_resume() -> None:
    moments = iter([0.0, 0.0, 2.0, 7.0, 9.0])  # creation, reset, batch, resume (after validation), batch
    speed = Speedometer(lambda: next(moments))
    speed.add(100, 10)
    speed.resume()
    speed.add(100, 30)
    assert speed.rates() == {"tokens": 50.0, "sentences": 10.0}
    assert speed.rates("images") == {"images": 10.0}


def test_speed_before_the_first_batch_is_zero() -> None:
    ticks = count()
    assert Speedometer(lambda: float(next(ticks))).rates() == {"tokens": 0.0, "sentences": 0.0}
