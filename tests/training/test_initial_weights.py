"""Initial weights are a function of the config and its seed: with an empty cache and a full one they are the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from tests.earlier import copy_of

LAYERS = ["model.embedding=8", "model.hidden=10", "model.layers=2"]
TRANSFORM = "data.transform={resize: 20, crop: 16, mean: [0.5,0.5,0.5], std: [0.25,0.25,0.25]}"
FILES = ["data.root=.", "data.train=train", "data.valid=valid"]
TRANSLATION = [
    *("data=files", *FILES, "data.source=fr", "data.target=en", "data.limit=null", "model=rnn", "model.embedding=4"),
    *("model.encoder_hidden=4", "model.decoder_hidden=4"),
]
NUMBERS = {"fr": ("un", "deux", "trois", "quatre", "cinq"), "en": ("one", "two", "three", "four", "five")}
KINDS = {
    "images": [
        *("model=devise", "data=image_folder", "data.root=images", "data.batch_size=4", "data.weights=network.pt"),
        *("data.backbone=seqvise.images.synthetic.network.PicturesNetwork", TRANSFORM, "data.workers=0"),
        *("vectors=fasttext", "vectors.target=words.vec", "vectors.dim=4", "model.hidden=8", "monitor.metric=val/loss"),
        "monitor.mode=min",
    ],
    "translation": TRANSLATION,
    "translation_file": [
        *(*TRANSLATION, "vectors=fasttext", "vectors.dim=4"),
        *("vectors.source=numbers.vec", "vectors.target=numbers.vec"),
    ],
    "translation_trained": [*TRANSLATION, "vectors=trained", "vectors.dim=4"],
    "language_model": [
        *("data=text_lines", "model=awd_lstm", "data.root=.", "data.batch_size=2", "data.bptt=5"),
        *("data.train=train.en", "data.valid=valid.en", *LAYERS, "monitor.metric=val/ppl", "monitor.mode=min"),
    ],
    "classifier": [
        *("data=text_labels", "model=text_classifier", "data.root=.", "data.train=labels.tsv", "data.limit=60"),
        *(*LAYERS, "data.batch_size=10", "model.head=6", "monitor.metric=val/accuracy"),
    ],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with small data to work in; seeding changes the environment."""
    before = dict(os.environ)
    for part, language in product(("train", "valid"), ("fr", "en")):
        text = "".join(f"{NUMBERS[language][row % 5]} {language} ?\n" for row in range(40))
        (tmp_path / f"{part}.{language}").write_text(text, encoding="utf-8")
    numbers = [f"{word} {rank} 1 2 3\n" for rank, word in enumerate([*NUMBERS["fr"], *NUMBERS["en"]])]
    (tmp_path / "numbers.vec").write_text(f"{len(numbers)} 4\n{''.join(numbers)}", encoding="utf-8")
    monkeypatch.chdir(copy_of(tmp_path, "images", "network.pt", "words.vec", "labels.tsv"))
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def initial_weights(overrides: list[str], run: str) -> dict[str, torch.Tensor]:
    from seqvise.runs.directory import RunDirectory
    from seqvise.training.acquire import acquire
    from seqvise.training.build import build_job

    Path(run).mkdir()
    config = typed(compose([*overrides, "trainer=cpu", "logger=none", "seed=1", "paths.cache=cache"]))
    return build_job(acquire(config), RunDirectory(Path(run))).parts.task.state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_cache_and_a_full_one_give_the_same_weights(kind: str) -> None:
    if kind == "images":
        pytest.importorskip("torchvision")
    if kind == "translation_trained":
        pytest.importorskip("fasttext")
    empty = initial_weights(KINDS[kind], "empty")
    assert [path for path in Path("cache").rglob("*") if path.is_file()]
    full = initial_weights(KINDS[kind], "full")
    assert full.keys() == empty.keys()
    for name, weight in full.items():
        assert torch.equal(weight, empty[name]), name


def test_draws_while_data_are_prepared_do_not_move_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqvise.training import acquire as data
    from seqvise.training import language_model as language

    expected = initial_weights(KINDS["language_model"], "quiet")

    def drawing(*_: object, **__: object) -> None:
        torch.rand(3)

    monkeypatch.setattr(data, "fetch_missing", drawing)
    monkeypatch.setattr(language, "log_report", drawing)
    weights = initial_weights([*KINDS["language_model"], "data.name=other"], "drawing")
    for name, weight in weights.items():
        assert torch.equal(weight, expected[name]), name
