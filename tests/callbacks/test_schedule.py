"""The schedule callback in real training, against tables computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import GradientAccumulationScheduler, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from seqvise.callbacks.schedule import ScheduleCallback
from seqvise.errors import UserError
from seqvise.schedules.curves import Constant, Curve, Linear, MomentumMirror, OneCycle, OneCycleAnnihilate, Paced

from .tiny import TinyTask, loader, trainer_for

# OneCycle(20, 4) over 8 steps: up to the peak at step 2, then down over six steps.
EIGHT = [0.05, 0.525, 1.0, 1 - 0.95 / 6, 1 - 1.9 / 6, 0.525, 1 - 3.8 / 6, 1 - 4.75 / 6]


def fit(folder: Path, task: TinyTask, schedules: dict[str, Curve], batches: int = 4, **settings: Any) -> TinyTask:
    trainer = trainer_for(folder, ScheduleCallback(schedules), **{"max_epochs": 2, **settings})
    trainer.fit(task, loader(batches))
    return task


def column(task: TinyTask, name: str) -> list[float]:
    return [row[name] for row in task.seen]


def test_each_group_moves_by_its_own_rate(tmp_path: Path) -> None:
    task = fit(tmp_path, TinyTask(), {"lr": OneCycle(20, 4)})
    assert column(task, "lr") == pytest.approx(EIGHT)
    assert column(task, "head") == pytest.approx([rate / 10 for rate in EIGHT])


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_momentum_is_beta1_or_momentum(tmp_path: Path, kind: str) -> None:
    schedules: dict[str, Curve] = {"lr": OneCycleAnnihilate(10), "momentum": MomentumMirror(0.95, 0.85)}
    task = fit(tmp_path, TinyTask(kind), schedules, batches=10)
    table = [0.95 - 0.1 * step / 9 for step in range(9)] + [0.85 + 0.1 * step / 9 for step in range(10)] + [0.95]
    assert column(task, "momentum") == pytest.approx(table)
    assert column(task, "lr")[-2:] == pytest.approx([0.1, (0.1 + 0.001) / 2])


def test_forcing_changes_between_epochs(tmp_path: Path) -> None:
    task = fit(tmp_path, TinyTask(), {"teacher_forcing": Linear(1, 0, 2)}, batches=3)
    assert column(task, "teacher_forcing") == [1, 1, 1, 0.5, 0.5, 0.5]


def test_accumulated_batches_share_a_position(tmp_path: Path) -> None:
    # 7 batches by 2 are 4 optimizer steps per epoch: the last step of an epoch has one batch.
    task = fit(tmp_path, TinyTask(), {"lr": OneCycle(20, 4)}, batches=7, accumulate_grad_batches=2)
    steps = [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7]
    assert column(task, "lr") == pytest.approx([EIGHT[step] for step in steps])


def test_max_steps_within_an_epoch_is_the_horizon(tmp_path: Path) -> None:
    schedules: dict[str, Curve] = {"lr": OneCycle(20, 4), "teacher_forcing": Linear(1, 0, None)}
    task = fit(tmp_path, TinyTask(), schedules, batches=5, max_epochs=-1, max_steps=8)
    assert column(task, "lr") == pytest.approx(EIGHT)
    assert column(task, "teacher_forcing") == [1] * 5 + [0.5] * 3


def test_applied_numbers_are_logged(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    schedules: dict[str, Curve] = {"lr": OneCycle(20, 4), "teacher_forcing": Linear(1, 0, 2)}
    fit(tmp_path, TinyTask(), schedules, logger=logger, log_every_n_steps=2)
    rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    logged = [float(row[rows[0].index("train/lr")]) for row in rows[1:]]
    assert logged == pytest.approx(EIGHT[1::2])
    assert "train/teacher_forcing" in rows[0]


def interrupted(folder: Path, stop: int, callback: ScheduleCallback, **settings: Any) -> tuple[TinyTask, TinyTask]:
    """A run stopped after some steps, and the resumed run."""
    saver = ModelCheckpoint(folder, filename="at", every_n_train_steps=stop, save_top_k=1)
    first, second = TinyTask(), TinyTask()
    saving = trainer_for(folder, ScheduleCallback(callback.schedules), saver, max_epochs=2, enable_checkpointing=True)
    saving.fit(first, loader(4))
    trainer = trainer_for(folder, callback, **{"max_epochs": 2, **settings})
    trainer.fit(second, loader(4), ckpt_path=str(folder / "at.ckpt"), weights_only=True)
    return first, second


def test_resumed_run_continues_with_the_same_numbers(tmp_path: Path) -> None:
    schedules: dict[str, Curve] = {
        "lr": OneCycle(20, 4),
        "momentum": MomentumMirror(),
        "teacher_forcing": Linear(1, 0, 2),
    }
    whole, rest = interrupted(tmp_path, 5, ScheduleCallback(schedules))
    assert column(rest, "step") == [5, 6, 7]
    assert rest.seen == whole.seen[5:]


def test_another_horizon_is_refused_without_extend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"over 8 steps \(2 epochs\), but would continue with 12 steps \(3 epochs\)"):
        interrupted(tmp_path, 5, ScheduleCallback({"lr": OneCycle(20, 4)}), max_epochs=3)
    _, rest = interrupted(tmp_path, 5, ScheduleCallback({"lr": OneCycle(20, 4)}, extend=True), max_epochs=3)
    assert column(rest, "lr")[:2] == pytest.approx([1 - 0.95 * 2 / 9, 1 - 0.95 * 3 / 9])


def test_rate_of_a_group_without_initial_lr_is_its_configured_one(tmp_path: Path) -> None:
    class Plain(TinyTask):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            for group in optimizer.param_groups:
                del group["initial_lr"]
            return optimizer

    task = fit(tmp_path, Plain(), {"lr": OneCycle(20, 4)})
    assert column(task, "head") == pytest.approx([rate / 10 for rate in EIGHT])


class Unscheduled(TinyTask):
    """Has no dict of scheduled numbers."""

    def __init__(self) -> None:
        super().__init__()
        del self.scheduled


@pytest.mark.parametrize(
    ("task", "schedules", "settings", "sentence"),
    [
        (TinyTask("sgd", 0.0), {"momentum": MomentumMirror()}, {}, "SGD has none"),
        (TinyTask(), {"lr": Paced(Constant(), cycle_epochs=3)}, {}, "cycle_epochs is 3, but training has 2 epochs"),
        (TinyTask(), {"teacher_forcing": Linear(1, 0, 10)}, {}, "over is 10 epochs, but training has 2"),
        (TinyTask(), {"lr": Constant()}, {"max_epochs": -1}, "needs an end of training"),
        (Unscheduled(), {"teacher_forcing": Linear(1, 0)}, {}, "no `scheduled` dict for teacher_forcing"),
        (
            TinyTask(),
            {"dropuot": Linear(1, 0)},
            {},
            "no scheduled number dropuot; it has: teacher_forcing",
        ),
    ],
)
def test_conflicts_are_refused(
    tmp_path: Path, task: TinyTask, schedules: dict[str, Curve], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        fit(tmp_path, task, schedules, **settings)
    assert task.seen == []


def test_run_of_one_batch_is_not_too_short(tmp_path: Path) -> None:
    task = fit(tmp_path, TinyTask(), {"teacher_forcing": Linear(1, 0, 10)}, fast_dev_run=True)
    assert column(task, "teacher_forcing") == [1]


def test_changing_accumulation_is_refused(tmp_path: Path) -> None:
    callbacks: list[pl.Callback] = [
        ScheduleCallback({"lr": Constant()}),
        GradientAccumulationScheduler(scheduling={1: 2}),
    ]
    with pytest.raises(UserError, match=r"set trainer\.accumulate_grad_batches"):
        trainer_for(tmp_path, *callbacks, max_epochs=2).fit(TinyTask(), loader(4))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    schedules: dict[str, Curve] = {"momentum": MomentumMirror(), "teacher_forcing": Linear(1, 0, 10)}
    with pytest.raises(UserError) as caught:
        fit(tmp_path, TinyTask("sgd", 0.0), schedules)
    assert len(caught.value.messages) == 2


def test_plateau_belongs_to_the_task(tmp_path: Path) -> None:
    class Stepped(TinyTask):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    with pytest.raises(UserError, match="Choose schedule=plateau"):
        fit(tmp_path, Stepped(), {"lr": Constant()})
