"""The commands of docs/own-data.md, as they are typed, with small data and models."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch

from seqvise.cli.main import main
from seqvise.images.synthetic.network import PicturesNetwork
from tests.images.draw import draw_folder

DOCUMENT = Path(__file__).parents[2] / "docs" / "own-data.md"
NAMES = ("blue", "green", "red")
SMALL = ["trainer=cpu", "trainer.max_epochs=1", "callbacks.progress=false", "logger=none", "model.embedding=8"]
TRANSLATION = [*SMALL, "model.encoder_hidden=8", "model.decoder_hidden=8"]
TEXT = [*SMALL, "model.hidden=8", "model.layers=1", "data.valid_fraction=0.3"]


def commands(title: str) -> list[list[str]]:
    """The commands of a section."""
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    lines = re.findall(r"^seqvise (.*)$", section.partition("\n## ")[0], re.M)
    return [shlex.split(line) for line in lines]


def metrics_of(title: str, small: list[str]) -> dict[str, object]:
    """Runs the commands of a section, the first of which trains; returns the metrics of its run."""
    train, *others = commands(title)
    assert main([*train, *small, "hydra.run.dir=RUN_DIRECTORY"]) == 0
    for command in others:
        assert main(command) == 0, command
    metrics: dict[str, object] = json.loads(Path("RUN_DIRECTORY/metrics.json").read_text())
    return metrics


def test_sentence_pairs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "corpus").mkdir()
    for language, words in (("fr", "un deux trois quatre cinq six"), ("en", "one two three four five six")):
        lines = [f"{a} {b}" for a in words.split() for b in words.split()]
        (here / "corpus" / f"train.{language}").write_text("".join(f"{line}\n" for line in lines))
    (here / "new.fr").write_text("un deux\ntrois\n")
    assert "val/bleu" in metrics_of("Sentence pairs", TRANSLATION)
    assert len(capsys.readouterr().out.split("run: ")[1].splitlines()) == 3  # the run directory, two translations


def documents() -> list[tuple[str, str]]:
    moods = {"pos": "good", "neg": "bad"}
    things = ("film", "story", "plot", "actor", "end")
    return [(label, f"a {mood} {thing} {n}") for n in range(4) for thing in things for label, mood in moods.items()]


def test_documents(here: Path) -> None:
    (here / "texts").mkdir()
    (here / "texts" / "reviews.txt").write_text("".join(f"{text}\n" for _, text in documents()))
    assert "val/ppl" in metrics_of("Documents", [*TEXT, "data.valid_batch_size=2", "data.batch_size=2"])


def test_labels(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "texts").mkdir()
    lines = [f"{label}\t{text}\n" for label, text in documents()]
    (here / "texts" / "labelled.tsv").write_text("".join(lines))
    (here / "new.txt").write_text("a good film\n")
    assert "val/accuracy" in metrics_of("Labels", [*TEXT, "data.limit=12"])
    captured = capsys.readouterr()
    (counts,) = re.findall(r"train: 2 labels, (\d+) neg, (\d+) pos\n", captured.out + captured.err)
    assert sum(map(int, counts)) == 12


def test_images(here: Path) -> None:
    pytest.importorskip("torchvision")
    draw_folder(here / "photos", count=4)
    torch.save(PicturesNetwork().state_dict(), here / "network.pt")
    rows = [f"{name} " + " ".join("1" if n == index else "0" for n in range(300)) for index, name in enumerate(NAMES)]
    (here / "words.vec").write_text(f"{len(rows)} 300\n" + "".join(f"{row}\n" for row in rows))
    network = ["data.backbone=seqvise.images.synthetic.network.PicturesNetwork", "data.weights=network.pt"]
    transform = "data.transform={resize: 20, crop: 16, mean: [0.5,0.5,0.5], std: [0.25,0.25,0.25]}"
    small = [*network, transform, "data.workers=0", "model.hidden=8", *SMALL[:-1]]
    assert "val/hit@1" in metrics_of("Images", small)
