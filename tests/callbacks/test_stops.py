"""For every limit of training in Lightning: the same number of steps with these callbacks, also after a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from typing_extensions import override

from seqvise.callbacks.checkpoints import LAST, build_checkpoints
from seqvise.callbacks.exact_resume import ExactResume
from seqvise.callbacks.options import CallbackOptions
from seqvise.tasks.options import MonitorOptions
from tests.callbacks.tiny import TinyTask, loader, trainer_for

BATCHES = 4
Event = tuple[str, int, int, int]
"""Kind of event, epoch, batch of the epoch, and optimizer steps so far."""


class Killed(BaseException):
    """Ends training without running callbacks."""


class Trace(pl.Callback):
    """Records events, makes one batch slow, and kills training before a batch.

    Args:
        kill: the batch to kill before, counted over epochs.
        slow: the batch during which `max_time` is exceeded.
        stop: the batch that requests early stopping.
    """

    def __init__(self, kill: int | None = None, slow: int | None = None, stop: int | None = None) -> None:
        self.events: list[Event] = []
        self.kill, self.slow, self.stop = kill, slow, stop

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        total = trainer.fit_loop.epoch_loop.total_batch_idx
        if total == self.kill:
            raise Killed
        if total == self.slow:
            time.sleep(1.1)
        if total == self.stop:
            trainer.should_stop = True
        self.events.append(("train", trainer.current_epoch, batch_idx, trainer.global_step))

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.events.append(("validate", trainer.current_epoch, 0, trainer.global_step))

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.events.append(("end", trainer.current_epoch, 0, trainer.global_step))


STOPS: dict[str, dict[str, Any]] = {
    "epochs": {"max_epochs": 3},
    "steps within an epoch": {"max_epochs": 3, "max_steps": 10},
    "steps at the end of an epoch": {"max_epochs": 3, "max_steps": 8},
    "steps beyond the epochs": {"max_epochs": 2, "max_steps": 100},
    "steps of two batches": {"max_epochs": 4, "max_steps": 5, "accumulate_grad_batches": 2},
    "steps alone": {"max_epochs": -1, "max_steps": 10},
    "validation over epochs": {
        "max_epochs": -1,
        "max_steps": 11,
        "check_val_every_n_epoch": None,
        "val_check_interval": 3,
    },
    "validation over epochs, at their ends": {
        "max_epochs": -1,
        "max_steps": 14,
        "check_val_every_n_epoch": None,
        "val_check_interval": 6,
    },
    "validation within epochs": {"max_epochs": -1, "max_steps": 10, "val_check_interval": 2},
    "rare validation": {"max_epochs": 4, "max_steps": 15, "check_val_every_n_epoch": 2},
    "no validation": {"max_epochs": 3, "max_steps": 10, "limit_val_batches": 0},
    "fewer batches": {"max_epochs": 3, "max_steps": 7, "limit_train_batches": 3},
    "early stopping": {"max_epochs": 3, "max_steps": 10, "stop": 6},
    "early stopping, not before": {"max_epochs": 3, "max_steps": 10, "stop": 1, "min_epochs": 2, "min_steps": 6},
}


def fit(folder: Path, trace: Trace, *callbacks: pl.Callback, resumed: bool = False, **settings: Any) -> pl.Trainer:
    trainer = trainer_for(folder, trace, *callbacks, enable_checkpointing=bool(callbacks), **settings)
    checkpoint = folder / LAST if resumed and (folder / LAST).is_file() else None
    trainer.fit(TinyTask(), loader(BATCHES), loader(2), ckpt_path=checkpoint, weights_only=True)
    return trainer


def resumable_callbacks(folder: Path) -> list[pl.Callback]:
    monitor = MonitorOptions("val/loss", "min")
    return [ExactResume("val/loss"), *build_checkpoints(CallbackOptions(save_steps=1), monitor, folder)]


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


Plain = tuple[tuple[int, int], Trace]


@pytest.fixture
def plain(stop: str, plain_folder: Path, plain_traces: dict[str, Plain]) -> Plain:
    """Counts and trace of Lightning without callbacks, computed once for both tests of a limit."""
    if stop not in plain_traces:
        settings = dict(STOPS[stop])
        trace = Trace(stop=settings.pop("stop", None))
        plain_traces[stop] = counts(fit(plain_folder, trace, **settings)), trace
    return plain_traces[stop]


@pytest.fixture(scope="module")
def plain_traces() -> dict[str, Plain]:
    return {}


def counts(trainer: pl.Trainer) -> tuple[int, int]:
    return trainer.global_step, trainer.current_epoch


@pytest.mark.parametrize("stop", STOPS)
def test_training_is_as_long_as_with_plain_lightning(tmp_path: Path, stop: str, plain: Plain) -> None:
    settings = dict(STOPS[stop])
    trace = Trace(stop=settings.pop("stop", None))
    expected, former = plain
    assert counts(fit(tmp_path / "ours", trace, *resumable_callbacks(tmp_path / "ours"), **settings)) == expected
    assert trace.events == former.events
    assert expected[0] == {"steps within an epoch": 10, "steps of two batches": 5}.get(stop, expected[0])


@pytest.mark.filterwarnings("ignore:.*not resumable", "ignore:.*could not find the monitored key")
@pytest.mark.parametrize("stop", STOPS)
def test_killed_training_is_as_long(tmp_path: Path, stop: str, plain: Plain) -> None:
    settings = dict(STOPS[stop])
    stop_batch = settings.pop("stop", None)
    expected, former = plain
    trained = [event for event in former.events if event[0] == "train"]
    for kill in (2, 4, len(trained) - 1):  # within the first epoch, at its end, and late
        folder = tmp_path / str(kill)
        with pytest.raises(Killed):
            fit(folder, Trace(kill=kill, stop=stop_batch), *resumable_callbacks(folder), **settings)
        processed = 0
        if (folder / LAST).is_file():
            saved = torch.load(folder / LAST, weights_only=True)
            processed = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"]
        trace = Trace(stop=stop_batch)
        assert counts(fit(folder, trace, *resumable_callbacks(folder), resumed=True, **settings)) == expected, kill
        assert [event for event in trace.events if event[0] == "train"] == trained[processed:], kill
        assert trace.events == former.events[len(former.events) - len(trace.events) :], kill


def test_a_time_limit_ends_training_as_with_plain_lightning(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_epochs": 3, "max_steps": 100, "max_time": "00:00:00:01"}
    plain, trace = Trace(slow=5), Trace(slow=5)
    expected = counts(fit(tmp_path / "plain", plain, **settings))
    assert expected == (6, 2)
    assert counts(fit(tmp_path / "ours", trace, *resumable_callbacks(tmp_path / "ours"), **settings)) == expected
    assert trace.events == plain.events
    later = Trace()
    more: dict[str, Any] = {**settings, "max_time": "00:01:00:00"}
    resumed = fit(tmp_path / "ours", later, *resumable_callbacks(tmp_path / "ours"), resumed=True, **more)
    assert counts(resumed) == (12, 3)
    assert [event[:3] for event in later.events if event[0] == "train"][:2] == [("train", 1, 2), ("train", 1, 3)]


@pytest.mark.filterwarnings("ignore:.*not resumable", "ignore:.*could not find the monitored key")
@pytest.mark.parametrize(("first", "more"), [(10, 15), (8, 15), (3, 12)])
def test_finished_training_can_be_extended(tmp_path: Path, first: int, more: int) -> None:
    plain, trace = Trace(), Trace()
    settings: dict[str, Any] = {"max_epochs": -1}
    fit(tmp_path / "plain", plain, max_steps=more, **settings)
    fit(tmp_path / "ours", Trace(), *resumable_callbacks(tmp_path / "ours"), max_steps=first, **settings)
    resumed = fit(
        tmp_path / "ours", trace, *resumable_callbacks(tmp_path / "ours"), resumed=True, max_steps=more, **settings
    )
    assert resumed.global_step == more
    trained = [event for event in plain.events if event[0] == "train"]
    assert [event for event in trace.events if event[0] == "train"] == trained[first:]
