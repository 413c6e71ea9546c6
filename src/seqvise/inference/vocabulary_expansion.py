"""More source words for a trained translator, from a file of word vectors.

A linear map from the file's vectors to the trained ones is fitted on the words that both have; it gives a vector to
words that training never saw (vocabulary expansion: Kiros et al. 2015, "Skip-Thought Vectors", arXiv:1506.06726, 2.2).
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

MOST = 50_000
"""Words of a file that are read, from its first, which are its most frequent."""
FEWEST = 100
"""Words that a map is fitted on at least."""
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of a map's weights, in units of the vectors' mean variance times the number of words."""


@dataclass(frozen=True)
class Expansion:
    """What a file gave.

    Attributes:
        shared: words that the map was fitted on.
        added: words that have a vector now and had none.
        explained: share of the variance of the trained vectors that the map explains, of words it was not fitted on.
    """

    shared: int
    added: int
    explained: float

    def __str__(self) -> str:
        return (
            f"{self.added:,} more source words, by a map fitted on {self.shared:,} "
            f"(it explains {self.explained:.0%} of what it was not fitted on)"
        )


def expanded(translator: TranslatorT, path: Path, most: int = MOST) -> tuple[TranslatorT, Expansion]:
    """The translator with source words that its training did not have.

    Args:
        translator: of words; it is not changed.
        path: vectors of the source language; of a file that is sorted by frequency, the first words are taken.
        most: words of the file that are read.

    Returns:
        another translator, and what the file gave.

    Raises:
        UserError: the file is missing or damaged, has too few of the vocabulary's words, or the model has no table of
            source words.
    """
    codec = translator.source
    if codec.pieces is not None or codec.options.name == "chars":
        raise UserError(f"source_vectors={path} is for words, but the run reads {codec.options.name}: leave it out.")
    if not path.is_file():
        raise UserError(f"source_vectors={path}: there is no such file.")
    whole = read_all(path, most)
    own = codec.vocabulary.words[len(SPECIALS) :]
    known = resolve(own, dict(zip(whole.words, whole.matrix, strict=True)), whole.matrix.shape[1])
    shared = np.flatnonzero(known.origins)
    if len(shared) < FEWEST:
        raise UserError(
            f"source_vectors={path} has {len(shared)} of the run's {len(own):,} source words, too few to tell how its "
            f"vectors become the model's: give vectors of {codec.language}."
        )
    rows = list(new_words(codec, whole.words))
    words = [_as_read(codec, whole.words[row]) for row in rows]
    explained = []

    def grown(model: nn.Module) -> nn.Module:
        trained = _table(model, path).weight.detach().cpu().numpy()[len(SPECIALS) :]
        linear = fitted(known.matrix[shared], trained[shared])
        explained.append(linear.explained)
        return _with_rows(model, linear(whole.matrix[rows]))

    model = translator.model
    model = model.with_models(map(grown, model.models)) if isinstance(model, Ensemble) else grown(model)
    source = replace(codec, vocabulary=_longer(codec.vocabulary, words))
    return replace(translator, model=model, source=source), Expansion(
        len(shared), len(words), float(np.mean(explained))
    )


@dataclass(frozen=True)
class Linear:
    """``x weight + bias``, and the share of the variance that it explains where it was not fitted."""

    weight: Floats
    bias: Floats
    explained: float

    def __call__(self, vectors: Floats) -> Floats:
        """(N, E) to (N, D)."""
        return np.asarray(vectors @ self.weight + self.bias, np.float32)


def fitted(given: Floats, wanted: Floats) -> Linear:
    """Ridge regression, whose penalty is chosen by every tenth row, which it is then fitted on, too.

    Args:
        given: (N, E).
        wanted: (N, D).
    """
    held = np.arange(len(given)) % 10 == 0
    variance = float(np.square(wanted[held] - wanted[~held].mean(0)).sum())
    errors = {}
    for penalty in PENALTIES:
        weight, bias = _ridge(given[~held], wanted[~held], penalty)
        errors[penalty] = float(np.square(wanted[held] - given[held] @ weight - bias).sum())
    best = min(errors, key=lambda penalty: errors[penalty])
    return Linear(*_ridge(given, wanted, best), 1 - errors[best] / max(variance, 1e-12))


def _ridge(given: Floats, wanted: Floats, penalty: float) -> tuple[Floats, Floats]:
    centre, middle = given.mean(0, dtype=np.float64), wanted.mean(0, dtype=np.float64)
    inputs = given - centre
    gram = inputs.T @ inputs
    scale = penalty * float(np.trace(gram)) / len(gram)
    weight = np.linalg.solve(gram + max(scale, 1e-9) * np.eye(len(gram)), inputs.T @ (wanted - middle))
    return weight.astype(np.float32), (middle - centre @ weight).astype(np.float32)


def new_words(codec: TextCodec, written: Sequence[str]) -> Iterator[int]:
    """Places in a list of words of those that the codec's tokenizer could read and its vocabulary lacks, each once."""
    seen = set(codec.vocabulary.words)
    for row, word in enumerate(written):
        read = _as_read(codec, word)
        if read and read not in seen and not any(character.isspace() for character in read):
            seen.add(read)
            yield row


def _as_read(codec: TextCodec, word: str) -> str:
    return word if codec.options.case == "keep" else word.lower()


def _longer(vocabulary: Vocabulary, words: Sequence[str]) -> Vocabulary:
    no = (False,) * len(words)
    return Vocabulary(
        vocabulary.words + tuple(words),
        vocabulary.counts + (0,) * len(words),
        vocabulary.joins_left + no,
        vocabulary.joins_right + no,
        vocabulary.pairs,
    )


def _table(model: nn.Module, path: Path) -> nn.Embedding:
    found = getattr(getattr(model, "encoder", None), "embedding", None)
    if not isinstance(found, nn.Embedding):
        raise UserError(f"source_vectors={path}: {type(model).__name__} has no encoder.embedding to add words to.")
    return found


def _with_rows(model: nn.Module, rows: Floats) -> nn.Module:
    """The model with more rows in its table of source words; the other weights are the same tensors."""
    grown = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
    table = _table(grown, Path())
    more = torch.from_numpy(rows).to(table.weight)
    table.weight = nn.Parameter(torch.cat([table.weight.detach(), more]))
    table.num_embeddings = len(table.weight)
    return grown
