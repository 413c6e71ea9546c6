"""Banner and progress as text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from seqvise.callbacks.banner import Banner, TrainingPlan, banner, training_plan
from seqvise.callbacks.progress import EpochLines, TokenBar, epoch_line
from seqvise.callbacks.schedule import Horizon, ScheduleCallback
from seqvise.callbacks.training_metrics import TrainingSignals
from seqvise.schedules.curves import Linear, OneCycle

from .tiny import TinyTask, loader, trainer_for


def test_banner_has_the_derived_numbers() -> None:
    plan = TrainingPlan(
        parameters=12_345_678,
        trainable=12_000_000,
        items=1000,
        unit="sentences",
        batches=25,
        accumulation=2,
        world=4,
        horizon=Horizon(156, 12),
        tokens=13_000,
        rate=3e-3,
        forcing=(1.0, 0.1),
        precision="bf16, as the processor has AMX",
        device="cpu (2 threads)",
        bytes=192 * 2**20,
    )
    assert banner(plan).splitlines() == [
        "parameters       12,345,678 (12,000,000 trained)",
        "sentences        1,000 per epoch",
        "tokens           13,000 per epoch (target side)",
        "batches          25 per epoch on each of 4 ranks",
        "steps            13 per epoch, 156 in 12 epochs",
        "effective batch  76.92 sentences per step on average (2 batches x 4 ranks)",
        "peak rate        0.003",
        "teacher forcing  1 -> 0.1",
        "precision        bf16, as the processor has AMX",
        "device           cpu (2 threads)",
        "memory           192 MiB for parameters, gradients and optimizer state, without activations",
    ]


def test_plan_has_counts_by_hand(tmp_path: Path) -> None:
    schedule = ScheduleCallback({"lr": OneCycle(), "teacher_forcing": Linear(1, 0, 4)})
    trainer = trainer_for(tmp_path, schedule, max_epochs=4, accumulate_grad_batches=2, limit_train_batches=5)
    task = TinyTask()
    task.head.bias.requires_grad_(False)
    batches = loader(10)
    batches.dataset.target_tokens = 130  # type: ignore[attr-defined]
    plan = training_plan(trainer, task, batches, task.configure_optimizers())
    # body 2 x 2 + 2, head 2 + 1 with frozen bias; Adam has 4 numbers per trained parameter.
    assert (plan.parameters, plan.trainable, plan.bytes) == (9, 8, 4 * (8 * 4 + 1))
    assert (plan.items, plan.tokens, plan.batches, plan.steps_per_epoch) == (10, 65, 5, 3)
    assert plan.horizon == Horizon(12, 4)
    assert plan.effective_batch == pytest.approx(10 / 3)
    assert (plan.rate, plan.forcing) == (1.0, (1.0, 0.25))


def test_banner_is_printed_before_the_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer_for(tmp_path, Banner(), max_epochs=2).fit(TinyTask(), loader(3))
    captured = capsys.readouterr()
    assert "3 per epoch, 6 in 2 epochs" in captured.err
    assert captured.out == ""


def test_epoch_line_has_time_speed_and_metrics() -> None:
    metrics = {name: torch.tensor(value) for name, value in (("val/bleu", 31.25), ("train/loss_smooth", 2.5), ("x", 1))}
    line = epoch_line(3, 12, 41.4, "2,070 tokens/s", metrics, 372.0)
    assert line == "epoch 3/12  41 s  2,070 tokens/s  train loss 2.500  val/bleu 31.250  eta 0:06:12"
    assert epoch_line(12, 12, 41.4, "2,070 tokens/s", {}, 0.0) == "epoch 12/12  41 s  2,070 tokens/s"
    assert epoch_line(3, -1, 1.0, "5 images/s", {}, -3.0) == "epoch 3  1 s  5 images/s"


@pytest.mark.parametrize("lines", [True, False])
def test_progress_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: bool) -> None:
    bar = EpochLines() if lines else TokenBar()
    trainer = trainer_for(
        tmp_path,
        TrainingSignals(),
        bar,
        max_epochs=2,
        enable_progress_bar=True,
        logger=CSVLogger(tmp_path, name="", version=""),
        num_sanity_val_steps=1,
    )
    trainer.fit(TinyTask(), loader(3), loader(1))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "tokens/s" in captured.err
    if lines:
        assert [line.split("  ")[0] for line in captured.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
        assert "train loss" in captured.err
        assert "val/loss" in captured.err


def test_a_line_has_only_the_validation_of_its_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every_other = {"check_val_every_n_epoch": 2, "enable_progress_bar": True, "num_sanity_val_steps": 0}
    trainer = trainer_for(tmp_path, TrainingSignals(), EpochLines(), max_epochs=4, **every_other)
    trainer.fit(TinyTask(), loader(3), loader(1))
    assert ["val/loss" in line for line in capsys.readouterr().err.splitlines()] == [False, True, False, True]


@pytest.mark.parametrize(
    ("max_epochs", "texts"), [(2, ["Epoch 1/2 ", "Epoch 2/2 "]), (-1, ["Epoch 1   ", "Epoch 2   "])]
)
def test_the_bar_counts_epochs_from_one(tmp_path: Path, max_epochs: int, texts: list[str]) -> None:
    bar = TokenBar()
    bar._trainer = trainer_for(tmp_path, max_epochs=max_epochs, max_steps=6)
    assert [bar._get_train_description(epoch) for epoch in (0, 1)] == texts  # as long as "Validation"
