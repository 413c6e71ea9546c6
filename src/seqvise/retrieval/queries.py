"""What is looked for: words, sums and differences of words, or an image."""

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
NOTHING = 1e-4
"""Length of a sum, to that of its longest term, below which it has no direction but that of rounding."""
_SIGN = re.compile(r"(?:^|(?<=\s))([+-])(?=\s|$)")


class Words(Protocol):
    """Words that have vectors."""

    def vector(self, word: str) -> Rows | None:
        """(D,) the vector of a word or a name; None where it has none."""
        ...

    def from_subwords(self, word: str) -> Rows | None:
        """(D,) a vector made of a word's parts; None where the vectors have none of parts."""
        ...

    def spelled_like(self, word: str, k: int) -> list[str]:
        """Words that are spelled nearly so."""
        ...


@dataclass(frozen=True)
class Term:
    """A word or a name of a query, and whether it is added (1) or taken off (-1)."""

    text: str
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Query:
    """Something that is looked for.

    Attributes:
        text: as the person wrote it; of an image, its path.
        vector: (D,) where it points, of length 1.
        terms: its words; none of an image.
        image: the file, where it is one.
        notes: sentences about how it was understood.
    """

    text: str
    vector: Rows
    terms: tuple[Term, ...] = ()
    image: Path | None = None
    notes: tuple[str, ...] = ()


def parse_query(text: str) -> tuple[Term, ...]:
    """The terms of ``engine + boat - wing``. A sign has spaces around it, so that hyphens stay in their words.

    Raises:
        UserError: there is no word, or a sign without one.
    """
    head, *rest = _SIGN.split(text)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    terms = [Term(head.strip())] if has_word(head) else []
    for sign, word in pairs:
        if not has_word(word):
            raise UserError(f"query='{text}' has no word behind a '{sign}'.")
        terms.append(Term(word.strip(), 1 if sign == "+" else -1))
    if not terms:
        raise UserError("query= is empty: write a word, or words with + and - between them.")
    return tuple(terms)


def word_query(text: str, words: Words, combine: str) -> Query:
    """The query that a text stands for.

    Args:
        text: see ``parse_query``.
        words: where the vectors come from.
        combine: ``unit`` gives each term the same weight; ``raw`` adds vectors as they are in their file.

    Raises:
        UserError: a word has no vector, naming the nearest spellings, all such words at once; or the terms cancel.
    """
    terms = parse_query(text)
    problems, notes, vectors = [], [], []
    for term in terms:
        vector, note = _term_vector(term.text, words)
        if vector is None:
            problems.append(f"query='{text}': {note}")
            continue
        notes += [note] if note else []
        length = float(np.linalg.norm(vector))
        vectors.append(term.sign * vector / (length if combine == "unit" else 1.0))
    if problems:
        raise UserError(*problems)
    total = np.sum(vectors, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if not length > NOTHING * max(float(np.linalg.norm(vector)) for vector in vectors):
        raise UserError(f"query='{text}' comes to nothing: its words cancel out.")
    return Query(text, np.asarray(total / length, np.float32), terms, notes=tuple(notes))


def _term_vector(text: str, words: Words) -> tuple[NDArray[np.floating] | None, str]:
    """A term's vector and a sentence: what is noteworthy about it, or why there is none."""
    vector = words.vector(text)
    if vector is not None and np.any(vector):
        return vector, ""
    parts = text.split()
    if len(parts) > 1:
        return _joined_vector(text, parts, words)
    vector = words.from_subwords(text)
    if vector is not None and np.any(vector):
        return vector, f"'{text}' is not among the words; its vector is made of its parts."
    return None, _unknown(text, words)


def _joined_vector(text: str, parts: list[str], words: Words) -> tuple[NDArray[np.floating] | None, str]:
    """The vector of several words written as one, else the mean of their directions."""
    closed = "".join(parts)
    vector = words.vector(closed)
    if vector is not None and np.any(vector):
        return vector, f"'{text}' is looked up as '{closed}'."
    found = [_term_vector(part, words) for part in parts]
    missing = [note for vector, note in found if vector is None]
    if missing:
        return None, " ".join(missing)
    vectors = [vector for vector, _ in found if vector is not None]
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    mean = np.mean([vector / length for vector, length in zip(vectors, lengths, strict=True)], axis=0)
    return mean * np.mean(lengths), f"'{text}' has no vector of its own; it is the mean of its words."


def _unknown(word: str, words: Words) -> str:
    near = words.spelled_like(word, SPELLINGS)
    hint = f"Spelled nearly so: {', '.join(near)}." if near else "No word is spelled nearly so."
    signs = " Put spaces around + and -." if re.search(r"\S[+-]\S", word) else ""
    return f"there is no vector of '{word}'. {hint}{signs}"
