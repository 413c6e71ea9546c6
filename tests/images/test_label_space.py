"""The word space of an image data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqvise.config.compose import compose
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.errors import UserError
from seqvise.images.label_space import read_word_space, split_images
from seqvise.images.listing import find_images, seen_and_held_out
from tests.images.draw import TINY, draw_folder

ANIMAL, BIRD, ROBIN, STONE = (f"n{number:08d}" for number in range(4))
WORDS = {
    "red": (1, 0),
    "Red": (0, 1),
    "green": (0, 1),
    "blue": (1, 1),
    "bird": (-1, 0),
    "robin": (-3, 4),
    "the": (5, 5),
    "of": (5, 4),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with images of three colours, word vectors and a small WordNet."""
    monkeypatch.chdir(tmp_path)
    draw_folder(Path("drawn"), count=5)
    lines = [f"{word} {x} {y}\n" for word, (x, y) in WORDS.items()]
    Path("words.vec").write_text(f"{len(WORDS)} 2\n" + "".join(lines))
    net = Path("net")
    net.mkdir()
    (net / "words.txt").write_text(f"{ANIMAL}\tanimal\n{BIRD}\tbird\n{ROBIN}\trobin, redbreast\n{STONE}\tstone\n")
    (net / "parent_child.txt").write_text(f"{ANIMAL} {BIRD}\n{BIRD} {ROBIN}\n")
    (net / "imagenet_class_index.json").write_text(json.dumps({"0": [ROBIN, "robin"], "1": [STONE, "stone"]}))
    return tmp_path


def config(*overrides: str) -> Config:
    base = ["data=image_folder", "data.root=drawn", f"data.backbone={TINY}", "model=devise"]
    return typed(compose([*base, "vectors=fasttext", "vectors.target=words.vec", "vectors.dim=2", *overrides]))


@pytest.mark.usefixtures("here")
def test_labels_nouns_and_the_most_frequent_words_are_kept() -> None:
    space = read_word_space(config("data.wordnet=net", "vectors.words=3"), ["blue", "green", "red"])
    kept = space.lexicon.words
    assert set(kept) == {"red", "Red", "green", "blue", "bird", "robin"}
    assert space.labels.titles == ("blue", "green", "red")
    assert space.labels.vectors[2].tolist() == [1, 0]  # the commoner casing
    assert set(space.nouns().names) == {BIRD, ROBIN}


@pytest.mark.usefixtures("here")
def test_labels_classes_and_nouns_are_smoothed_alike() -> None:
    space = read_word_space(config("data.wordnet=net", "data.hypernyms=0.5"), ["red", "robin"])
    robin = np.array([-0.6 - 0.5, 0.8]) / np.hypot(1.1, 0.8)
    assert space.labels.vectors == pytest.approx(np.array([[1, 0], robin]), abs=1e-6)
    assert space.coverage.unsmoothed == ("red",)
    assert space.classes(2) == pytest.approx(np.array([robin, [0, 0]]), abs=1e-6)
    nouns = space.nouns()
    assert nouns.vectors[nouns.names.index(ROBIN)] == pytest.approx(robin, abs=1e-6)
    robin_word = space.lexicon.vector("robin")
    assert robin_word is not None
    assert robin_word.tolist() == [-3, 4]  # queries keep the vectors of the words


@pytest.mark.usefixtures("here")
def test_smoothing_is_on_and_needs_the_hierarchy() -> None:
    assert read_word_space(config("data.wordnet=net"), ["robin"]).labels.vectors[0, 0] < -0.61
    assert read_word_space(config(), ["red"]).coverage.unsmoothed == ()
    Path("net/parent_child.txt").write_text("")
    with pytest.raises(UserError, match=r"needs the hierarchy in net/parent_child\.txt, but that file is empty"):
        read_word_space(config("data.wordnet=net"), ["red"])
    Path("net/parent_child.txt").unlink()
    with pytest.raises(UserError, match=r"needs the hierarchy in net/parent_child\.txt, .* or set data\.hypernyms=0"):
        read_word_space(config("data.wordnet=net"), ["red"])
    assert read_word_space(config("data.wordnet=net", "data.hypernyms=0"), ["red"]).wordnet is not None


@pytest.mark.usefixtures("here")
def test_vectors_and_synsets_of_a_backbones_classes() -> None:
    space = read_word_space(config("data.wordnet=net", "data.hypernyms=0"), ["red"])
    assert space.classes(2) == pytest.approx(np.array([[-0.6, 0.8], [0, 0]]), abs=1e-6)
    assert space.known_synsets() == {ROBIN, BIRD, ANIMAL, STONE}
    with pytest.raises(UserError, match=r"has 5 classes, but net/imagenet_class_index.json has 2"):
        space.classes(5)


@pytest.mark.usefixtures("here")
def test_without_wordnet_there_is_no_prior() -> None:
    space = read_word_space(config(), ["red"])
    assert space.known_synsets() == set()
    with pytest.raises(UserError, match=r"model.prior needs data.wordnet.*or model.prior=0"):
        space.classes(2)


@pytest.mark.usefixtures("here")
def test_labels_without_a_vector_are_listed() -> None:
    with pytest.raises(UserError, match="ochre"):
        read_word_space(config(), ["red", "ochre"])


@pytest.mark.usefixtures("here")
def test_words_labels_and_coverage_are_saved(tmp_path: Path) -> None:
    read_word_space(config("data.missing=leave_out"), ["red", "ochre"]).save(tmp_path / "assets")
    assert {path.name for path in (tmp_path / "assets").iterdir()} == {"labels", "words"}
    lines = (tmp_path / "assets" / "labels" / "coverage.tsv").read_text().splitlines()
    assert lines == ["label\thow\twords\tunknown", "red\tname\tred\t", "ochre\tnone\t\t"]


@pytest.mark.usefixtures("here")
def test_a_fold_excludes_the_held_out_labels_and_holds_out_others() -> None:
    options = config("data.held_out=[red]").data
    parts = find_images(options)
    plain = split_images(options, parts, parts.images.names)
    assert [plain.images.names[label] for label in plain.held_out] == ["red"]
    held_out = set()
    for fold in range(8):
        options.fold = fold
        split = split_images(options, parts, parts.images.names)
        assert "red" not in split.images.names
        seen, unseen = ([split.images.names[label] for label in labels] for labels in (split.seen, split.held_out))
        assert seen_and_held_out(options, parts.images.names) == (seen, unseen)
        held_out.add(tuple(split.images.names[label] for label in split.held_out))
    assert held_out == {("blue",), ("green",)}
