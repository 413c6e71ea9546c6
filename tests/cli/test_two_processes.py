"""Two processes train as one does: the same weights and scores from the same batches, cut in two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
SMALL = ["data.limit=100", "model=attention", "model.embedding=16", "model.encoder_hidden=8", "model.decoder_hidden=16"]
# Draws differ between processes, so there are none: no dropout, every word forced.
STILL = ["model.dropout.scale=0", "model.teacher_forcing.start=1", "model.teacher_forcing.end=1", "vectors.dim=16"]
SHORT = ["trainer.max_epochs=2", "loss.precision=fp32", "logger=none", "test=true"]


def train(folder: Path, *words: str) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The weights and metrics of a run."""
    saved, metrics = run(folder, *SMALL, *STILL, *SHORT, *words)
    return saved["state_dict"], metrics


def run(folder: Path, *words: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The last checkpoint and the metrics of a run."""
    command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={folder}", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEQVISE_OUTPUTS": str(folder.parent)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return saved, json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Tensor], dict[str, float]]]:
    folder = tmp_path_factory.mktemp("two")
    return [
        train(folder / "one", "trainer=cpu", "data.batch_size=14"),
        train(folder / "two", "trainer=ddp_cpu", "trainer.devices=2", "data.batch_size=7"),
    ]


def test_the_weights_are_the_same(runs: list[tuple[dict[str, Tensor], dict[str, float]]]) -> None:
    (alone, _), (together, _) = runs
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-3, atol=1e-5)


def test_the_scores_are_over_all_sentences(runs: list[tuple[dict[str, Tensor], dict[str, float]]]) -> None:
    (_, alone), (_, together) = runs
    assert together["world_size"] == 2
    assert together["steps"] == alone["steps"]
    for name in ("val/loss", "val/loss_free", "val/accuracy", "val/bleu", "test/loss", "test/bleu", "test/chrf"):
        assert together[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-3), name


STREAM = [
    "data=text_lines",
    "data.format=phrasebook",
    "data.limit=100",
    "data.bptt=16",
    "model=awd_lstm",
    "model.embedding=12",
    "model.hidden=16",
    "model.layers=2",
    "model.dropout.scale=0",
    "monitor.metric=val/ppl",
    "monitor.mode=min",
    *SHORT,
]


def test_a_language_model_is_the_same_over_the_same_columns(tmp_path: Path) -> None:
    alone, alone_scores = run(tmp_path / "one", *STREAM, "trainer=cpu", "data.batch_size=6", "data.valid_batch_size=4")
    halves = ["data.batch_size=3", "data.valid_batch_size=2"]
    together, scores = run(tmp_path / "two", *STREAM, "trainer=ddp_cpu", "trainer.devices=2", *halves)
    for name, weight in alone["state_dict"].items():
        torch.testing.assert_close(together["state_dict"][name], weight, rtol=1e-3, atol=1e-5)
    assert scores["steps"] == alone_scores["steps"]
    for name in ("val/loss", "val/ppl", "val/accuracy", "test/loss"):
        assert scores[name] == pytest.approx(alone_scores[name], rel=1e-3), name
    for mine, theirs in zip(together["stream_state"], alone["stream_state"], strict=True):
        for part, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(part[0], other[0, ::2], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(part[1], other[0, 1::2], rtol=1e-3, atol=1e-4)
