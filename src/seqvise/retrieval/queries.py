"""Search queries: words, sums and differences of words, or an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.tokenizers import has_word
from seqvise.errors import UserError
from seqvise.retrieval.indexes.nearest import Rows

SPELLINGS = 5
MIN_RELATIVE_LENGTH = 1e-4
"""Minimum length of a sum relative to its longest term; below it, the direction is rounding noise."""
_SIGN = re.compile(r"(?:^|(?<=\s))([+-])(?=\s|$)")


class Words(Protocol):
    """Words with vectors."""

    def vector(self, word: str) -> Rows | None:
        """(D,) the vector of a word or a name; None if it has none."""
        ...

    def from_subwords(self, word: str) -> Rows | None:
        """(D,) a vector composed of a word's subwords; None without subword vectors."""
        ...

    def spelled_like(self, word: str, k: int) -> list[str]:
        """The ``k`` words with the most similar spelling."""
        ...


@dataclass(frozen=True)
class Term:
    """A word or a name of a query, and whether it is added (1) or subtracted (-1)."""

    text: str
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Query:
    """A search query.

    Attributes:
        text: the query as written; for an image, its path.
        vector: (D,) unit vector.
        terms: the words; none for an image.
        notes: remarks on how the query was interpreted.
    """

    text: str
    vector: Rows
    terms: tuple[Term, ...] = ()
    image: Path | None = None
    notes: tuple[str, ...] = ()


def parse_query(text: str) -> tuple[Term, ...]:
    """Parses ``engine + boat - wing`` into terms. Signs need spaces around them; other hyphens are part of words.

    Raises:
        UserError: there is no word, or a sign without one.
    """
    head, *rest = _SIGN.split(text)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    terms = [Term(head.strip())] if has_word(head) else []
    for sign, word in pairs:
        if not has_word(word):
            raise UserError(f"query='{text}' has no word after a '{sign}'.")
        terms.append(Term(word.strip(), 1 if sign == "+" else -1))
    if not terms:
        raise UserError("query= is empty: write a word, or words with + and - between them.")
    return tuple(terms)


def word_query(text: str, words: Words, combine: str) -> Query:
    """Parses a text and computes its query vector.

    Args:
        text: see ``parse_query``.
        words: the source of the vectors.
        combine: ``unit`` gives each term the same weight; ``raw`` adds unnormalized vectors.

    Raises:
        UserError: words have no vector (all are listed, with similar spellings), or the terms cancel out.
    """
    terms = parse_query(text)
    messages, notes, vectors = [], [], []
    for term in terms:
        vector, note = _term_vector(term.text, words)
        if vector is None:
            messages.append(f"query='{text}': {note}")
            continue
        notes += [note] if note else []
        length = float(np.linalg.norm(vector))
        vectors.append(term.sign * vector / (length if combine == "unit" else 1.0))
    if messages:
        raise UserError(*messages)
    total = np.sum(vectors, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if not length > MIN_RELATIVE_LENGTH * max(float(np.linalg.norm(vector)) for vector in vectors):
        raise UserError(f"query='{text}' has no direction: its words cancel out.")
    return Query(text, np.asarray(total / length, np.float32), terms, notes=tuple(notes))


def _term_vector(text: str, words: Words) -> tuple[NDArray[np.floating] | None, str]:
    """A term's vector with a note on how it was found, or None with the reason."""
    vector = words.vector(text)
    if vector is not None and np.any(vector):
        return vector, ""
    parts = text.split()
    if len(parts) > 1:
        return _phrase_vector(text, parts, words)
    vector = words.from_subwords(text)
    if vector is not None and np.any(vector):
        return vector, f"'{text}' is out of vocabulary; its vector is composed of subwords."
    return None, _unknown(text, words)


def _phrase_vector(text: str, parts: list[str], words: Words) -> tuple[NDArray[np.floating] | None, str]:
    """The vector of several words written as one, or else the mean of their directions."""
    closed = "".join(parts)
    vector = words.vector(closed)
    if vector is not None and np.any(vector):
        return vector, f"'{text}' is looked up as '{closed}'."
    results = [_term_vector(part, words) for part in parts]
    missing = [note for vector, note in results if vector is None]
    if missing:
        return None, " ".join(missing)
    vectors = [vector for vector, _ in results if vector is not None]
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    mean = np.mean([vector / length for vector, length in zip(vectors, lengths, strict=True)], axis=0)
    return mean * np.mean(lengths), f"'{text}' has no vector; the mean of its words is used."


def _unknown(word: str, words: Words) -> str:
    similar = words.spelled_like(word, SPELLINGS)
    hint = f"Similar spellings: {', '.join(similar)}." if similar else "No word has a similar spelling."
    signs = " Put spaces around + and -." if re.search(r"\S[+-]\S", word) else ""
    return f"there is no vector of '{word}'. {hint}{signs}"
