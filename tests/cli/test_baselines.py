"""`seqvise baselines` over drawn images."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchvision")

from seqvise.cli.main import main
from tests.images.draw import TINY, TinyNetwork, draw_folder

WORDS = {"red": "1 0 0 0.2", "green": "0 1 0 0.2", "blue": "0 0 1 0.2", "the": "1 1 1 1"}
GIVEN = [
    "data=image_folder",
    "data.root=drawn",
    "data.held_out=[blue]",
    f"data.backbone={TINY}",
    "data.weights=tiny.pt",
    "data.transform={resize: 20, crop: 16}",
    "data.workers=0",
    "vectors=fasttext",
    "vectors.target=words.vec",
    "vectors.dim=4",
    "model=devise",
    "trainer=cpu",
    "seed=3",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with images, word vectors and weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    draw_folder(Path("drawn"), count=8)
    torch.manual_seed(1)
    torch.save(TinyNetwork().state_dict(), "tiny.pt")
    Path("words.vec").write_text("".join([f"{len(WORDS)} 4\n", *(f"{word} {row}\n" for word, row in WORDS.items())]))
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def baselines(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", "baselines", *GIVEN, *words])
    return main()


def test_baselines_are_measured_recorded_and_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert baselines(monkeypatch) == 0
    (file,) = here.glob("outputs/runs/**/metrics.json")
    metrics = json.loads(file.read_text())
    assert (metrics["command"], metrics["seed"], metrics["held_out"]) == ("seqvise baselines", 3, "blue")
    assert metrics["chance/held_out_among_all/hit@1"] == pytest.approx(1 / 3)
    assert metrics["chance/seen/hit@1"] == 0.5
    # Red and green lie apart in any features.
    assert metrics["ridge/seen/hit@1"] == metrics["softmax/seen/hit@1"] == 1.0
    output = capsys.readouterr().out
    assert "held out among all" in output
    assert output.splitlines()[-1] == f"run: {file.parent}"


def test_text_has_no_baselines(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["seqvise", "baselines", "data=phrasebook"])
    assert main() == 2
    assert "choose data=image_folder" in capsys.readouterr().err
    assert not list(here.glob("outputs/runs/**/metrics.json"))


def test_a_model_of_words_is_refused(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    assert baselines(monkeypatch, "model=full") == 2
    assert not list(here.glob("outputs/runs/**/metrics.json"))
