"""`schedule=plateau`: patience counts like callbacks.patience, and like torch for runs of earlier revisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seqvise.config.compose import compose
from seqvise.config.formats import load_config
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.optimizers import with_plateau
from seqvise.tasks.options import MonitorOptions
from tests.earlier import EARLIER

MAX = MonitorOptions("val/x", "max")


def rates(values: list[float], mode: str = "max", **options: Any) -> list[float]:
    """The learning rate after each validation; it is 1 at the start, and halved at each fall."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    configured = with_plateau(optimizer, ScheduleOptions(name="plateau", **options), MonitorOptions("val/x", mode))
    learning_rates = []
    for value in values:
        configured["lr_scheduler"]["scheduler"].step(value)
        learning_rates.append(optimizer.param_groups[0]["lr"])
    return learning_rates


def test_the_rate_falls_after_patience_validations() -> None:
    assert rates([0.5, 0.5, 0.5, 0.5], patience=1) == [1, 0.5, 0.25, 0.125]
    assert rates([0.5, 0.4, 0.6, 0.6, 0.5, 0.5, 0.5], patience=2) == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert rates([5.0, 4.0, 4.0, 4.0, 3.0], mode="min", patience=2) == [1, 1, 1, 0.5, 0.5]
    assert rates([5.0, 4.99999, 4.99998], mode="min", patience=1) == [1, 1, 1], "any improvement counts"


def test_torchs_rule_waits_for_one_more_and_ignores_small_improvements() -> None:
    assert rates([0.5, 0.5, 0.5, 0.5, 0.5], patience=1, patience_rule="torch") == [1, 1, 0.5, 0.5, 0.25]
    assert rates([5.0, 4.99999, 4.99998], mode="min", patience=1, patience_rule="torch") == [1, 1, 0.5]


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("values", [[1, 2, 1, 1, 1, 3, 1, 1, 1, 1], [3, 2, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2, 2]])
def test_patience_counts_like_early_stopping(values: list[float], patience: int, tmp_path: Path) -> None:
    """The first fall is at the validation at which early stopping with the same patience stops training."""

    class Task(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.rates: list[float] = []

        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
            return self.weight.sum()

        def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
            self.log("val/x", float(values[self.current_epoch // 2]))

        def configure_optimizers(self) -> Any:
            options = ScheduleOptions(name="plateau", patience=patience)
            return with_plateau(torch.optim.SGD([self.weight], lr=1.0), options, MAX, 2)

    def epochs(task: Task, *callbacks: pl.Callback) -> int:
        trainer = pl.Trainer(
            max_epochs=2 * len(values),
            check_val_every_n_epoch=2,
            num_sanity_val_steps=0,
            callbacks=list(callbacks),
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        loader: DataLoader[Any] = DataLoader(torch.zeros(1, 1))  # type: ignore[arg-type]
        trainer.fit(task, loader, loader)
        return int(trainer.current_epoch)

    stopped_after = epochs(Task(), pl.callbacks.EarlyStopping("val/x", mode="max", patience=patience))
    task = Task()
    epochs(task)
    fell_after = next((epoch for epoch, rate in enumerate(task.rates) if rate < 1), len(task.rates))
    assert fell_after == stopped_after


def test_earlier_runs_keep_torchs_rule() -> None:
    former = typed(load_config(EARLIER / "runs" / "accumulated" / "config.yaml")).schedule
    assert (former.name, former.patience, former.patience_rule) == ("plateau", 1, "torch")
    other = load_config(EARLIER / "runs" / "translation" / "config.yaml")
    assert "patience_rule" not in other.schedule
    assert typed(compose(["schedule=plateau"])).schedule.patience_rule == "exact"


def test_an_invalid_patience_is_refused() -> None:
    assert validate(compose(["schedule=plateau", "schedule.patience=0"])) == [
        "schedule.patience is 0, but must be at least 1."
    ]
    assert validate(compose(["schedule=plateau", "schedule.patience=0", "schedule.patience_rule=torch"])) == []
    assert "must be one of exact, torch" in validate(compose(["schedule.patience_rule=some"]))[0]
