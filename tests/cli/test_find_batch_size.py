"""The largest batches that fit: the search, and trials with a device that is short of memory in make-believe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.cli import find_batch_size
from seqvise.cli.find_batch_size import Trial, largest, main
from seqvise.tasks.translation import TranslationTask


@given(st.integers(0, 5000), st.integers(1, 5000))
def test_the_largest_is_found_to_an_eighth_in_few_trials(fits: int, examples: int) -> None:
    tried: list[int] = []

    def attempt(size: int) -> Trial:
        tried.append(size)
        return Trial(1 if size <= fits else None, whole=size >= examples)

    found = largest(attempt, 8)
    assert len(tried) == len(set(tried)) <= 18
    if found is None:
        assert fits < 8
    elif found < examples:
        assert found <= fits
        assert any(found < size <= found + max(1, found // 8) for size in tried if size > fits)
    else:
        assert found < max(2 * examples, 16)


SMALL = ["data.limit=200", "model=rnn", "model.embedding=8", "model.encoder_hidden=4", "model.decoder_hidden=8"]
WORDS = [*SMALL, "vectors.dim=8", "trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize(("room", "found"), [(50, 48), (10_000, 256)])
def test_steps_are_trained_until_memory_runs_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: int, found: int
) -> None:
    step, sizes = TranslationTask.training_step, list[int]()

    def training_step(self: TranslationTask, batch: Any, index: int) -> Any:
        sizes.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, batch, index)

    monkeypatch.setattr(TranslationTask, "training_step", training_step)
    monkeypatch.setattr(find_batch_size, "_refuse", lambda _: None)
    assert main(WORDS) == 0
    told = capsys.readouterr()
    assert f"largest that fits: data.batch_size={found} (" in told.out
    assert ("data.batch_size=64: more memory than there is" in told.err) is (room == 50)
    assert sizes[:4] == [8, 8, 8, 16]
    assert [path.name for path in here.iterdir()] == ["outputs"]
    assert [path.name for path in (here / "outputs").iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trainer=cpu"], "trainer.accelerator=cpu has none here"),
        (["trainer=ddp_cpu", "trainer.devices=2"], "trainer.devices is 2: find the size with one device"),
        (["data.batch_size=null", "data.batch_tokens=4000"], "data.batch_tokens sizes batches by their words"),
    ],
)
def test_what_cannot_be_found_is_said(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err
