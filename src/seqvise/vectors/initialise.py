"""Initialises word embeddings from word vectors, and reports the coverage of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.download.catalogue import vector_source
from seqvise.errors import UserError
from seqvise.vectors.options import VectorOptions
from seqvise.vectors.store import file_dim, stored_vectors
from seqvise.vectors.words import Origin, WordVectors

SPECIALS = 4
"""Number of special tokens at the start of a vocabulary: <bos>, <pad>, <eos>, <unk>."""
PAD = 1
SHOWN = 20
MAX_MEAN_COSINE = 0.9
"""A larger mean cosine is reported; vectors trained on large corpora have about .1 to .4."""


@dataclass(frozen=True)
class Coverage:
    """Coverage of a vocabulary by word vectors, without special tokens."""

    # exact, case, subwords, missing: numbers of words by the origin of their vector
    exact: int
    case: int
    subwords: int
    missing: int
    tokens: float | None  # share of running words with an exact vector or that of another case; None without counts
    tokens_subwords: float | None  # share of running words with a vector from subwords; None without counts
    examples: tuple[str, ...]  # the most frequent words without a vector
    mean_cosine: float = 0.0  # mean cosine between the vectors of two words; near 1, the vectors carry no information

    @property
    def known(self) -> int:
        """The number of words with a vector."""
        return self.exact + self.case + self.subwords

    def __str__(self) -> str:
        total = self.known + self.missing
        text = (
            f"Vectors of {total:,} words: {self.exact:,} exact, {self.case:,} in another case, "
            f"{self.subwords:,} from subwords, {self.missing:,} missing."
        )
        if self.tokens is not None and self.tokens_subwords is not None:
            text += f" Running words: {self.tokens:.1%} with a vector, {self.tokens_subwords:.1%} from subwords only."
        if self.examples:
            text += f" Most frequent words without a vector: {', '.join(self.examples)}."
        if self.mean_cosine > MAX_MEAN_COSINE:
            text += (
                f" WARNING: the vectors are nearly equal (mean cosine {self.mean_cosine:.4f}), as after too little "
                "training: increase vectors.trained.epochs, or use other vectors."
            )
        return text


def initial_vectors(
    options: VectorOptions,
    words: Sequence[str],
    counts: Sequence[int],
    path: str | None,
    dim: int,
    cache: Path,
    seed: int,
    lines: Callable[[], Iterable[Sequence[str]]] | None,
) -> tuple[NDArray[np.float32], Coverage] | None:
    """The initial embedding of one side; None if the model's own initialisation is used.

    Args:
        words: vocabulary of the side, V entries, special tokens first.
        counts: occurrences of each entry in the training part.
        path: ``options.source`` or ``options.target``; None with ``fasttext`` means no vectors for this side.
        dim: embedding dimension D of the model.
        cache: folder of the stores.
        seed: seed of random rows.
        lines: returns the tokenised training sentences of the side, for ``trained``.

    Returns:
        (V, D) matrix and its coverage.

    Raises:
        UserError: the file is missing or damaged, or the dimension of its vectors is not that of the model.
    """
    if options.name == "none" or (options.name == "fasttext" and path is None):
        return None
    real_words = words[SPECIALS:]
    if options.name == "trained":
        from seqvise.vectors.train import trained_vectors

        if lines is None:
            raise ValueError("vectors=trained needs the training sentences.")
        vectors = trained_vectors(lines, real_words, dim, options.trained, cache)
    else:
        vectors = stored_vectors(_checked(options, path or "", dim), real_words, cache)
    return embedding_matrix(words, vectors, options, seed, counts)


def embedding_matrix(
    words: Sequence[str],
    vectors: WordVectors,
    options: VectorOptions,
    seed: int,
    counts: Sequence[int] | None = None,
) -> tuple[NDArray[np.float32], Coverage]:
    """The initial embedding matrix of a vocabulary.

    Vectors are scaled by ``options.scale``. A word without a vector gets the mean of the others. With
    ``missing=random``, it gets a random vector around 0 with standard deviation 1, as in the fast.ai (2018) lesson, or
    with ``scale=none`` the deviation of the others. <bos>, <eos> and <unk> are always random, around the same centre,
    so that they differ from one another; <pad> is zero.

    Args:
        words: V entries, special tokens first.
        vectors: vectors of ``words[4:]``.
        seed: seed of the random rows.
        counts: occurrences of each entry, for the coverage.

    Returns:
        (V, D) matrix and its coverage.
    """
    if vectors.words != tuple(words[SPECIALS:]):
        raise ValueError("The words of the vectors must be those of the vocabulary without special tokens.")
    origins = vectors.origins.copy()
    if options.missing != "subwords":
        origins[origins == Origin.SUBWORDS] = Origin.MISSING
    has_vector = origins != Origin.MISSING
    rows = _scaled(np.asarray(vectors.matrix[has_vector], np.float32), options)
    centre, deviation = _missing_rows(rows, options)
    matrix = np.random.default_rng(seed).standard_normal((len(words), vectors.dim), np.float32) * deviation + centre
    if options.missing != "random" and rows.size:
        matrix[SPECIALS:] = centre
    matrix[PAD] = 0
    matrix[SPECIALS:][has_vector] = rows
    return matrix.astype(np.float32, copy=False), _coverage(vectors.words, origins, counts, rows)


def _scaled(rows: NDArray[np.float32], options: VectorOptions) -> NDArray[np.float32]:
    deviation = float(rows.std()) if rows.size else 0.0
    if options.scale == "unit" and deviation > 0:
        return rows / np.float32(deviation)
    return rows * np.float32(options.factor) if options.scale == "times" else rows


def _missing_rows(rows: NDArray[np.float32], options: VectorOptions) -> tuple[NDArray[np.float32], np.float32]:
    """(D,) centre of the rows of missing words, and their standard deviation if they are random."""
    deviation = float(rows.std()) if rows.size else 1.0
    if options.missing == "random":
        return np.zeros(rows.shape[1], np.float32), np.float32(deviation if options.scale == "none" else 1.0)
    centre = rows.mean(0) if rows.size else np.zeros(rows.shape[1], np.float32)
    return centre.astype(np.float32, copy=False), np.float32(deviation)


def mean_cosine(rows: NDArray[np.float32]) -> float:
    """The mean cosine between two different rows of (n, D), without an (n, n) matrix; 0 for fewer than two rows."""
    count = len(rows)
    if count < 2:
        return 0.0
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return float((np.square(units.sum(0, dtype=np.float64)).sum() - count) / (count * (count - 1)))


def _coverage(
    words: Sequence[str], origins: NDArray[np.uint8], counts: Sequence[int] | None, rows: NDArray[np.float32]
) -> Coverage:
    weights = np.ones(len(words)) if counts is None else np.asarray(counts[SPECIALS:], np.float64)
    missing = np.flatnonzero(origins == Origin.MISSING)
    frequent = missing[np.argsort(-weights[missing], kind="stable")][:SHOWN]
    has_own_vector = np.isin(origins, (Origin.EXACT, Origin.CASE))
    total = weights.sum()
    has_counts = counts is not None and total > 0
    missing_count, exact, case, subwords = np.bincount(origins, minlength=len(Origin)).tolist()
    return Coverage(
        exact=exact,
        case=case,
        subwords=subwords,
        missing=missing_count,
        tokens=float(weights[has_own_vector].sum() / total) if has_counts else None,
        tokens_subwords=float(weights[origins == Origin.SUBWORDS].sum() / total) if has_counts else None,
        examples=tuple(words[row] for row in frequent),
        mean_cosine=mean_cosine(rows),
    )


def check_files(options: VectorOptions, dim: int) -> None:
    """Cheap checks of the files, before the training data is prepared.

    Raises:
        UserError: a file of ``vectors=fasttext`` is missing, or its vectors do not have ``dim`` dimensions.
    """
    for path in (options.source, options.target) if options.name == "fasttext" else ():
        if path is not None:
            _checked(options, path, dim)


def _checked(options: VectorOptions, path: str, dim: int) -> Path:
    key = "vectors.source" if path == options.source else "vectors.target"
    file = Path(path).expanduser()
    if not file.is_file():
        advice = " Put it there, or set vectors.download=true." if vector_source(file.name) else ""
        raise UserError(f"{key} is '{path}', but there is no such file.{advice}")
    file_dimension = file_dim(file)
    if file_dimension != dim:
        raise UserError(
            f"{key} is '{path}', whose vectors have {file_dimension} dimensions, but model.embedding is {dim}: set "
            f"model.embedding={file_dimension} and vectors.dim={file_dimension}, or use vectors of {dim} dimensions."
        )
    return file
