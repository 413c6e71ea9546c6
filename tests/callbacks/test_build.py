"""All callbacks of a run together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from seqvise.callbacks.build import build_callbacks
from seqvise.callbacks.options import CallbackOptions, RangeTestOptions
from seqvise.errors import UserError
from seqvise.models.options import ForcingOptions
from seqvise.options import option_errors
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import MonitorOptions

from .tiny import TinyTask, loader, trainer_for


class Greeting(pl.Callback):
    def __init__(self, word: str) -> None:
        self.word = word


def build(folder: Path, **options: Any) -> list[pl.Callback]:
    monitor = MonitorOptions("val/loss", "min")
    return build_callbacks(CallbackOptions(**options), ScheduleOptions(), ForcingOptions(), monitor, folder)


def fit(folder: Path, epochs: int = 2, resume: str | None = None, **options: Any) -> TinyTask:
    task = TinyTask()
    settings: dict[str, Any] = {"enable_checkpointing": True, "enable_progress_bar": True}
    trainer = trainer_for(folder, *build(folder, **options), max_epochs=epochs, **settings)
    trainer.fit(task, loader(4), loader(1), ckpt_path=resume, weights_only=True)
    return task


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoints").iterdir()}


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, {"best.ckpt", "last.ckpt"}),
        ({"keep_best": 0}, {"last.ckpt"}),
        ({"keep_best": 2}, {"best.ckpt", "last.ckpt", "epoch001-step000004.ckpt", "epoch002-step000008.ckpt"}),
        ({"save_steps": 3}, {"best.ckpt", "last.ckpt"}),
    ],
)
def test_checkpoints_have_plain_names(tmp_path: Path, options: dict[str, Any], kept: set[str]) -> None:
    fit(tmp_path, **options)
    assert names(tmp_path) == kept
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 8


def test_every_state_survives_a_resume_without_new_names(tmp_path: Path) -> None:
    whole = fit(tmp_path)
    rest = fit(tmp_path, resume=str(tmp_path / "checkpoints/last.ckpt"))
    assert (len(whole.seen), len(rest.seen)) == (8, 0)
    assert names(tmp_path) == {"best.ckpt", "last.ckpt"}


def test_last_checkpoint_is_also_written_within_an_epoch(tmp_path: Path) -> None:
    class Interrupted(TinyTask):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            if self.global_step == 7:
                raise RuntimeError("the power fails")

    settings: dict[str, Any] = {"enable_checkpointing": True, "enable_progress_bar": True}
    trainer = trainer_for(tmp_path, *build(tmp_path, save_steps=3), max_epochs=2, **settings)
    with pytest.raises(RuntimeError, match="the power fails"):
        trainer.fit(Interrupted(), loader(4), loader(1))
    rest = fit(tmp_path, resume=str(tmp_path / "checkpoints/last.ckpt"), save_steps=3)
    assert [row["step"] for row in rest.seen] == [6, 7]
    assert names(tmp_path) == {"best.ckpt", "last.ckpt"}


def test_early_stopping_needs_patience(tmp_path: Path) -> None:
    assert not any(isinstance(callback, EarlyStopping) for callback in build(tmp_path))
    (stopping,) = (callback for callback in build(tmp_path, patience=3) if isinstance(callback, EarlyStopping))
    assert (stopping.monitor, stopping.mode, stopping.patience) == ("val/loss", "min", 3)


def test_your_own_callback_is_built_from_its_node(tmp_path: Path) -> None:
    node = {"_target_": f"{__name__}.Greeting", "word": "bonjour"}
    (greeting,) = (callback for callback in build(tmp_path, extra={"hello": node}) if isinstance(callback, Greeting))
    assert greeting.word == "bonjour"


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (
            {"_target_": "nowhere.Nothing"},
            r"callbacks.extra.mine._target_ is 'nowhere.Nothing', but nowhere cannot be imported",
        ),
        ({"_target_": "pathlib.Nothing"}, r"'pathlib\.Nothing', but pathlib has no such class"),
        ({"_target_": f"{__name__}.Greeting", "wrod": "bonjour"}, "unexpected keyword argument 'wrod'"),
        ({"_target_": "pathlib.Path"}, r"does not extend pytorch_lightning\.callbacks"),
    ],
)
def test_an_invalid_callback_node_is_refused(tmp_path: Path, node: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build(tmp_path, extra={"mine": node})


def test_options_report_every_error() -> None:
    callbacks = CallbackOptions(patience=0, samples=-1, save_steps=0, extra={"mine": {"word": 1}})
    assert len(list(option_errors(callbacks, "callbacks"))) == 4
    assert len(list(option_errors(RangeTestOptions(1.0, 0.1, 3, 1.0, 1.0), "find_lr"))) == 4
    schedule = ScheduleOptions("two_cycles", unit="day", div=0.5, cycle_epochs=0)
    assert len(list(option_errors(schedule, "schedule"))) == 4
    assert not list(option_errors(CallbackOptions(), "callbacks"))
    assert not list(option_errors(ScheduleOptions(), "schedule"))
    assert not list(option_errors(RangeTestOptions(), "find_lr"))
