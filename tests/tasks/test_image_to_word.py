"""The image-to-word task on synthetic features: metrics, losses and random draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from seqvise.config.validate import METRICS
from seqvise.errors import UserError
from seqvise.models.devise import losses
from seqvise.models.devise.model import Devise
from seqvise.models.devise.options import LOSSES, DeviseOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.image_to_word import ImageToWord, loss_of
from seqvise.tasks.options import MonitorOptions, OptimizerOptions
from tests.tasks.made_up import DIM, HELD_OUT, WIDTH, data_module, protocol


def build(held_out: Sequence[int] = HELD_OUT, lr: float = 1e-2, **options: object) -> ImageToWord:
    torch.manual_seed(0)
    model = Devise(DeviseOptions(**{"hidden": 32, **options}), WIDTH, DIM)  # type: ignore[arg-type]
    monitor = MonitorOptions("val/hit@1", "max")
    return ImageToWord(model, OptimizerOptions(lr=lr), ScheduleOptions(), monitor, protocol(held_out=held_out), seed=1)


def trainer(**options: object) -> pl.Trainer:
    quiet: dict[str, object] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "num_sanity_val_steps": 0, "log_every_n_steps": 1}
    return pl.Trainer(**{**quiet, **options}, use_distributed_sampler=False)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained() -> tuple[ImageToWord, dict[str, float]]:
    task, runner = build(), trainer(max_epochs=15)
    task.metric_functions = {"own": lambda outputs, references: sum(map(str.__eq__, outputs, references))}
    runner.fit(task, data_module())
    return task.eval(), {name: float(value) for name, value in runner.callback_metrics.items()}


def test_training_learns_seen_labels(trained: tuple[ImageToWord, dict[str, float]]) -> None:
    _, logged = trained
    assert logged["val/hit@1"] > 0.9
    assert logged["val/loss"] < 0.1
    assert logged["val/held_out/hit@1"] > 1 / 3


def test_validation_metrics_equal_a_simple_computation(trained: tuple[ImageToWord, dict[str, float]]) -> None:
    task, logged = trained
    data, zero_shot = data_module(), task.protocol
    (seen, held_out) = (next(iter(loader)) for loader in data.val_dataloader())
    with torch.no_grad():
        columns = torch.from_numpy(np.searchsorted(zero_shot.seen, seen.labels.numpy()))
        table = torch.from_numpy(zero_shot.labels.vectors)
        raw = task.model.head(seen.inputs)
        assert logged["val/loss"] == pytest.approx(float(losses.cosine(raw, seen.labels, table)), rel=1e-4)
        predictions = (task.model(seen.inputs) @ table[zero_shot.seen].T).argmax(1)
        assert logged["val/hit@1"] == pytest.approx(float((predictions == columns).float().mean()))
        assert logged["val/own"] == int((predictions == columns).sum())
        predictions = (task.model(held_out.inputs) @ table.T).argmax(1)
        expected = float((predictions == held_out.labels).float().mean())
        assert logged["val/held_out_among_all/hit@1"] == pytest.approx(expected)


def test_every_metric_of_validation_may_be_monitored(trained: tuple[ImageToWord, dict[str, float]]) -> None:
    _, logged = trained
    known = {*METRICS["seqvise.tasks.image_to_word.ImageToWord"], "val/own"}
    assert [name for name in logged if name.startswith("val/") and name not in known] == []


def test_testing_also_logs_the_chance_level(trained: tuple[ImageToWord, dict[str, float]]) -> None:
    task, _ = trained
    loaders = trainer().test(task, data_module(), verbose=False)
    metrics = {name: value for part in loaders for name, value in part.items()}
    assert metrics["test/chance/held_out/hit@1"] == pytest.approx(1 / 3)
    assert metrics["test/seen/hit@1"] > 0.9
    assert len(task.images["held_out"].labels) == 9


def test_without_held_out_labels_there_is_one_loader() -> None:
    task, runner = build(held_out=()), trainer(max_epochs=1)
    runner.fit(task, data_module(held_out=()))
    assert "val/hit@1" in runner.callback_metrics
    assert not any("held_out" in name for name in runner.callback_metrics)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains(loss: str) -> None:
    task, runner = build(loss=loss, margin=0.3), trainer(max_epochs=15)
    runner.fit(task, data_module())
    assert float(runner.callback_metrics["val/hit@1"]) > 0.6


def test_losses_use_their_parameters() -> None:
    outputs, labels, table = torch.randn(3, 4), torch.tensor([0, 1, 1]), torch.eye(2, 4)
    hinge = loss_of(DeviseOptions(loss="hinge", margin=0.7))
    torch.testing.assert_close(hinge(outputs, labels, table), losses.hinge(outputs, labels, table, 0.7))
    contrastive = loss_of(DeviseOptions(loss="contrastive", temperature=0.3))
    expected = losses.contrastive(outputs, labels, table, 0.3)
    torch.testing.assert_close(contrastive(outputs, labels, table), expected)


def test_the_random_draws_of_a_step_depend_only_on_its_index() -> None:
    task = build()
    batch = next(iter(data_module().train_dataloader()))
    draws = []
    for _ in range(2):
        torch.rand(7)
        task.on_train_batch_start(batch, 5)
        draws.append(torch.rand(3))
    assert torch.equal(*draws)


def test_checkpoints_contain_only_the_model() -> None:
    assert all(name.startswith("model.") for name in build().state_dict())


def test_plateau_uses_torchs_scheduler() -> None:
    task = build()
    task.schedule_options = ScheduleOptions(name="plateau", factor=0.3)
    scheduler = task.configure_optimizers()["lr_scheduler"]
    assert (scheduler["scheduler"].factor, scheduler["monitor"]) == (0.3, "val/hit@1")


def test_unfreezing_after_the_start_is_refused_with_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    task = build(unfreeze=[0, 2])
    task.model.groups = [[], []]
    task._trainer = trainer()
    monkeypatch.setattr(pl.Trainer, "world_size", 2)
    with pytest.raises(UserError, match=r"model.unfreeze is \[0, 2\]"):
        task.on_fit_start()


def test_a_checkpoint_without_states_of_callbacks_stays_without() -> None:
    # Lightning calls the callbacks' own hooks only if a checkpoint has states.
    checkpoint: dict[str, object] = {}
    build().on_load_checkpoint(checkpoint)
    assert checkpoint == {}
