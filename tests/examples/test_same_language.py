"""Title from text: two endings, one language, one vocabulary."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqvise.cli.main import main
from seqvise.runs.load import Run

SUBJECTS = ("rain", "snow", "wind", "fog", "heat")
PLACES = ("rome", "paris", "oslo", "cairo")
WORDS = [
    "train",
    "data=files",
    "data.root=news",
    "data.train=articles",
    "data.source=text",
    "data.target=title",
    "data.source_language=en",
    "data.target_language=en",
    "data.valid_fraction=0.3",
    "tokenizer.shared=true",
    "data.batch_size=8",
    "model=attention",
    "model.embedding=16",
    "model.encoder_hidden=16",
    "model.decoder_hidden=16",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks.progress=false",
    "logger=none",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    news = tmp_path / "news"
    news.mkdir()
    pairs = [(f"there was {what} in {place} today.", f"{what} in {place}") for what in SUBJECTS for place in PLACES]
    (news / "articles.text").write_text("".join(f"{text}\n" for text, _ in pairs))
    (news / "articles.title").write_text("".join(f"{title}\n" for _, title in pairs))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", *words])
    return main()


def test_titles_are_written_from_texts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, *WORDS) == 0
    (path,) = (here / "outputs" / "runs" / "attention").iterdir()
    assert "val/bleu" in json.loads((path / "metrics.json").read_text())

    run = Run.open(path)
    assert run.source.vocabulary.words == run.target.vocabulary.words
    assert {"today", "rain", "oslo"} <= set(run.target.vocabulary.words)
    assert (run.source.language, run.target.language) == ("en", "en")

    assert command(monkeypatch, "translate", f"run={path}", "input=news/articles.text", "output=titles.txt") == 0
    assert len((here / "titles.txt").read_text().splitlines()) == len(SUBJECTS) * len(PLACES)
