"""Averages of weights, from training to translation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqvise.cli.average import main
from seqvise.runs.load import Run
from seqvise.runs.model import load_model
from tests.cli.test_train import TINY, here, seqvise, the_run

__all__ = ["here"]
KEPT = ["callbacks.keep_best=2", "callbacks.keep_last=2", "callbacks.average=ema", "trainer.max_epochs=3"]


@pytest.fixture
def trained(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, *KEPT) == 0
    return the_run(here)


def weights(path: Path, key: str = "state_dict") -> dict[str, torch.Tensor]:
    content: dict[str, torch.Tensor] = torch.load(path, weights_only=True)[key]
    return content


def loaded(run: Path) -> dict[str, torch.Tensor]:
    return {f"model.{name}": weight for name, weight in load_model(Run.open(run)).state_dict().items()}


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.allclose(left[name], right[name]) for name in left)


def test_a_run_translates_with_its_averages(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained / "checkpoints"
    assert equal(loaded(trained), weights(folder / "best.ckpt"))
    assert not equal(loaded(trained), weights(folder / "best.ckpt", "current_model_state"))

    last = sorted(folder.glob("last-epoch*.ckpt"))
    assert [path.name[:13] for path in last] == ["last-epoch002", "last-epoch003"]
    assert main([f"run={trained}", "of=last"]) == 0
    assert capsys.readouterr().out.endswith(f"run: {trained / 'averaged-last'}\n")
    first, second = map(weights, last)
    assert equal(loaded(trained / "averaged-last"), {name: (first[name] + second[name]) / 2 for name in first})

    assert main([f"run={trained}", f"output={trained / 'mine'}"]) == 0
    assert len(sorted(folder.glob("epoch*.ckpt"))) == 2
    (trained / "line.txt").write_text("qui es tu ?\n", encoding="utf-8")
    from seqvise.cli.translate import main as translate

    words = [f"run={trained / 'mine'}", f"input={trained / 'line.txt'}", f"output={trained / 'out.txt'}", "device=cpu"]
    assert translate(words) == 0
    assert (trained / "out.txt").read_text(encoding="utf-8").count("\n") == 1


def test_invalid_averages_are_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (trained / "checkpoints" / sorted(p.name for p in (trained / "checkpoints").glob("epoch*"))[0]).unlink()
    for words, message in (
        (
            [f"run={trained}", "of=best"],
            "has 1 checkpoints of callbacks.keep_best, but averaging needs at least two",
        ),
        ([f"run={trained}", "of=worst"], "of is 'worst', but must be one of best, last."),
        ([f"run={trained}", f"output={trained}"], "exists: delete it"),
        ([f"run={trained / 'nowhere'}"], "is not a run directory"),
    ):
        assert main(words) == 2
        assert message in capsys.readouterr().err
