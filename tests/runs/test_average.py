"""Averages of checkpoints, by hand."""

from pathlib import Path

import pytest
import torch

from seqvise.errors import UserError
from seqvise.runs.average import mean_weights


def saved(path: Path, **weights: torch.Tensor) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": weights, "global_step": 3}, path)
    return path


def test_the_mean_by_hand(tmp_path: Path) -> None:
    paths = [
        saved(
            tmp_path / f"{n}.ckpt", w=torch.tensor([1.0 + n, n**2]), steps=torch.tensor(n), b=torch.tensor(0.5).half()
        )
        for n in range(3)
    ]
    means = mean_weights(paths)
    assert means["w"].tolist() == pytest.approx([2.0, 5 / 3])
    assert (means["steps"].item(), means["b"].dtype) == (2, torch.float16)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{n}.ckpt", w=torch.zeros(n)) for n in (2, 3)]
    with pytest.raises(UserError, match=r"3\.ckpt and .*2\.ckpt have weights of different names or shapes"):
        mean_weights(paths)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{n}.ckpt", w=torch.zeros(2)) for n in range(2)]
    paths[1].write_bytes(paths[1].read_bytes()[:99])
    with pytest.raises(UserError, match=r"1\.ckpt is not a complete weights-only checkpoint"):
        mean_weights(paths)
