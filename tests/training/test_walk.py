"""A batch passes through few modules on its way from the store to the loss of a training step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import torch

import seqvise
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.runs.directory import RunDirectory
from seqvise.training.build import build_job
from tests.earlier import copy_of
from tests.training.test_initial_weights import KINDS

PACKAGE = Path(seqvise.__file__).parent
MAX_MODULES = 22
PHRASES = ["data=phrasebook", "data.limit=40", "data.batch_size=8", "data.workers=0", "vectors=none"]
MODELS = {
    "attention": [
        *("experiment=lesson11/attention", *PHRASES, "model.embedding=8", "model.encoder_hidden=6"),
        *("model.decoder_hidden=8", "model.teacher_forcing.start=0.5"),
    ],
    "transformer": ["model=transformer", *PHRASES, "model.embedding=8", "model.heads=2"],
    "awd_lstm": KINDS["language_model"],
    "devise": KINDS["images"],
}


@contextmanager
def entered_modules() -> Iterator[set[str]]:
    """The modules of the package whose functions this thread calls in the block."""
    modules: set[str] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(PACKAGE):
            modules.add(str(file.relative_to(PACKAGE)))

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield modules
    finally:
        sys.setprofile(previous)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.usefixtures("here")
def test_a_batch_reaches_its_loss_in_few_modules(tmp_path: Path, model: str) -> None:
    if model == "devise":
        pytest.importorskip("torchvision")
    copy_of(tmp_path, "images", "network.pt", "words.vec")
    for part in ("train", "valid"):
        (tmp_path / f"{part}.en").write_text("one two three ?\n" * 40, encoding="utf-8")
    overrides = ["trainer=cpu", "logger=none", "seed=1", "paths.cache=cache", "callbacks.progress=false"]
    (tmp_path / "run").mkdir()
    job = build_job(typed(compose([*MODELS[model], *overrides])), RunDirectory(tmp_path / "run"))
    task = job.parts.task.train()
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    batches = iter(job.parts.data.train_dataloader())
    with entered_modules() as modules:
        batch = next(batches)
        task.on_train_batch_start(batch, 0)
        loss = task.training_step(batch, 0)
    assert isinstance(loss, torch.Tensor)
    assert loss.requires_grad
    assert any(module.startswith("datamodules/") for module in modules)
    assert any(module.startswith("tasks/") for module in modules)
    assert len(modules) <= MAX_MODULES, sorted(modules)
