"""A model of images starts from the trained head of another run, through the command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchvision")

from seqvise.cli.main import main
from tests.earlier import copy_of

TRAIN = [
    "model=devise",
    "data=image_folder",
    "data.root=images",
    "data.limit=4",
    "data.batch_size=4",
    "data.backbone=seqvise.images.synthetic.network.PicturesNetwork",
    "data.weights=network.pt",
    "data.transform={resize: 20, crop: 16}",
    "data.workers=0",
    "vectors=fasttext",
    "vectors.target=words.vec",
    "vectors.dim=4",
    "model.hidden=8",
    "monitor={metric: val/loss, mode: min}",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "callbacks.progress=false",
    "logger=none",
]

NOUNS = ("plum", "red", "green", "blue")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = dict(os.environ)
    monkeypatch.setattr(sys, "path", [*sys.path])
    copy_of(tmp_path, "images", "network.pt", "words.vec")
    write_wordnet(tmp_path / "net")
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TRAIN, "hydra.run.dir=first"]) == 0
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def write_wordnet(folder: Path) -> None:
    """Nouns in which the labels of the images are kinds of plum."""
    folder.mkdir()
    (folder / "words.txt").write_text("".join(f"n{row:08d}\t{word}\n" for row, word in enumerate(NOUNS)))
    (folder / "parent_child.txt").write_text("".join(f"n00000000 n{row:08d}\n" for row in range(1, len(NOUNS))))


def head_of(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name: weight for name, weight in state.items() if ".head.maps." in name}


def test_the_second_stage_starts_from_the_trained_head(here: Path) -> None:
    """With a rate of almost nothing the head stays the first run's; without model.head it is another."""
    second = ["data.precompute=false", "model.unfreeze=[0]", "optimizer.lr=1e-12"]
    assert main(["train", *TRAIN, *second, "model.head=first", "hydra.run.dir=second"]) == 0
    assert main(["train", *TRAIN, *second, "seed=2", "hydra.run.dir=other"]) == 0
    first, started, other = head_of(here / "first"), head_of(here / "second"), head_of(here / "other")
    for name, weight in first.items():
        torch.testing.assert_close(started[name], weight)
    assert not all(torch.allclose(other[name], weight) for name, weight in first.items())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.hidden=5"], "has other sizes"),
        (
            ["vectors.whiten=0.5"],
            "label vectors: vectors.whiten is 0.0 there and 0.5 here. Set vectors.whiten as it is there",
        ),
        (
            ["data.wordnet=net", "data.hypernyms=0.5"],
            "data.hypernyms is 0.0 there and 0.5 here; data.wordnet is null there and set here",
        ),
        (["model.head=nowhere"], "is not a run directory"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], message: str
) -> None:
    assert main(["train", *TRAIN, "model.head=first", *overrides, "hydra.run.dir=second"]) == 2
    assert message in capsys.readouterr().err
    shutil.rmtree(here / "second", ignore_errors=True)
