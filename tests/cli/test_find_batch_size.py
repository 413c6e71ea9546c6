"""The search for the largest batch size, and trials with a simulated device that runs out of memory."""

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
    attempts: list[int] = []

    def attempt(size: int) -> Trial:
        attempts.append(size)
        return Trial(1 if size <= fits else None, whole=size >= examples)

    batch_size = largest(attempt, 8)
    assert len(attempts) == len(set(attempts)) <= 18
    if batch_size is None:
        assert fits < 8
    elif batch_size < examples:
        assert batch_size <= fits
        assert any(batch_size < size <= batch_size + max(1, batch_size // 8) for size in attempts if size > fits)
    else:
        assert batch_size < max(2 * examples, 16)


SMALL = ["data.limit=200", "model=rnn", "model.embedding=8", "model.encoder_hidden=4", "model.decoder_hidden=8"]
WORDS = [*SMALL, "vectors.dim=8", "trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize(("room", "batch_size"), [(50, 48), (10_000, 256)])
def test_steps_are_trained_until_memory_runs_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: int, batch_size: int
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
    captured = capsys.readouterr()
    assert f"largest that fits: data.batch_size={batch_size} (" in captured.out
    assert ("data.batch_size=64: out of memory" in captured.err) is (room == 50)
    assert sizes[:4] == [8, 8, 8, 16]
    assert [path.name for path in here.iterdir()] == ["outputs"]
    assert [path.name for path in (here / "outputs").iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trainer=cpu"], "trainer.accelerator=cpu has none on this machine"),
        (["trainer=ddp_cpu", "trainer.devices=2"], "trainer.devices is 2, but must be 1"),
        (["data.batch_size=null", "data.batch_tokens=4000"], "data.batch_tokens limits batches by their tokens"),
    ],
)
def test_invalid_searches_are_refused(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err
