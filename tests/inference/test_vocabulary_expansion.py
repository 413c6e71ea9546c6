"""New source words get embeddings by a map fitted on shared words; all other weights are unchanged."""

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
from seqvise.inference.vocabulary_expansion import expand_vocabulary, fit_linear, new_word_rows
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
def linear_map() -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the map from the file's vectors to the model's embeddings."""
    draws = np.random.default_rng(1)
    return draws.standard_normal((DIM, WIDTH)).astype(np.float32), draws.standard_normal(WIDTH).astype(np.float32)


def model_of(vectors: np.ndarray, linear_map: tuple[np.ndarray, np.ndarray], *overrides: str) -> nn.Module:
    torch.manual_seed(0)
    config = typed(compose([*MODEL, f"model.embedding={WIDTH}", f"vectors.dim={WIDTH}", *overrides]))
    model = build_model(config, len(WORDS) + 4, len(WORDS) + 4).eval()
    with torch.no_grad():
        model.get_parameter("encoder.embedding.weight")[4:] = torch.from_numpy(
            vectors[: len(WORDS)] @ linear_map[0] + linear_map[1]
        )
    return model


@pytest.mark.parametrize("overrides", [[], ["model.share_embeddings=true", "tokenizer.shared=true"]])
def test_new_words_get_mapped_vectors_and_others_are_unchanged(
    tmp_path: Path, vectors: np.ndarray, linear_map: tuple[np.ndarray, np.ndarray], overrides: list[str]
) -> None:
    model = model_of(vectors, linear_map, *overrides)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    translator = Translator(model, plain_codec(WORDS, "fr"), plain_codec(WORDS))
    path = write_vectors(tmp_path / "vectors.npz", WORDS + MORE, vectors)
    grown, expansion = expand_vocabulary(translator, path)
    assert (expansion.shared, expansion.added) == (300, 2)
    assert expansion.explained > 0.99
    assert grown.source.vocabulary.words[-2:] == ("nouveau", "encore")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    table = grown.model.get_parameter("encoder.embedding.weight")
    assert torch.equal(table[:-2], before["encoder.embedding.weight"])
    assert table[-2:].detach().numpy() == pytest.approx(vectors[300:302] @ linear_map[0] + linear_map[1], abs=0.1)
    assert grown.model.get_parameter("generator.weight") is model.get_parameter("generator.weight")
    texts = ["mot1 mot2", "nouveau mot2", "mot1 encore"]
    extended_results, results = grown.translate(texts), translator.translate(texts)
    assert extended_results[0].words == results[0].words
    assert extended_results[1].source_words == ["nouveau", "mot2", "<eos>"]
    assert results[1].source_words == ["<unk>", "mot2", "<eos>"]
    assert extended_results[1].log_prob != results[1].log_prob


def test_each_model_of_an_ensemble_has_its_own_map(
    tmp_path: Path, vectors: np.ndarray, linear_map: tuple[np.ndarray, np.ndarray]
) -> None:
    models = [model_of(vectors, linear_map), model_of(vectors, (-linear_map[0], linear_map[1]))]
    both = Translator(Ensemble(models, "log_probs").eval(), plain_codec(WORDS, "fr"), plain_codec(WORDS))
    grown, _ = expand_vocabulary(both, write_vectors(tmp_path / "vectors.npz", WORDS + MORE, vectors))
    alone = [Translator(model, both.source, both.target) for model in models]
    assert isinstance(grown.model, Ensemble)
    for part, translator in zip(grown.model.models, alone, strict=True):
        expected, _ = expand_vocabulary(translator, tmp_path / "vectors.npz")
        rows = expected.model.get_parameter("encoder.embedding.weight")
        assert torch.equal(part.get_parameter("encoder.embedding.weight"), rows)
    assert grown.translate(["nouveau mot1"])[0].words


def test_the_map_is_that_of_least_squares_without_noise() -> None:
    draws = np.random.default_rng(0)
    inputs, weight = draws.standard_normal((200, 5)), draws.standard_normal((5, 3))
    linear = fit_linear(inputs.astype(np.float32), (inputs @ weight + 2).astype(np.float32))
    assert linear.weight == pytest.approx(weight, abs=0.02)
    assert linear.bias == pytest.approx(np.full(3, 2.0), abs=0.02)
    noise = fit_linear(inputs.astype(np.float32), draws.standard_normal((200, 3)).astype(np.float32))
    assert noise.explained < 0.1


def test_words_are_compared_as_the_tokenizer_reads_them() -> None:
    written = ("Mot1", "Chat", "chat", "CHIEN", "a b", "", "<unk>")
    assert [written[row] for row in new_word_rows(plain_codec(WORDS, "fr"), written)] == ["Chat", "CHIEN"]


def test_unusable_vectors_are_refused(
    tmp_path: Path, vectors: np.ndarray, linear_map: tuple[np.ndarray, np.ndarray]
) -> None:
    translator = Translator(model_of(vectors, linear_map), plain_codec(WORDS, "fr"), plain_codec(WORDS))
    with pytest.raises(UserError, match=r"none\.npz: there is no such file"):
        expand_vocabulary(translator, tmp_path / "none.npz")
    few = write_vectors(tmp_path / "few.npz", WORDS[:20] + MORE, vectors[:25])
    with pytest.raises(UserError, match="has 20 of the run's 300 source words, too few"):
        expand_vocabulary(translator, few)
