"""A task small enough to follow by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override


class TinyTask(pl.LightningModule):
    """Two linear layers in two groups, the second with a tenth of the rate; records the schedule of each step."""

    def __init__(self, optimizer: str = "adam", momentum: float = 0.9) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(2, 1)
        self.kind, self.momentum = optimizer, momentum
        self.scheduled: dict[str, float] = {"teacher_forcing": 1.0}
        self.seen: list[dict[str, float]] = []
        self.last_tokens = 12

    @override
    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        (inputs,) = batch
        groups = self.trainer.optimizers[0].param_groups
        momentum = groups[0]["betas"][0] if "betas" in groups[0] else groups[0]["momentum"]
        rates = {"lr": groups[0]["lr"], "head": groups[1]["lr"]}
        self.seen.append({**rates, "momentum": momentum, "step": self.global_step, **self.scheduled})
        loss: Tensor = self.head(self.body(inputs)).square().mean()
        self.log("train/loss", loss)
        return loss

    @override
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        (inputs,) = batch
        self.log("val/loss", self.head(self.body(inputs)).square().mean())

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = [
            {"params": self.body.parameters(), "lr": 1.0, "initial_lr": 1.0},
            {"params": self.head.parameters(), "lr": 0.1, "initial_lr": 0.1},
        ]
        if self.kind == "adam":
            return torch.optim.Adam(groups)
        return torch.optim.SGD(groups, momentum=self.momentum)


def loader(batches: int) -> DataLoader[Any]:
    """``batches`` batches of two rows."""
    generator = torch.Generator().manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(2 * batches, 2, generator=generator)), batch_size=2)


def trainer_for(folder: Path, *callbacks: pl.Callback, **settings: Any) -> pl.Trainer:
    """A quiet trainer on the CPU."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
    }
    return pl.Trainer(**{**quiet, **settings, "callbacks": list(callbacks)})
