"""Vocabulary expansion: more source words for a trained translator, from a file of word vectors.

A linear map from the file's vectors to the trained embeddings is fitted on shared words. It gives embeddings to words
that are not in the training data (Kiros et al. 2015, "Skip-Thought Vectors", arXiv:1506.06726, 2.2).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary
from seqvise.decoding.ensemble import Ensemble
from seqvise.errors import UserError
from seqvise.inference.translator import Translator
from seqvise.vectors.store import read_all
from seqvise.vectors.words import resolve

Floats = NDArray[np.float32]
TranslatorT = TypeVar("TranslatorT", bound=Translator)

MAX_WORDS = 50_000
"""Number of words read from the start of a file, where the most frequent words are."""
MIN_SHARED_WORDS = 100
"""Minimum number of words for fitting a map."""
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Candidate ridge penalties, in units of the vectors' mean variance times the number of words."""


@dataclass(frozen=True)
class Expansion:
    """Statistics of a vocabulary expansion."""

    shared: int  # number of words that the map was fitted on
    added: int  # number of new words
    explained: float  # fraction of the variance of the trained embeddings that the map explains on held-out words

    def __str__(self) -> str:
        return (
            f"{self.added:,} more source words, by a map fitted on {self.shared:,} "
            f"(it explains {self.explained:.0%} of the variance on held-out words)"
        )


def expand_vocabulary(translator: TranslatorT, path: Path, max_words: int = MAX_WORDS) -> tuple[TranslatorT, Expansion]:
    """Adds source words from a file of word vectors to a translator.

    Args:
        translator: a word-level translator; not changed.
        path: word vectors of the source language, sorted by frequency.
        max_words: number of words read from the file.

    Returns:
        the extended translator, and statistics.

    Raises:
        UserError: the file is missing or damaged, has too few words of the vocabulary, or the model has no source
            embedding.
    """
    codec = translator.source
    _check_file(codec, path)
    file_vectors = read_all(path, max_words)
    run_words = codec.vocabulary.words[len(SPECIALS) :]
    matched = resolve(
        run_words, dict(zip(file_vectors.words, file_vectors.matrix, strict=True)), file_vectors.matrix.shape[1]
    )
    shared = np.flatnonzero(matched.origins)
    if len(shared) < MIN_SHARED_WORDS:
        raise UserError(
            f"source_vectors={path} has {len(shared)} of the run's {len(run_words):,} source words, too few to fit a "
            f"map to the model's embeddings: give vectors of {codec.language}."
        )
    rows = list(new_word_rows(codec, file_vectors.words))
    words = [_as_read(codec, file_vectors.words[row]) for row in rows]
    explained = []

    def extended_model(model: nn.Module) -> nn.Module:
        trained = _embedding_of(model, path).weight.detach().cpu().numpy()[len(SPECIALS) :]
        linear = fit_linear(matched.matrix[shared], trained[shared])
        explained.append(linear.explained)
        return _with_rows(model, linear(file_vectors.matrix[rows]))

    model = translator.model
    models = map(extended_model, model.models if isinstance(model, Ensemble) else [model])
    model = model.with_models(models) if isinstance(model, Ensemble) else next(models)
    source = replace(codec, vocabulary=_extended(codec.vocabulary, words))
    return replace(translator, model=model, source=source), Expansion(
        len(shared), len(words), float(np.mean(explained))
    )


def _check_file(codec: TextCodec, path: Path) -> None:
    if codec.pieces is not None or codec.options.name == "chars":
        raise UserError(
            f"source_vectors={path} is for words, but the run's tokenizer is {codec.options.name}: leave it out."
        )
    if not path.is_file():
        raise UserError(f"source_vectors={path}: there is no such file.")


@dataclass(frozen=True)
class LinearMap:
    """The map ``x weight + bias``, and the fraction of variance that it explains on held-out rows."""

    weight: Floats
    bias: Floats
    explained: float

    def __call__(self, vectors: Floats) -> Floats:
        """Maps (N, E) to (N, D)."""
        return np.asarray(vectors @ self.weight + self.bias, np.float32)


def fit_linear(inputs: Floats, targets: Floats) -> LinearMap:
    """Ridge regression; every tenth row selects the penalty, then all rows are used for the fit.

    Args:
        inputs: (N, E).
        targets: (N, D).
    """
    held_out = np.arange(len(inputs)) % 10 == 0
    variance = float(np.square(targets[held_out] - targets[~held_out].mean(0)).sum())
    errors = {}
    for penalty in PENALTIES:
        weight, bias = _ridge(inputs[~held_out], targets[~held_out], penalty)
        errors[penalty] = float(np.square(targets[held_out] - inputs[held_out] @ weight - bias).sum())
    best = min(errors, key=lambda penalty: errors[penalty])
    return LinearMap(*_ridge(inputs, targets, best), 1 - errors[best] / max(variance, 1e-12))


def _ridge(inputs: Floats, targets: Floats, penalty: float) -> tuple[Floats, Floats]:
    input_mean, target_mean = inputs.mean(0, dtype=np.float64), targets.mean(0, dtype=np.float64)
    centred = inputs - input_mean
    gram = centred.T @ centred
    scale = penalty * float(np.trace(gram)) / len(gram)
    weight = np.linalg.solve(gram + max(scale, 1e-9) * np.eye(len(gram)), centred.T @ (targets - target_mean))
    return weight.astype(np.float32), (target_mean - input_mean @ weight).astype(np.float32)


def new_word_rows(codec: TextCodec, words: Sequence[str]) -> Iterator[int]:
    """Yields the rows of distinct words that the tokenizer can produce and that are not in the vocabulary."""
    seen = set(codec.vocabulary.words)
    for row, word in enumerate(words):
        token = _as_read(codec, word)
        if token and token not in seen and not any(character.isspace() for character in token):
            seen.add(token)
            yield row


def _as_read(codec: TextCodec, word: str) -> str:
    return word if codec.options.case == "keep" else word.lower()


def _extended(vocabulary: Vocabulary, words: Sequence[str]) -> Vocabulary:
    no_joins = (False,) * len(words)
    return Vocabulary(
        vocabulary.words + tuple(words),
        vocabulary.counts + (0,) * len(words),
        vocabulary.joins_left + no_joins,
        vocabulary.joins_right + no_joins,
        vocabulary.pairs,
    )


def _embedding_of(model: nn.Module, path: Path) -> nn.Embedding:
    embedding = getattr(getattr(model, "encoder", None), "embedding", None)
    if not isinstance(embedding, nn.Embedding):
        raise UserError(f"source_vectors={path}: {type(model).__name__} has no encoder.embedding to add words to.")
    return embedding


def _with_rows(model: nn.Module, rows: Floats) -> nn.Module:
    """A copy of the model with more rows in its source embedding; it shares all other weights."""
    extended = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
    embedding = _embedding_of(extended, Path())
    new_rows = torch.from_numpy(rows).to(embedding.weight)
    embedding.weight = nn.Parameter(torch.cat([embedding.weight.detach(), new_rows]))
    embedding.num_embeddings = len(embedding.weight)
    return extended
