"""More source words: vectors by a map that is fitted on shared words, beside weights that stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.decoding.ensemble import Ensemble
from seqvise.errors import UserError
from seqvise.inference.translator import Translator
from seqvise.inference.vocabulary_expansion import expanded, fitted, new_words
from seqvise.runs.model import build_model
from tests.runs.made import MODEL, plain_codec

WORDS = tuple(f"mot{number}" for number in range(300))
MORE = ("nouveau", "Encore", "encore", "MOT3", "deux mots")
WIDTH, DIM = 8, 12


def write_vectors(path: Path, words: tuple[str, ...], vectors: np.ndarray) -> Path:
    np.savez(path, words=np.array(words), vectors=vectors)
    return path


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(WORDS) + len(MORE), DIM)).astype(np.float32)


@pytest.fixture
def way() -> tuple[np.ndarray, np.ndarray]:
    """The map from the file's vectors to the model's."""
    draws = np.random.default_rng(1)
    return draws.standard_normal((DIM, WIDTH)).astype(np.float32), draws.standard_normal(WIDTH).astype(np.float32)


def model_of(vectors: np.ndarray, way: tuple[np.ndarray, np.ndarray], *overrides: str) -> nn.Module:
    torch.manual_seed(0)
    config = typed(compose([*MODEL, f"model.embedding={WIDTH}", f"vectors.dim={WIDTH}", *overrides]))
    model = build_model(config, len(WORDS) + 4, len(WORDS) + 4).eval()
    with torch.no_grad():
        model.get_parameter("encoder.embedding.weight")[4:] = torch.from_numpy(vectors[: len(WORDS)] @ way[0] + way[1])
    return model


@pytest.mark.parametrize("overrides", [[], ["model.share_embeddings=true", "tokenizer.shared=true"]])
def test_new_words_get_what_the_map_gives_and_the_others_stay(
    tmp_path: Path, vectors: np.ndarray, way: tuple[np.ndarray, np.ndarray], overrides: list[str]
) -> None:
    model = model_of(vectors, way, *overrides)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    translator = Translator(model, plain_codec(WORDS, "fr"), plain_codec(WORDS))
    path = write_vectors(tmp_path / "vectors.npz", WORDS + MORE, vectors)
    grown, found = expanded(translator, path)
    assert (found.shared, found.added) == (300, 2)
    assert found.explained > 0.99
    assert grown.source.vocabulary.words[-2:] == ("nouveau", "encore")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    table = grown.model.get_parameter("encoder.embedding.weight")
    assert torch.equal(table[:-2], before["encoder.embedding.weight"])
    assert table[-2:].detach().numpy() == pytest.approx(vectors[300:302] @ way[0] + way[1], abs=0.1)
    assert grown.model.get_parameter("generator.weight") is model.get_parameter("generator.weight")
    texts = ["mot1 mot2", "nouveau mot2", "mot1 encore"]
    ours, theirs = grown.translate(texts), translator.translate(texts)
    assert ours[0].words == theirs[0].words
    assert ours[1].source_words == ["nouveau", "mot2", "<eos>"]
    assert theirs[1].source_words == ["<unk>", "mot2", "<eos>"]
    assert ours[1].log_prob != theirs[1].log_prob


def test_each_model_of_an_ensemble_has_a_map_of_its_own(
    tmp_path: Path, vectors: np.ndarray, way: tuple[np.ndarray, np.ndarray]
) -> None:
    models = [model_of(vectors, way), model_of(vectors, (-way[0], way[1]))]
    both = Translator(Ensemble(models, "log_probs").eval(), plain_codec(WORDS, "fr"), plain_codec(WORDS))
    grown, _ = expanded(both, write_vectors(tmp_path / "vectors.npz", WORDS + MORE, vectors))
    alone = [Translator(model, both.source, both.target) for model in models]
    assert isinstance(grown.model, Ensemble)
    for part, translator in zip(grown.model.models, alone, strict=True):
        expected, _ = expanded(translator, tmp_path / "vectors.npz")
        rows = expected.model.get_parameter("encoder.embedding.weight")
        assert torch.equal(part.get_parameter("encoder.embedding.weight"), rows)
    assert grown.translate(["nouveau mot1"])[0].words


def test_the_map_is_that_of_least_squares_where_there_is_no_noise() -> None:
    draws = np.random.default_rng(0)
    given, weight = draws.standard_normal((200, 5)), draws.standard_normal((5, 3))
    found = fitted(given.astype(np.float32), (given @ weight + 2).astype(np.float32))
    assert found.weight == pytest.approx(weight, abs=0.02)
    assert found.bias == pytest.approx(np.full(3, 2.0), abs=0.02)
    noise = fitted(given.astype(np.float32), draws.standard_normal((200, 3)).astype(np.float32))
    assert noise.explained < 0.1


def test_words_are_compared_as_the_tokenizer_reads_them() -> None:
    written = ("Mot1", "Chat", "chat", "CHIEN", "a b", "", "<unk>")
    assert [written[row] for row in new_words(plain_codec(WORDS, "fr"), written)] == ["Chat", "CHIEN"]


def test_what_cannot_give_words_is_refused(
    tmp_path: Path, vectors: np.ndarray, way: tuple[np.ndarray, np.ndarray]
) -> None:
    translator = Translator(model_of(vectors, way), plain_codec(WORDS, "fr"), plain_codec(WORDS))
    with pytest.raises(UserError, match=r"none\.npz: there is no such file"):
        expanded(translator, tmp_path / "none.npz")
    few = write_vectors(tmp_path / "few.npz", WORDS[:20] + MORE, vectors[:25])
    with pytest.raises(UserError, match="has 20 of the run's 300 source words, too few"):
        expanded(translator, few)
