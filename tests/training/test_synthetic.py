"""From nothing to a run of the built-in pictures and an answer to a word, with few pictures, sentences and epochs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf

pytest.importorskip("torchvision")
pytest.importorskip("fasttext")

from seqvise.cli.main import main
from seqvise.config.compose import compose
from seqvise.config.options import Config
from seqvise.config.schema import content, typed
from seqvise.config.validate import validate
from seqvise.images.synthetic import network
from seqvise.images.synthetic import scene as dataset
from seqvise.images.synthetic import text as pictures_vectors
from seqvise.images.synthetic.network import train_network
from seqvise.images.synthetic.text import pictures_text
from seqvise.training.acquire import with_pictures

SMALL = ["experiment=pictures", "vectors.dim=16", "vectors.trained.epochs=5", "trainer=cpu"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty working directory; only a few pictures are drawn, and training is short."""
    folder = tmp_path_factory.mktemp("pictures")
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(dataset, "PICTURES_PER_CLASS", {"train": 2, "valid": 1, "test": 1})
        patch.setattr(pictures_vectors, "pictures_text", partial(pictures_text, 1000))
        patch.setattr(network, "train_network", partial(train_network, epochs=1))
        yield folder
    os.environ.clear()
    os.environ.update(before)


def config(*words: str) -> Config:
    return typed(compose([*SMALL, *words]))


def seqvise(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", *words])
    return main()


@pytest.mark.usefixtures("here")
def test_missing_pictures_are_created_once() -> None:
    left_out = config()
    made = with_pictures(left_out)
    named = (Path(made.data.root), Path(made.data.weights), Path(made.vectors.target or ""))
    assert [path.exists() and path.is_absolute() for path in named] == [True] * 3
    assert left_out.data.root is None, "the user's config is not changed"
    assert with_pictures(config()) == made
    assert with_pictures(made) == made
    assert validate(OmegaConf.create(content(made))) == []


def test_explicit_paths_are_kept(here: Path) -> None:
    (here / "my").mkdir()
    explicit = with_pictures(config("data.weights=my.pt", "vectors=fasttext", "vectors.target=my.vec", "data.root=my"))
    assert (explicit.data.root, explicit.data.weights, explicit.vectors.target) == ("my", "my.pt", "my.vec")
    other = with_pictures(config("data.backbone=resnet18", "vectors=fasttext", "vectors.target=my.vec"))
    assert other.data.weights is None
    text = typed(compose([]))
    assert with_pictures(text) is text


@pytest.mark.usefixtures("here")
def test_another_fold_has_a_network_of_its_own() -> None:
    whole, fold = with_pictures(config()), with_pictures(config("data.fold=0"))
    assert whole.data.root == fold.data.root
    assert whole.data.weights != fold.data.weights


def test_pictures_need_vectors_of_their_labels() -> None:
    assert validate(compose(["experiment=pictures"])) == []
    (problem,) = validate(compose(["experiment=pictures", "vectors=none"]))
    assert "vectors=fasttext and vectors.target=FILE" in problem


def test_a_run_from_nothing_finds_images_for_words(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seqvise(monkeypatch, "train", *SMALL, "trainer.max_epochs=1", "logger=none") == 0
    (run,) = (here / "outputs" / "runs" / "pictures").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/chance/held_out_among_all/hit@5"] == pytest.approx(5 / 44)
    assert 0 <= metrics["test/held_out_among_all/hit@5"] <= 1
    root = Path(OmegaConf.load(run / "config.yaml").data.root)
    assert seqvise(monkeypatch, "index", f"run={run}", f"images={root / 'test'}") == 0
    words = ("query=sail boat", "query=engine + boat - sail")
    assert seqvise(monkeypatch, "search", f"run={run}", *words, "json=found.json", "sheet=found.png", "k=44") == 0
    answers = json.loads((here / "found.json").read_text())["answers"]
    assert [len(answer["hits"]) for answer in answers] == [44, 44]
    assert (here / "found.png").is_file()
