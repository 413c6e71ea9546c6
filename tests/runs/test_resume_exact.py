"""A killed and resumed run has the same weights as an uninterrupted one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from typing_extensions import override

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.training.fit import fit

SMALL = [
    "data.limit=36",
    "data.batch_size=8",
    "model=attention",
    "model.embedding=12",
    "model.encoder_hidden=6",
    "model.decoder_hidden=12",
    "vectors.dim=12",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.limit_val_batches=1",
    "trainer.log_every_n_steps=1",
    "callbacks.progress=false",
    "callbacks.samples=2",
    "test=false",
    "logger=none",
]


Variant = tuple[str, dict[str, Any]]


class Killed(BaseException):
    """Ends a run as a kill does: nothing of ours hears of it."""


class Kill(pl.Callback):
    """Kills before a batch, or in a validation, by their numbers in this process."""

    def __init__(self, batch: int | None = None, validation: int | None = None) -> None:
        self.batch, self.validation, self.validations = batch, validation, 0

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        if self.batch is not None and trainer.fit_loop.epoch_loop.total_batch_idx == self.batch:
            raise Killed

    @override
    def on_validation_batch_end(self, *_: Any) -> None:
        self.validations += 1
        if self.validations == self.validation:
            raise Killed


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def train(
    folder: Path, cache: Path, *words: str, resumed: bool = False, kill: dict[str, int] | None = None
) -> dict[str, Any]:
    """Everything in the last checkpoint that decides what comes next, and the best validation."""
    node = {"_target_": f"{__name__}.Kill", **kill} if kill else {}
    killer = [f"+callbacks.extra.kill.{name}={value}" for name, value in node.items()]
    small = (
        SMALL
        if not any(word.startswith("data=text") for word in words)
        else [word for word in SMALL if not word.startswith(TRANSLATING)]
    )
    cfg = compose([*small, f"paths.cache={cache}", *words, *killer])
    cfg.paths.run = str(folder)
    fit(typed(cfg), folder, resumed)
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {
        "weights": saved["state_dict"],
        "trained": saved.get("current_model_state", {}),
        "optimizers": saved["optimizer_states"],
        "step": saved["global_step"],
        "best": {name: value for name, value in metrics.items() if name.startswith(("val/", "epoch", "steps"))},
        "schedulers": saved["lr_schedulers"],
    }


def assert_same(actual: Any, expected: Any, path: str = "") -> None:
    """Equality in every bit."""
    assert type(actual) is type(expected), path
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), path
        for name in expected:
            assert_same(actual[name], expected[name], f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for place, pair in enumerate(zip(actual, expected, strict=True)):
            assert_same(*pair, f"{path}[{place}]")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected), path
    else:
        assert actual == expected, path


TRANSLATING = ("data.", "model", "vectors.")
STREAM = [
    "data=text_lines",
    "data.format=phrasebook",
    "data.limit=60",
    "data.batch_size=6",
    "data.bptt=14",
    "model=awd_lstm",
    "model.embedding=8",
    "model.hidden=10",
    "model.layers=2",
    "monitor.metric=val/ppl",
    "monitor.mode=min",
    "callbacks.save_steps=1",
]
"""Laid over ``SMALL``, in the place of its data and model."""

VARIANTS = {
    "plain": ["callbacks.save_steps=1"],
    "epochs": [],
    "workers": ["callbacks.save_steps=1", "data.workers=2"],
    "accumulation": ["callbacks.save_steps=1", "trainer.accumulate_grad_batches=3"],
    "within_accumulation": [
        "callbacks.save_steps=1",
        "trainer.accumulate_grad_batches=2",
        "trainer.val_check_interval=3",
    ],
    "average": ["callbacks.save_steps=1", "callbacks.average=ema"],
    "often": ["callbacks.save_steps=1", "trainer.val_check_interval=2"],
    "steps": [
        "callbacks.save_steps=1",
        "trainer.max_epochs=-1",
        "trainer.max_steps=11",
        "trainer.check_val_every_n_epoch=null",
        "trainer.val_check_interval=3",
    ],
    "rarely": ["callbacks.save_steps=1", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4"],
    "plateau": ["callbacks.save_steps=1", "schedule=plateau", "schedule.patience=1"],
    "swa": ["callbacks.save_steps=2", "callbacks.average=swa", "callbacks.average_start=0.4"],
    "subwords": [
        "callbacks.save_steps=1",
        "tokenizer=sentencepiece",
        "tokenizer.max_words=60",
        "tokenizer.sampling=0.3",
    ],
    "stream": [*STREAM, "data.workers=1"],
    "nt_asgd": [
        *STREAM,
        "optimizer=sgd",
        "optimizer.lr=8",
        "schedule=constant",
        "trainer.val_check_interval=2",
        "callbacks.average=nt_asgd",
        "callbacks.average_patience=1",
    ],
    "labels": [
        *(word for word in STREAM if not word.startswith(("data", "model=", "monitor"))),
        "data=text_labels",
        "data.format=phrasebook",
        "data.limit=60",
        "data.batch_size=8",
        "model=text_classifier",
        "model.window=5",
        "model.unfreeze=[0,0,1]",
        "monitor.metric=val/accuracy",
    ],
    "stages": [*STREAM, "model.unfreeze=[0,1]", "model.group_rates=[0.5,0.7,1]", "trainer.accumulate_grad_batches=2"],
}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Variant:
    """Its name, and what it ends with where nothing happens."""
    return request.param, train(tmp_path_factory.mktemp("alone") / "run", cache, *VARIANTS[request.param])


KILLS = [{"batch": 3}, {"batch": 5}, {"batch": 8}, {"validation": 2}]


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    variant: Variant, kill: dict[str, int], tmp_path: Path, cache: Path
) -> None:
    name, expected = variant
    if name != "plain" and kill not in KILLS[2:]:
        pytest.skip("one kill between two validations and one within a validation, for each variant")
    with pytest.raises(Killed):
        train(tmp_path / "run", cache, *VARIANTS[name], kill=kill)
    assert_same(train(tmp_path / "run", cache, *VARIANTS[name], resumed=True), expected)
