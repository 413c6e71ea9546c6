"""The range test on a known curve and in real training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from typing_extensions import override

from seqvise.callbacks.find_lr import RangeTest, RangeTestCallback, find_lr
from seqvise.callbacks.options import RangeTestOptions
from seqvise.errors import UserError

from .tiny import TinyTask, loader, trainer_for


class Data(pl.LightningDataModule):
    @override
    def train_dataloader(self) -> DataLoader[Any]:
        return loader(6)

    @override
    def val_dataloader(self) -> DataLoader[Any]:
        return loader(1)


def test_suggestion_is_the_steepest_descent_of_a_known_curve() -> None:
    rates = [10 ** (-5 + index / 10) for index in range(60)]
    falling = [-1 / (1 + math.exp(-5 * (math.log10(rate) + 2.5))) for rate in rates]
    climbing = [0.01 * rate**4 for rate in rates]
    losses = [3 + down + up for down, up in zip(falling, climbing, strict=True)]
    assert RangeTest(rates, losses).suggestion() == pytest.approx(10**-2.5)


def test_noisy_first_losses_are_not_taken_for_a_fall() -> None:
    rates = [10 ** (-5 + index / 20) for index in range(80)]
    losses = [3 - 1 / (1 + math.exp(-5 * (math.log10(rate) + 2.5))) for rate in rates]
    losses[0] += 0.3
    assert RangeTest(rates, losses).suggestion() == pytest.approx(10**-2.5)


def test_loss_that_never_falls_gives_no_suggestion() -> None:
    with pytest.raises(UserError, match=r"lower find_lr\.start"):
        RangeTest([10.0**power for power in range(30)], [float(loss) for loss in range(30)]).suggestion()


def test_rates_grow_by_a_factor_and_groups_keep_their_ratio(tmp_path: Path) -> None:
    callback = RangeTestCallback(RangeTestOptions(start=1e-6, end=1e-2, steps=5))
    task = TinyTask()
    trainer_for(tmp_path, callback, max_epochs=-1, accumulate_grad_batches=2).fit(task, loader(6))
    rates = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    assert callback.result.rates == pytest.approx(rates)
    assert [row["lr"] for row in task.seen] == pytest.approx([rate for rate in rates for _ in range(2)])
    assert [row["head"] for row in task.seen] == pytest.approx([rate / 10 for rate in rates for _ in range(2)])
    assert len(callback.result.losses) == 5


def test_weights_are_restored_and_the_plot_is_written(tmp_path: Path) -> None:
    task = TinyTask()
    before = {name: weight.clone() for name, weight in task.state_dict().items()}
    trainer = trainer_for(tmp_path, max_epochs=1, max_steps=3)
    rate = find_lr(trainer, task, Data(), tmp_path / "lr.png", RangeTestOptions(start=1e-4, end=100, steps=40))
    assert 1e-4 < rate < 10
    assert len(task.seen) > 6
    assert all(torch.equal(weight, before[name]) for name, weight in task.state_dict().items())
    assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")


def test_diverging_loss_ends_the_test(tmp_path: Path) -> None:
    callback = RangeTestCallback(RangeTestOptions(start=1e-3, end=1e6, steps=100, beta=0.0))
    trainer_for(tmp_path, callback, max_epochs=-1).fit(TinyTask("sgd", 0.9), loader(6))
    losses = callback.result.losses
    assert len(callback.result.rates) == len(losses) < 100
    assert losses[-1] > 4 * min(losses)
    assert all(loss <= 4 * min(losses[: index + 1]) for index, loss in enumerate(losses[:-1]))
