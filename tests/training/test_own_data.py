"""A kind of data, with its model and task, that a user adds from outside the package: one module and two configs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from seqvise.cli.main import main

MODULE = '''
"""Pairs of numbers whose sum a linear layer learns."""
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from seqvise.config.options import Config
from seqvise.options import Options, Problem
from seqvise.training.build import Parts, make_task
from seqvise.models.options import ForcingOptions

@dataclass
class SumsOptions(Options):
    kind: str = "own_sums.Sums"
    name: str = "sums"
    count: int = 64
    batch_size: int = 16
    download: bool = False
    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        if self.count < 1:
            yield "count", f"is {self.count}, but must be at least 1."

class SumsData(pl.LightningDataModule):
    def __init__(self, options: SumsOptions, seed: int) -> None:
        super().__init__()
        numbers = torch.rand(options.count, 2, generator=torch.Generator().manual_seed(seed))
        self.rows, self.batch_size = TensorDataset(numbers, numbers.sum(1, keepdim=True)), options.batch_size
    def train_dataloader(self):
        return DataLoader(self.rows, self.batch_size)
    def val_dataloader(self):
        return DataLoader(self.rows, self.batch_size)

class Line(nn.Linear):
    def __init__(self, options: dict) -> None:
        super().__init__(2, 1)

class Regression(pl.LightningModule):
    def __init__(self, model, optimizer, schedule, monitor, seed) -> None:
        super().__init__()
        self.model, self.lr, self.scheduled = model, optimizer.lr, {}
    def training_step(self, batch, index):
        return self._loss("train", batch)
    def validation_step(self, batch, index):
        self._loss("val", batch)
    def _loss(self, stage, batch):
        loss = (self.model(batch[0]) - batch[1]).square().mean()
        self.log(f"{stage}/loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)

class Sums:
    options_type = SumsOptions
    @staticmethod
    def build(config: Config, seed: int) -> Parts:
        task = make_task(config, Line(config.model), seed)
        return Parts(SumsData(config.data, seed), task, False, lambda folder: None)
'''
WORDS = ["data=sums", "model=line", "monitor.metric=val/loss", "monitor.mode=min", "vectors=none", "trainer=cpu"]
TRAIN = ["train", *WORDS, "trainer.max_epochs=30", "optimizer.lr=0.1", "logger=none", "hydra.run.dir=run", "seed=1"]


@pytest.fixture
def project(here: Path) -> Path:
    """A folder with the user's module and configs."""
    (here / "own_sums.py").write_text(MODULE)
    for group, name, text in (
        ("data", "sums", "kind: own_sums.Sums\nname: sums\ncount: 64\nbatch_size: 16\ndownload: false\n"),
        ("model", "line", "_target_: own_sums.Line\ntask: own_sums.Regression\n"),
    ):
        file = here / "conf" / group / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    sys.modules.pop("own_sums", None)
    return here


def test_a_kind_of_data_from_outside_is_trained(project: Path) -> None:
    assert main(TRAIN) == 0
    metrics = json.loads((project / "run" / "metrics.json").read_text())
    assert metrics["val/loss"] < 0.01
    assert metrics["epochs"] == 30


def test_its_options_are_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "data.count=0", "+data.foo=1"]) == 2
    assert "data.foo" in capsys.readouterr().err
    assert main([*TRAIN, "data.count=0"]) == 2
    assert "data.count is 0, but must be at least 1." in capsys.readouterr().err
    assert not (project / "run").exists()


@pytest.mark.usefixtures("project")
def test_a_class_without_options_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "data.kind=own_sums.Line"]) == 2
    assert "data.kind is 'own_sums.Line', but that class has no options_type" in capsys.readouterr().err
    assert main([*TRAIN, "data.kind=sums"]) == 2
    assert "or the dotted path of a class of your own" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["own_sums.Sums", "images"])
@pytest.mark.usefixtures("project")
def test_another_kind_with_the_keys_of_the_default_data_names_the_group(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main(["train", f"data.kind={kind}"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"data.kind is '{kind}', but these keys of data belong to another kind" in last
    assert "with data=NAME" in last
