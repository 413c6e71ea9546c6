"""The matrix that word embeddings start from, and a report of what was missing."""

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
"""Entries at the head of a vocabulary that are not words: <bos>, <pad>, <eos>, <unk>."""
PAD = 1
SHOWN = 20
ALIKE = 0.9
"""A mean cosine above this is reported; vectors of large corpora have about .1 to .4."""


@dataclass(frozen=True)
class Coverage:
    """How many words of a vocabulary have a vector, the specials not counted.

    Attributes:
        exact, case, subwords, missing: numbers of words by where their vector comes from.
        tokens: the share of running words with a vector of their own or another case's; None without counts.
        tokens_subwords: the share of running words with a vector from subwords; None without counts.
        examples: the most frequent words without a vector.
        likeness: mean cosine between the vectors of two words; near 1, they say nothing.
    """

    exact: int
    case: int
    subwords: int
    missing: int
    tokens: float | None
    tokens_subwords: float | None
    examples: tuple[str, ...]
    likeness: float = 0.0

    def __str__(self) -> str:
        total = self.exact + self.case + self.subwords + self.missing
        text = (
            f"Of {total:,} words, {self.exact:,} have a vector, {self.case:,} that of another case, "
            f"{self.subwords:,} one from subwords, {self.missing:,} none."
        )
        if self.tokens is not None and self.tokens_subwords is not None:
            text += f" Of running words, {self.tokens:.1%} have a vector and {self.tokens_subwords:.1%} subwords only."
        if self.examples:
            text += f" Most frequent without: {', '.join(self.examples)}."
        if self.likeness > ALIKE:
            text += (
                f" WARNING: the vectors are nearly all alike (mean cosine {self.likeness:.4f}), as after too little "
                "training: raise vectors.trained.epochs, or take other vectors."
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
    """The start of one side's embedding, or None where it stays as the model makes it.

    Args:
        words: the side's vocabulary, V entries, the specials first.
        counts: how often each occurs in training.
        path: ``options.source`` or ``options.target``; None with ``fasttext`` leaves the side as it is.
        dim: D, the model's width of word vectors.
        cache: the folder of stores.
        seed: of the rows that are drawn.
        lines: gives the side's tokenised training sentences, for ``trained``.

    Returns:
        (V, D) and a report.

    Raises:
        UserError: the file is missing or damaged, or its vectors have another width than the model's.
    """
    if options.name == "none" or (options.name == "fasttext" and path is None):
        return None
    wanted = words[SPECIALS:]
    if options.name == "trained":
        found = _trained(options, wanted, dim, cache, lines)
    else:
        found = stored_vectors(_checked(options, path or "", dim), wanted, cache)
    return embedding_matrix(words, found, options, seed, counts)


def embedding_matrix(
    words: Sequence[str],
    found: WordVectors,
    options: VectorOptions,
    seed: int,
    counts: Sequence[int] | None = None,
) -> tuple[NDArray[np.float32], Coverage]:
    """A row for each entry of a vocabulary.

    Found vectors are scaled by ``options.scale``. A word without one gets the mean of the found rows, or with
    ``missing=random`` a draw around 0: with deviation 1, as in the lesson, or that of the found rows where
    ``scale=none``. <bos>, <eos> and <unk> are always drawn, around the same centre, so that they differ from one
    another; <pad> is zero.

    Args:
        words: V entries, the specials first.
        found: vectors of ``words[4:]``.
        seed: of the draws.
        counts: how often each entry occurs, for the report.

    Returns:
        (V, D) and a report.
    """
    if found.words != tuple(words[SPECIALS:]):
        raise ValueError("The vectors found are not those of the vocabulary's words.")
    origins = found.origins.copy()
    if options.missing != "subwords":
        origins[origins == Origin.SUBWORDS] = Origin.MISSING
    has = origins != Origin.MISSING
    rows = _scaled(np.asarray(found.matrix[has], np.float32), options)
    centre, deviation = _missing_rows(rows, options)
    drawn = np.random.default_rng(seed).standard_normal((len(words), found.dim), np.float32) * deviation + centre
    if options.missing != "random" and rows.size:
        drawn[SPECIALS:] = centre
    drawn[PAD] = 0
    drawn[SPECIALS:][has] = rows
    return drawn.astype(np.float32, copy=False), _coverage(found.words, origins, counts, rows)


def _scaled(rows: NDArray[np.float32], options: VectorOptions) -> NDArray[np.float32]:
    deviation = float(rows.std()) if rows.size else 0.0
    if options.scale == "unit" and deviation > 0:
        return rows / np.float32(deviation)
    return rows * np.float32(options.factor) if options.scale == "times" else rows


def _missing_rows(rows: NDArray[np.float32], options: VectorOptions) -> tuple[NDArray[np.float32], np.float32]:
    """Where the rows of missing words lie (D,), and how far they spread if they are drawn."""
    spread = float(rows.std()) if rows.size else 1.0
    if options.missing == "random":
        return np.zeros(rows.shape[1], np.float32), np.float32(spread if options.scale == "none" else 1.0)
    centre = rows.mean(0) if rows.size else np.zeros(rows.shape[1], np.float32)
    return centre.astype(np.float32, copy=False), np.float32(spread)


def likeness(rows: NDArray[np.float32]) -> float:
    """The mean cosine between two different rows of (n, D), without forming (n, n); 0 below two rows."""
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
    own = np.isin(origins, (Origin.EXACT, Origin.CASE))
    total = weights.sum()
    known = counts is not None and total > 0
    missing_count, exact, case, subwords = np.bincount(origins, minlength=len(Origin)).tolist()
    return Coverage(
        exact=exact,
        case=case,
        subwords=subwords,
        missing=missing_count,
        tokens=float(weights[own].sum() / total) if known else None,
        tokens_subwords=float(weights[origins == Origin.SUBWORDS].sum() / total) if known else None,
        examples=tuple(words[row] for row in frequent),
        likeness=likeness(rows),
    )


def _trained(
    options: VectorOptions,
    words: Sequence[str],
    dim: int,
    cache: Path,
    lines: Callable[[], Iterable[Sequence[str]]] | None,
) -> WordVectors:
    from seqvise.vectors.train import trained_vectors

    if lines is None:
        raise ValueError("vectors=trained needs the training sentences.")
    return trained_vectors(lines, words, dim, options.trained, cache)


def check_files(options: VectorOptions, dim: int) -> None:
    """The checks that cost nothing, for before the long work.

    Raises:
        UserError: a file of ``vectors=fasttext`` is missing or has vectors of another width than ``dim``.
    """
    for path in (options.source, options.target) if options.name == "fasttext" else ():
        if path is not None:
            _checked(options, path, dim)


def _checked(options: VectorOptions, path: str, dim: int) -> Path:
    key = "vectors.source" if path == options.source else "vectors.target"
    file = Path(path).expanduser()
    if not file.is_file():
        fetched = " Put it there, or set vectors.download=true." if vector_source(file.name) else ""
        raise UserError(f"{key} is '{path}', but there is no such file.{fetched}")
    width = file_dim(file)
    if width != dim:
        raise UserError(
            f"{key} is '{path}', whose vectors have {width} dimensions, but model.embedding is {dim}: set "
            f"model.embedding={width} and vectors.dim={width}, or choose vectors of {dim} dimensions."
        )
    return file
