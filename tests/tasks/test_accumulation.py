"""Accumulated gradients of several batches equal the gradients of one merged batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from seqvise.datamodules.sampler import CountedLoader, counted
from seqvise.errors import UserError
from tests.callbacks.tiny import TinyTask, loader, trainer_for
from tests.tasks.accumulated import KINDS, SIZES, columns, fit, make_task, merge, single_rows, weights

ROOT = Path(__file__).parents[2]
Large = Callable[[str], dict[str, Tensor]]


def assert_equal(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, weight in expected.items():
        torch.testing.assert_close(actual[name], weight, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def large_batches(tmp_path_factory: pytest.TempPathFactory) -> Large:
    """The weights after the steps over one large batch each, trained once for each kind."""
    folder = tmp_path_factory.mktemp("large")
    return cache(lambda kind: weights(fit(kind, merge(single_rows(), 2), folder)[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_batches_equal_one_merged_batch(kind: str, tmp_path: Path, large_batches: Large) -> None:
    initial, merged = weights(make_task(kind)), large_batches(kind)
    accumulated, trainer = fit(kind, single_rows(), tmp_path, 2)
    assert trainer.global_step == 3
    assert any(not torch.allclose(weight, initial[name], atol=1e-3) for name, weight in merged.items())
    assert_equal(weights(accumulated), merged)


def test_a_limit_of_batches_may_shorten_the_last_step(tmp_path: Path) -> None:
    accumulated, trainer = fit("translation", single_rows(), tmp_path, 3, limit_train_batches=4)
    assert trainer.global_step == 2
    merged, _ = fit("translation", [*merge(single_rows()[:3], 3), single_rows()[3]], tmp_path)
    assert_equal(weights(accumulated), weights(merged))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.tasks.accumulated", str(folder)]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | common | {"LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one_merged_batch(kind: str, two_processes: Path, large_batches: Large) -> None:
    assert_equal(torch.load(two_processes / f"{kind}.pt", weights_only=True), large_batches(kind))


class Losses(pl.Callback):
    """Records the logged loss of each batch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))


def test_the_logged_loss_is_the_mean_of_each_batch(tmp_path: Path) -> None:
    single, accumulated = Losses(), Losses()
    frozen: dict[str, Any] = {"gradient_clip_val": 1e-9}
    fit("translation", single_rows(), tmp_path, callbacks=[single], **frozen)
    fit("translation", single_rows(), tmp_path, 2, callbacks=[accumulated], **frozen)
    assert accumulated.losses == pytest.approx(single.losses, rel=1e-4)


class Rates(pl.Callback):
    """Records the learning rate of each optimizer step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    @override
    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(("size", "lengths"), [(1, [5, 5, 9, 9, 4]), (2, [5, 9, 4]), (3, [19 / 3, 6.5])])
def test_the_learning_rate_follows_the_mean_window_length(size: int, lengths: list[float], tmp_path: Path) -> None:
    rates = Rates()
    two_columns = [rows[:2] for rows in single_rows()]  # all windows have the same number of columns
    assert [columns(rows).inputs.shape[1] for rows in two_columns] == [5, 5, 9, 9, 4]
    fit("language model", two_columns, tmp_path, size, callbacks=[rates])
    assert rates.rates == pytest.approx([0.5 * length / 6 for length in lengths])


def test_batches_without_counts_are_refused(tmp_path: Path) -> None:
    trainer, task = trainer_for(tmp_path, accumulate_grad_batches=2, max_epochs=1), make_task("translation")
    uncounted: DataLoader[Any] = DataLoader([KINDS["translation"][1](rows) for rows in single_rows()], batch_size=None)  # type: ignore[arg-type]
    with pytest.raises(
        UserError, match=r"accumulate_grad_batches is 2, but the batches have no step_counts: .*CountedLoader"
    ):
        trainer.fit(task, uncounted)


@pytest.mark.parametrize(("size", "passed"), [(1, 0), (2, 0), (3, 0), (3, 1), (3, 5), (7, 0)])
def test_each_batch_has_the_counts_of_its_step(size: int, passed: int, tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, accumulate_grad_batches=size)
    trainer.fit_loop.max_batches = 9
    batches: Any = [columns([row]) for row in range(9)][passed:]
    inner: DataLoader[Any] = DataLoader(batches, batch_size=None, sampler=PartialSampler(range(len(batches)), passed))
    counts = [batch.step_counts for batch in CountedLoader(inner, trainer, lambda batch: (batch.token_count, 1))]
    rows = range(passed, 9)
    steps = [[row for row in rows if row // size == step] for step in range(9)]
    expected = [
        (sum(columns([row]).token_count for row in steps[row // size]), len(steps[row // size])) for row in rows
    ]
    assert counts == expected


class PartialSampler(list[int]):
    """A sampler that has skipped batches, as after resuming within an epoch."""

    def __init__(self, rows: Any, passed: int) -> None:
        super().__init__(rows)
        self.passed = passed


def test_tasks_without_counts_keep_their_loader(tmp_path: Path) -> None:
    trainer, plain = trainer_for(tmp_path, accumulate_grad_batches=2), loader(3)
    trainer.strategy.connect(TinyTask())
    assert counted(plain, trainer) is plain
    assert counted(plain, None) is plain
    assert len(SIZES) % 2 == 1, "the last step must have fewer batches"
