"""Runs with a non-finite loss or a metric that is never logged are stopped with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from seqvise.callbacks.guards import FiniteLoss, MonitorIsLogged, NonFiniteLossError, _Step
from seqvise.errors import UserError

from .tiny import TinyTask, loader, trainer_for


@dataclass
class Rows:
    inputs: Tensor
    rows: Tensor


def collate(items: list[int]) -> Rows:
    return Rows(torch.randn(len(items), 2), torch.tensor(items))


class Failing(TinyTask):
    """Has a NaN loss at one batch of the second epoch."""

    @override
    def training_step(self, batch: Rows, batch_idx: int) -> Tensor:  # type: ignore[override]
        loss = super().training_step([batch.inputs], batch_idx)
        return loss * float("nan") if (self.current_epoch, batch_idx) == (1, 2) else loss


def rows_loader() -> DataLoader[int]:
    return DataLoader(list(range(30, 40)), batch_size=2, collate_fn=collate)  # type: ignore[arg-type]


def test_nan_loss_names_its_batch_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    checkpoints = ModelCheckpoint(tmp_path, "kept", every_n_train_steps=1, save_top_k=1, enable_version_counter=False)
    trainer = trainer_for(tmp_path, FiniteLoss(), checkpoints, max_epochs=2, enable_checkpointing=True)
    with pytest.raises(NonFiniteLossError) as caught:
        trainer.fit(Failing(), rows_loader())
    message = str(caught.value)
    assert "became nan in epoch 2, batch 2 (rows 34, 35 of the training part)" in message
    assert f"The last good checkpoint is kept: {tmp_path / 'kept.ckpt'}" in message
    checkpoint = torch.load(tmp_path / "kept.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 7
    assert all(weight.isfinite().all() for weight in checkpoint["state_dict"].values())


def test_unchecked_losses_are_checked_before_a_checkpoint(tmp_path: Path) -> None:
    guard = FiniteLoss()
    trainer = trainer_for(tmp_path, max_epochs=1)
    trainer.fit(TinyTask(), loader(1))
    guard._unchecked = [_Step(0, 0, None, torch.tensor(1.0)), _Step(0, 1, None, torch.tensor(float("inf")))]
    with pytest.raises(NonFiniteLossError, match="became inf in epoch 1, batch 1"):
        guard.on_save_checkpoint(trainer, trainer.lightning_module, {})


def test_without_a_checkpoint_none_is_promised(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match="No checkpoint had been written yet"):
        trainer_for(tmp_path, FiniteLoss(), max_epochs=2).fit(Failing(), rows_loader())


@pytest.mark.parametrize(("validating", "names"), [(True, "train/loss, val/loss"), (False, "train/loss")])
def test_metric_that_is_never_logged_is_refused_with_those_that_are(
    tmp_path: Path, validating: bool, names: str
) -> None:
    trainer = trainer_for(tmp_path, MonitorIsLogged("val/blue"), max_epochs=3)
    with pytest.raises(UserError, match=f"monitor.metric is 'val/blue'.*: {names}"):
        trainer.fit(TinyTask(), loader(2), loader(1) if validating else None)
    assert trainer.current_epoch == 0


def test_metric_that_is_logged_is_accepted(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, MonitorIsLogged("val/loss"), max_epochs=1, num_sanity_val_steps=1)
    trainer.fit(TinyTask(), loader(2), loader(1))
    assert trainer.current_epoch == 1
