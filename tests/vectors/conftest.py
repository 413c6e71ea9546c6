"""A small file of word vectors in each format."""

from __future__ import annotations

from pathlib import Path

import pytest

LINES = ("the cat sat on the mat", "the dog sat on the log", "a bird sings in the old tree") * 5


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real fastText model of ten dimensions with subwords."""
    fasttext = pytest.importorskip("fasttext")
    folder = tmp_path_factory.mktemp("fasttext")
    text = folder / "text.txt"
    text.write_text("\n".join((*LINES, "Paris Paris Paris")), encoding="utf-8")
    model = fasttext.train_unsupervised(
        str(text), model="skipgram", dim=10, epoch=1, minCount=1, minn=2, maxn=3, bucket=500, thread=10, verbose=0
    )
    model.save_model(str(folder / "tiny.bin"))
    return folder / "tiny.bin"


@pytest.fixture
def vec_file(tmp_path: Path) -> Path:
    """Six words of two dimensions; one contains a space, one occurs twice, one has two casings."""
    path = tmp_path / "tiny.vec"
    rows = ("cat 1 2", "New York 3 4", "cat 9 9", "PARIS 5 6", "Paris 7 8", "dog -1 -2.5 ")
    path.write_text("6 2\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path
