"""From a folder of images to features, by the command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from seqvise.cli.main import main
from tests.images.draw import TINY, TinyNetwork, draw_folder

pytest.importorskip("torchvision")

WORDS = [
    "data=image_folder",
    "data.root=drawn",
    f"data.backbone={TINY}",
    "data.weights=tiny.pt",
    "data.transform={resize: 20, crop: 16}",
    "data.workers=0",
    "data.held_out=[red]",
    "trainer=cpu",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with images and weights; arguments and variables of the process are restored."""
    draw_folder(tmp_path / "drawn", count=5)
    torch.manual_seed(1)
    torch.save(TinyNetwork().state_dict(), tmp_path / "tiny.pt")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def prepare(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", "prepare", *WORDS, *words])
    return main()


def test_prepare_computes_features_and_names_unreadable_files(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "drawn/blue/1.png").write_bytes(b"")
    assert prepare(monkeypatch) == 0
    shown = capsys.readouterr().out
    rows = [re.findall(r"\w+", line) for line in shown.splitlines() if line.startswith("│")]
    # One of the five images of each label is used for validation.
    assert [row[0:2] for row in rows] == [["train", "2"], ["valid", "2"], ["valid_held_out", "1"]]
    assert [int(row[2]) for row in rows] == [8, 2, 5]
    assert sum(int(row[3]) for row in rows) == 1
    assert "unreadable: blue/1.png: the file is empty" in shown
    folder = Path(shown.rstrip().splitlines()[-1].removeprefix("features: "))
    assert np.load(folder / "features-00000.npy").shape == (15, 8)
    assert not (here / "outputs" / "runs").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data.root=nowhere", "data.root is nowhere, but there is no such folder"),
        ("data.weights=lost.pt", "data.weights is lost.pt, but there is no such file"),
        ("data.held_out=[red,pink]", "data.held_out: there is no label 'pink'"),
        ("data.layout=imagenet", "data.train is drawn/train, but there is no such folder"),
        ("data.shard=0", "data.shard is 0"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert prepare(monkeypatch, word) == 2
    assert message in capsys.readouterr().err
    assert list(here.rglob("features-*")) == []


def test_a_missing_gpu_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from seqvise.training.image_features import extraction_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [extraction_device(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    assert caplog.messages == []
    assert extraction_device("gpu") == "cpu"
    assert caplog.messages == [
        "trainer.accelerator is 'gpu', but torch has no such device: features are computed on the CPU."
    ]
