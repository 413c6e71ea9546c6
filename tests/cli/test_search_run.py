"""From images to a trained run, its index and what it finds: every part is the real one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("torchvision")

from seqvise.cli.main import main
from tests.images.draw import TINY, TinyNetwork, draw, draw_folder

WORDS = {
    "red": (1, 0, 0, 0.2),
    "green": (0, 1, 0, 0.2),
    "blue": (0, 0, 1, 0.2),
    "plum": (1, 0, 1, 0.1),
    "the": (1, 1, 1, 1),
}
TRAIN = [
    "data=image_folder",
    "data.root=drawn",
    f"data.backbone={TINY}",
    "data.weights=tiny.pt",
    "data.transform={resize: 20, crop: 16}",
    "data.workers=0",
    "vectors=fasttext",
    "vectors.target=words.vec",
    "vectors.dim=4",
    "model=devise",
    "model.hidden=null",
    "model.dropout.scale=0",
    "optimizer.lr=5e-2",
    "monitor={metric: val/loss, mode: min}",
    "trainer=cpu",
    "trainer.max_epochs=25",
    "logger=none",
]


@pytest.fixture(scope="module", params=["precompute", "whole"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and ``run``, trained on their features, or with the network below."""
    folder = tmp_path_factory.mktemp("searched")
    draw_folder(folder / "drawn", count=8)
    torch.manual_seed(1)
    torch.save(TinyNetwork().state_dict(), folder / "tiny.pt")
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in WORDS.items()]
    (folder / "words.vec").write_text(f"{len(WORDS)} 4\n" + "".join(lines))
    before = dict(os.environ)
    whole = [] if request.param == "precompute" else ["data.precompute=false", "model.unfreeze=[0,0]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", ["seqvise", "train", *TRAIN, *whole])
        assert main() == 0
        (status,) = (folder / "outputs" / "runs").rglob("status.json")
        status.parent.rename(folder / "run")
    os.environ.clear()
    os.environ.update(before)
    return folder


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with the run."""
    monkeypatch.chdir(trained)
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.rmtree("run/indexes", ignore_errors=True)
    return trained


def results(*words: str) -> list[list[str]]:
    assert main(["search", "run=run", "json=found.json", "device=cpu", "trust=true", *words]) == 0
    content = json.loads(Path("found.json").read_text())
    return [[hit["name"] for hit in answer["hits"]] for answer in content["answers"]]


def test_a_run_finds_its_training_images(here: Path) -> None:
    assert Path("run/assets/labels/seen.txt").read_text() == "blue\ngreen\nred\n"
    assert main(["index", "run=run", "images=drawn", "device=cpu", "trust=true"]) == 0
    answers = results("query=red", "query=plum - red", "k=8")
    assert [{name.split("/")[0] for name in names} for names in answers] == [{"red"}, {"blue"}]
    draw(here / "new.png", (25, 190, 70), seed=999)
    assert {name.split("/")[0] for name in results("image=new.png", "k=8")[0]} == {"green"}


@pytest.mark.usefixtures("here")
def test_vectors_are_the_models_own() -> None:
    """An image's vector in the index equals the output of network and model for this image."""
    from seqvise.images.backbones import load_network
    from seqvise.images.decoding import decode
    from seqvise.images.transforms import evaluation_transform
    from seqvise.inference.embedder import load_embedder
    from seqvise.retrieval.image_index import ImageIndex
    from seqvise.runs.model import build_image_model, with_weights

    assert main(["index", "run=run", "images=drawn", "output=own", "device=cpu", "trust=true"]) == 0
    embedder = load_embedder("run", trust=True)
    images = ImageIndex.load(Path("own"), embedder.binding)
    network = load_network(embedder.options)
    model = with_weights(embedder.run, build_image_model(embedder.run.config, network, 4))
    transform = evaluation_transform(network.preset)
    whole = not embedder.options.precompute
    for row in (0, 9, 23):
        pixels = transform(decode(images.file(row)))[None]
        with torch.no_grad():
            expected = model(pixels if whole else network.backbone(pixels))[0].numpy()
        np.testing.assert_allclose(images.index.vectors[row], expected, atol=5e-3)
        np.testing.assert_allclose(embedder.embed_files([images.file(row)])[0], images.index.vectors[row], atol=1e-4)
    shutil.rmtree("own")


@pytest.mark.usefixtures("here")
def test_the_run_of_another_task_and_an_unfinished_one_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("run", "young", ignore=shutil.ignore_patterns("checkpoints"))
    for run, sentence in (("young", "has no checkpoint (status: ok)"), ("drawn", "is not a run directory")):
        capsys.readouterr()
        assert main(["search", f"run={run}", "query=red", "trust=true"]) == 2
        assert sentence in capsys.readouterr().err
    shutil.rmtree("young")


@pytest.mark.usefixtures("here")
def test_other_weights_of_the_same_run_are_another_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "run=run", "images=drawn", "output=own", "device=cpu", "trust=true"]) == 0
    shutil.copytree("run", "later")
    state = torch.load("later/checkpoints/best.ckpt", weights_only=True)
    state["state_dict"] = {name: 1.5 * value for name, value in state["state_dict"].items()}
    torch.save(state, "later/checkpoints/best.ckpt")
    capsys.readouterr()
    assert main(["search", "run=later", "query=red", "index=own", "trust=true"]) == 2
    assert "was made by another model" in capsys.readouterr().err
    shutil.rmtree("later")
    shutil.rmtree("own")
