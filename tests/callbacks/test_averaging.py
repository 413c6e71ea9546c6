"""Weight averages against averages computed by hand from the weights after each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.averaging import TriggeredAverage, WeightAverage, ema_share, mean_share
from seqvise.callbacks.build import build_callbacks
from seqvise.callbacks.options import CallbackOptions
from seqvise.errors import UserError
from seqvise.models.options import ForcingOptions
from seqvise.options import option_errors
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import MonitorOptions

from .tiny import TinyTask, loader, trainer_for

Weights = dict[str, Tensor]


def copied(task: pl.LightningModule) -> Weights:
    return {name: weight.detach().clone() for name, weight in task.state_dict().items()}


class Recorder(TinyTask):
    """Records the weights after each step, in each validation step, and at the end of each validation."""

    def __init__(self) -> None:
        super().__init__("sgd")
        self.steps: list[Weights] = []
        self.validated: list[Weights] = []
        self.at_end: list[Weights] = []

    @override
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trainer.global_step > len(self.steps):
            self.steps.append(copied(self))

    @override
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.validated.append(copied(self))
        super().validation_step(batch, batch_idx)

    @override
    def on_validation_epoch_end(self) -> None:
        self.at_end.append(copied(self))

    @override
    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("test/loss", self.head(self.body(batch[0])).square().mean())


def fitted(folder: Path, monitored: str = "val/loss", **options: Any) -> tuple[Recorder, pl.Trainer]:
    """Trains three epochs of four steps, with a validation after each epoch."""
    task = Recorder()
    monitor = MonitorOptions(monitored, "min")
    callbacks = build_callbacks(
        CallbackOptions(progress=False, **options), ScheduleOptions(div=100.0), ForcingOptions(), monitor, folder
    )
    settings: dict[str, Any] = {"enable_checkpointing": True, "num_sanity_val_steps": 1, "gradient_clip_val": 0.01}
    trainer = trainer_for(folder, *callbacks, max_epochs=3, **settings)
    trainer.fit(task, loader(4), loader(1))
    return task, trainer


def weighted_average(steps: list[Weights], shares: list[float]) -> Weights:
    """The average after these steps, each added with its share."""
    average = steps[0]
    for step, share in zip(steps, shares, strict=True):
        average = {name: average[name] + share * (step[name] - average[name]) for name in average}
    return average


def mean(steps: list[Weights]) -> Weights:
    return {name: torch.stack([step[name] for step in steps]).mean(0) for name in steps[0]}


def same(actual: Weights, expected: Weights) -> bool:
    return actual.keys() == expected.keys() and all(
        torch.allclose(actual[name], expected[name], atol=1e-6, rtol=1e-5) for name in actual
    )


def saved(folder: Path, name: str) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(folder / "checkpoints" / name, weights_only=True)
    return checkpoint


def test_shares_by_hand() -> None:
    assert [round(ema_share(0.5)(k), 4) for k in (0, 1, 2, 8, 20)] == [1.0, 0.8182, 0.75, 0.5, 0.5]
    assert [mean_share(k) for k in (0, 1, 3)] == [1.0, 0.5, 0.25]


def test_validation_measures_the_moving_average(tmp_path: Path) -> None:
    task, trainer = fitted(tmp_path, average="ema", average_decay=0.4)
    shares = [1.0, 9 / 11, 0.75, 9 / 13, 9 / 14, *[0.6] * 7]
    assert len(task.validated) == 4  # one before training, with the initial weights
    for epoch in range(3):
        expected = weighted_average(task.steps[: 4 * epoch + 4], shares[: 4 * epoch + 4])
        assert same(task.validated[epoch + 1], expected)
        assert same(task.at_end[epoch + 1], expected)
        assert not same(task.steps[4 * epoch + 3], expected)
    (batch,) = next(iter(loader(1)))
    average = weighted_average(task.steps, shares)
    hidden = batch @ average["body.weight"].T + average["body.bias"]
    loss = (hidden @ average["head.weight"].T + average["head.bias"]).square().mean()
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(float(loss), rel=1e-4)


def test_checkpoints_hold_the_average_and_the_trained_weights(tmp_path: Path) -> None:
    task, _ = fitted(tmp_path, average="ema", average_decay=0.4)
    best, last = saved(tmp_path, "best.ckpt"), saved(tmp_path, "last.ckpt")
    assert same(best["state_dict"], task.validated[best["epoch"] + 1])
    assert same(last["state_dict"], task.validated[3])
    assert same(last["current_model_state"], task.steps[11])


def test_averaging_does_not_change_training(tmp_path: Path) -> None:
    averaged, _ = fitted(tmp_path / "a", average="swa", average_start=0.0)
    plain, _ = fitted(tmp_path / "b")
    assert same(averaged.steps[11], plain.steps[11])
    assert same(plain.validated[3], plain.steps[11])


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.5, 6), (None, 9)])
def test_the_plain_mean_begins_at_its_start(tmp_path: Path, start: float | None, first: int) -> None:
    task, _ = fitted(tmp_path, average="swa", average_start=start)
    assert same(task.validated[3], mean(task.steps[first:]))
    assert same(task.validated[1], mean(task.steps[:4]) if first == 0 else task.steps[3])
    assert same(copied(task), mean(task.steps[first:]))


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    task = Recorder()
    trainer = trainer_for(tmp_path, WeightAverage(mean_share), max_epochs=2, accumulate_grad_batches=2)
    trainer.fit(task, loader(4), loader(1))
    assert len(task.steps) == 4
    assert same(copied(task), mean(task.steps))


def test_the_best_checkpoint_is_tested_with_its_average(tmp_path: Path) -> None:
    task, trainer = fitted(tmp_path, average="ema", average_decay=0.4)
    path = str(tmp_path / "checkpoints/best.ckpt")
    trainer.test(task, loader(1), ckpt_path=path, verbose=False, weights_only=True)
    assert same(copied(task), saved(tmp_path, "best.ckpt")["state_dict"])


class SavingFirstEpoch(pl.Callback):
    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.path)


def test_a_checkpoint_brings_both_sets_of_weights_back(tmp_path: Path) -> None:
    path, whole, rest = tmp_path / "middle.ckpt", Recorder(), Recorder()
    settings: dict[str, Any] = {"max_epochs": 3, "enable_checkpointing": True}
    first = trainer_for(tmp_path, WeightAverage(mean_share), SavingFirstEpoch(path), **settings)
    first.fit(whole, loader(4), loader(1))
    second = trainer_for(tmp_path, WeightAverage(mean_share), **settings)
    second.fit(rest, loader(4), loader(1), ckpt_path=str(path), weights_only=True)
    assert same(rest.steps[-1], whole.steps[-1])
    assert same(rest.validated[-1], mean(whole.steps))


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_of_too_low_precision_are_refused(tmp_path: Path, precision: str) -> None:
    trainer = trainer_for(tmp_path, WeightAverage(mean_share), max_epochs=1, precision=precision)
    with pytest.raises(UserError, match=r"torch\.b?float16 weights lose to rounding: set trainer\.precision"):
        trainer.fit(TinyTask(), loader(2), loader(1))


def test_double_precision_is_averaged(tmp_path: Path) -> None:
    task = Recorder()
    trainer = trainer_for(tmp_path, WeightAverage(mean_share), max_epochs=1, precision="64-true")
    trainer.fit(task, loader(3), loader(1))
    expected = mean(task.steps)
    assert expected["body.weight"].dtype == torch.float64
    assert torch.allclose(copied(task)["body.weight"], expected["body.weight"], atol=1e-14)


def test_lightnings_own_swa_is_refused_beside_a_schedule(tmp_path: Path) -> None:
    swa = {"swa": {"_target_": dotted(StochasticWeightAveraging), "swa_lrs": 0.1}}
    with pytest.raises(UserError, match=r"sets rates of its own.*callbacks\.average=swa"):
        fitted(tmp_path, extra=swa)


def dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def test_wrong_options_are_reported() -> None:
    wrong = CallbackOptions(average="mean", average_decay=1.0, average_start=1.0, keep_last=0)
    messages = list(option_errors(wrong, "callbacks"))
    assert [sentence.split()[0] for sentence in messages] == [
        "callbacks.keep_last",
        "callbacks.average",
        "callbacks.average_decay",
        "callbacks.average_start",
    ]


class ScriptedValidation(Recorder):
    """Validations with given values of the monitored metric."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = values

    @override
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.validated.append(copied(self))
        self.log("val/loss", self.values[len(self.validated) - 1])


