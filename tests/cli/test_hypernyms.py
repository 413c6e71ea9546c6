"""A run whose labels WordNet smooths, and one of an earlier format, searched from another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("torchvision")

from seqvise.cli.main import main
from seqvise.images.labels import LabelTable
from seqvise.inference.embedder import load_embedder
from tests.cli.test_search_run import TRAIN
from tests.images.draw import TinyNetwork, draw_folder

HUE, WARM, RED, PINK = (f"n{number:08d}" for number in range(1, 5))
WORDS = {"red": (1, 0, 0, 0), "green": (0, 1, 0, 0), "blue": (0, 0, 1, 0), "warm": (0, 0, 0, 2), "pink": (0, 3, 0, 4)}
SMOOTHED = np.array([1, 0, 0, 0.5]) / np.hypot(1, 0.5)
"""Red with half of warm; "hue" has no vector."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``run``, trained with ``data.hypernyms=0.5``."""
    import torch

    folder = tmp_path_factory.mktemp("smoothed")
    draw_folder(folder / "drawn", count=4)
    torch.save(TinyNetwork().state_dict(), folder / "tiny.pt")
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in WORDS.items()]
    (folder / "words.vec").write_text(f"{len(WORDS)} 4\n" + "".join(lines))
    (folder / "net").mkdir()
    (folder / "net" / "words.txt").write_text(f"{HUE}\thue\n{WARM}\twarm\n{RED}\tred\n{PINK}\tpink\n")
    (folder / "net" / "parent_child.txt").write_text(f"{HUE} {WARM}\n{WARM} {RED}\n{WARM} {PINK}\n")
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        smoothing = [f"data.wordnet={folder}/net", "data.hypernyms=0.5", "trainer.max_epochs=1"]
        assert main(["train", *TRAIN, *smoothing, "hydra.run.dir=run"]) == 0
    os.environ.clear()
    os.environ.update(before)
    return folder


def search(folder: Path, run: Path) -> dict[str, float]:
    """The cosines of all nouns to "warm", from a separate process."""
    argv = [
        "search",
        f"run={run}",
        "query=warm",
        "to=wordnet",
        "json=nouns.json",
        f"cache={folder}/cache",
        "device=cpu",
        "trust=true",
    ]
    subprocess.run([sys.executable, "-m", "seqvise.cli.main", *argv], cwd=folder, check=True, capture_output=True)
    (answer,) = json.loads((folder / "nouns.json").read_text())["answers"]
    return {hit["name"]: hit["cosine"] for hit in answer["hits"]}


def test_labels_and_nouns_carry_their_hypernyms(trained: Path, tmp_path: Path) -> None:
    labels = LabelTable.load(trained / "run" / "assets" / "labels")
    assert labels.vectors == pytest.approx(np.array([[0, 0, 1, 0], [0, 1, 0, 0], SMOOTHED]), abs=1e-6)
    cosines = search(tmp_path, trained / "run")
    pink = (0.8 + 0.5) / np.hypot(0.6, 1.3)
    assert cosines == pytest.approx({WARM: 1, PINK: pink, RED: SMOOTHED[3]}, abs=1e-5)


def test_labels_that_training_lacked_are_smoothed_alike(
    trained: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = load_embedder(trained / "run", trust=True)
    assert embedder.with_labels(["pink"]).vectors[-1] == pytest.approx(np.array([0, 0.6, 0, 1.3]) / np.hypot(0.6, 1.3))
    monkeypatch.setattr(embedder.run.config.data, "wordnet", "nowhere")
    assert embedder.with_labels(["pink"]).vectors[-1] == pytest.approx([0, 0.6, 0, 0.8])
    assert "nowhere has no words.txt and no parent_child.txt" in caplog.text
    assert "Set wordnet=" in caplog.text


def test_a_moved_wordnet_is_given_for_labels_as_for_nouns(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cosine to "warm" of a label that training lacked is that of its smoothed vector, wherever WordNet is now."""
    moved = shutil.copytree(trained / "net", tmp_path / "moved")
    run = shutil.copytree(trained / "run", tmp_path / "run")
    config = (run / "config.yaml").read_text().replace(f"{trained}/net", "net")
    (run / "config.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    argv = [
        "search",
        "run=run",
        "query=warm",
        "to=labels",
        "labels=pink",
        "json=found.json",
        "device=cpu",
        "trust=true",
    ]
    assert main([*argv, f"wordnet={moved}"]) == 0
    (answer,) = json.loads((tmp_path / "found.json").read_text())["answers"]
    assert answer["hits"][0]["cosine"] == pytest.approx((0.8 + 0.5) / np.hypot(0.6, 1.3), abs=1e-5)


def test_a_run_of_the_first_format_keeps_the_vectors_of_words(trained: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((trained / "run" / "config.yaml").read_text())
    assert config["data"].pop("hypernyms") == 0.5
    del config["format"]
    former = tmp_path / "former"
    former.mkdir()
    for path in (trained / "run").iterdir():
        (former / path.name).symlink_to(path)
    (former / "config.yaml").unlink()
    (former / "config.yaml").write_text(yaml.safe_dump(config))
    assert load_embedder(former, trust=True).hypernyms == 0
    assert search(tmp_path, former) == pytest.approx({WARM: 1, PINK: 0.8, RED: 0}, abs=1e-5)
