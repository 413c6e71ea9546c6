"""Paths of earlier revisions: every moved module can still be imported, and every class is found."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from seqvise.config.compose import compose
from seqvise.config.registry import update_names
from seqvise.moved import (
    EXPERIMENTS,
    METRICS,
    MODULES,
    NAMES,
    current,
    current_metrics,
    current_override,
    current_state_key,
    former_attribute,
    metric_names,
    original,
)
from tests.earlier import EARLIER

PUBLIC = (
    "seqvise.models.encoder.Encoded",
    "seqvise.models.interface.PairBatch",
    "seqvise.models.interface.Seq2SeqModel",
    "seqvise.models.options.RecurrentOptions",
    "seqvise.models.recurrent.Recurrent",
    "seqvise.tasks.translation.Translation",
    "seqvise.runs.translator.load_run",
    "seqvise.runs.labeller.Classification",
    "seqvise.corpus.options.DataOptions",
    "seqvise.callbacks.options.ScheduleOptions",
)
"""Names that users of the first revisions imported: those of docs/extending.md, and similar ones."""


@pytest.mark.parametrize("path", sorted({*MODULES.values()}))
def test_every_module_of_the_table_exists(path: str) -> None:
    import_module(path)


@pytest.mark.parametrize("path", sorted(NAMES.values()))
def test_every_name_of_the_table_exists(path: str) -> None:
    module, _, name = current(path).rpartition(".")
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("path", PUBLIC)
def test_a_former_name_is_imported_with_one_warning(path: str) -> None:
    module, _, name = path.rpartition(".")
    code = f"import warnings\nwarnings.simplefilter('default')\nfrom {module} import {name}\nprint({name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == current(path).rpartition(".")[2]
    assert done.stderr.count("DeprecationWarning") == (current(path) != path)


def test_current_paths_are_unchanged() -> None:
    for path in (*MODULES.values(), *NAMES.values()):
        assert current(current(path)) == current(path)
    for path in (
        "seqvise.models.devise.losses",
        "torch.nn.Linear",
        "mine.model.Model",
        "adam",
        "seqvise.cli.train.main",
    ):
        assert current(path) == path


def test_a_name_that_never_was_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"module .seqvise\.models\.recurrent. has no attribute 'Nothing'"):
        former_attribute("seqvise.models.recurrent", "Nothing")
    with pytest.raises(ModuleNotFoundError):
        import_module("seqvise.apps.nothing")


def test_digests_use_the_first_path_of_a_class() -> None:
    first = "seqvise.images.pictures_network.PicturesNetwork"
    assert original(current(first)) == first
    assert original("mine.network.Network") == "mine.network.Network"
    assert original("resnet18") == "resnet18"


@pytest.mark.parametrize("path", sorted(EARLIER.glob("runs/*/config.yaml")), ids=lambda path: path.parent.name)
def test_the_paths_of_an_earlier_config_are_updated(path: Path) -> None:
    config = cast(DictConfig, OmegaConf.load(path))
    before = (config.model._target_, config.model.task)
    update_names(config)
    for former, present in zip(before, (config.model._target_, config.model.task), strict=True):
        module, _, name = present.rpartition(".")
        assert getattr(import_module(module), name).__module__ == module
        assert present == current(former)


def test_experiments_are_found_by_their_former_names() -> None:
    assert current_override("experiment=seed/rnn") == "experiment=lesson11/rnn"
    assert current_override("+experiment=seed/lm,mine") == "+experiment=lesson10/lm,mine"
    assert current_override("model=seed/rnn") == "model=seed/rnn"
    for former, name in EXPERIMENTS.items():
        assert compose([f"experiment={former}"]) == compose([f"experiment={name}"])


def test_metrics_are_found_by_their_former_names() -> None:
    assert current_override("monitor.metric=val/lesson_loss") == "monitor.metric=val/loss_free_padded"
    assert current_override("monitor.metric=val/loss, test/free_loss") == "monitor.metric=val/loss,test/loss_free"
    assert current_override("data.root=val/free_loss/x=y") == "data.root=val/free_loss/x=y"
    assert metric_names("val/loss_free") == ("val/free_loss", "val/loss_free")
    assert metric_names("val/bleu") == ("val/bleu",)
    assert current_metrics({"val/free_loss": 1.5, "val/loss": 2.0}) == {"val/loss_free": 1.5, "val/loss": 2.0}
    assert not set(METRICS) & set(METRICS.values())


@pytest.mark.parametrize(("former", "name"), METRICS.items())
@pytest.mark.parametrize("kind", [ModelCheckpoint, EarlyStopping])
def test_states_of_callbacks_are_found_by_former_names_of_metrics(
    kind: type[ModelCheckpoint | EarlyStopping], former: str, name: str
) -> None:
    assert current_state_key(kind(monitor=former).state_key) == kind(monitor=name).state_key
    assert current_state_key(kind(monitor=name).state_key) == kind(monitor=name).state_key


def test_a_former_path_in_a_config_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        update_names(OmegaConf.create({"model": {"task": "seqvise.tasks.translation.Translation"}}), warn=True)
        update_names({"callbacks": {"extra": {"a": {"_target_": "seqvise.tasks.translation.Translation"}}}}, warn=True)
    assert len([text for text in caplog.messages if text.startswith("callbacks.extra.a._target_: ")]) == 1
    assert len([text for text in caplog.messages if text.startswith("model.task: ")]) <= 1