def triggered(folder: Path, values: list[float], patience: int = 2) -> tuple[ScriptedValidation, TriggeredAverage]:
    """Trains one epoch of four steps per value."""
    task, callback = ScriptedValidation(values), TriggeredAverage("val/loss", "min", patience)
    settings: dict[str, Any] = {"max_epochs": len(values), "gradient_clip_val": 0.01}
    trainer_for(folder, callback, **settings).fit(task, loader(4), loader(1))
    return task, callback


@pytest.mark.parametrize(
    ("values", "begun"),
    [
        ([5, 4, 3, 2, 1], None),
        # the fourth value is compared with the first one alone, the fifth with the first two
        ([5, 4, 3, 4.5, 4.5, 9], 5 * 4),
        ([5, 6, 7, 5.5, 1], 4 * 4),
        ([5, 6, 7, 5, 5], None),
    ],
)
def test_averaging_starts_when_a_validation_is_worse_than_the_earlier_best(
    tmp_path: Path, values: list[float], begun: int | None
) -> None:
    assert triggered(tmp_path, values)[1].state_dict()["begun"] == begun


def test_a_triggered_average_is_the_mean_since(tmp_path: Path) -> None:
    task, _ = triggered(tmp_path, [5, 6, 7, 5.5, 1, 1])
    assert all(torch.equal(task.validated[3][name], task.steps[15][name]) for name in task.validated[3])
    for epoch, steps in ((4, task.steps[16:20]), (5, task.steps[16:24])):
        for name, average in task.validated[epoch].items():
            torch.testing.assert_close(average, torch.stack([step[name] for step in steps]).mean(0))
    assert not torch.equal(task.validated[4]["head.weight"], task.steps[19]["head.weight"])
