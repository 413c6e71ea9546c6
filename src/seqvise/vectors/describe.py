"""A vector file and words of it as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.vectors.lexicon import Lexicon, unit_rows

FIRST = 10
SPELLINGS = 5
WIDEST = 12
"""Words in a table of similarities; of more the pairs nearest to each other are listed."""
PAIRS = 20


@dataclass(frozen=True, eq=False)
class Entry:
    """A word that was asked for.

    Attributes:
        word: as it was written.
        entry: the word of the file; None for a vector made of subwords.
        rank: its place in the file, from 1; None as well.
        vector: (D,)
    """

    word: str
    entry: str | None
    rank: int | None
    vector: NDArray[np.float32]


def look_up(lexicon: Lexicon, words: Sequence[str]) -> list[Entry]:
    """The words in the file, those it lacks made of subwords where it knows these.

    Raises:
        UserError: a word has no vector; all such words, with those that are spelled like them.
    """
    found = [_entry(lexicon, word) for word in words]
    unknown = [word for word, one in zip(words, found, strict=True) if one is None]
    if unknown:
        raise UserError(*(unknown_word(lexicon, word) for word in unknown))
    return [one for one in found if one is not None]


def unknown_word(lexicon: Lexicon, word: str) -> str:
    """A sentence about a word without a vector."""
    near = lexicon.spelled_like(word, SPELLINGS)
    hint = f"Spelled nearly so: {', '.join(near)}." if near else "No word is spelled nearly so."
    return f"words: there is no vector of '{word}' in {lexicon.name}. {hint}"


def summary(lexicon: Lexicon) -> Iterator[str]:
    """Lines on the file as a whole."""
    norms = lexicon.norms
    count = f"{len(lexicon):,}" if len(lexicon) == lexicon.total else f"{len(lexicon):,} of {lexicon.total:,}"
    parts = lexicon.subwords
    rows = {
        "file": lexicon.name,
        "words": f"{count}, {lexicon.dim} dimensions",
        "subwords": f"of {parts.shortest} to {parts.longest} characters" if parts is not None else "none",
        "norm": f"{norms.mean():.3f} on average, {norms.min():.3f} to {norms.max():.3f}",
        "mean cosine": f"{lexicon.likeness:.3f} between two different words",
        "first words": " ".join(lexicon.words[:FIRST]),
    }
    if zeros := int((norms == 0).sum()):
        rows["zero vectors"] = f"{zeros:,}"
    return table([list(row) for row in rows.items()])


def words_report(lexicon: Lexicon, entries: Sequence[Entry], k: int) -> Iterator[str]:
    """Lines on each word: its entry, its rank and norm, and the words around it."""
    rows = [["word", "in the file", "rank", "norm", "nearest"]]
    for one in entries:
        near = lexicon.nearest(one.vector, k, without=[] if one.entry is None else [one.entry])
        told = ", ".join(f"{word} {cosine:.2f}" for word, cosine in near)
        rank = "" if one.rank is None else f"{one.rank:,}"
        rows.append([one.word, one.entry or "(from subwords)", rank, f"{np.linalg.norm(one.vector):.3f}", told])
    return table(rows, right=(2, 3))


def similarities(entries: Sequence[Entry]) -> Iterator[str]:
    """Lines on the cosines of all pairs of words; of many words, of the nearest pairs."""
    units = unit_rows(np.stack([one.vector for one in entries]))
    cosines = units @ units.T
    words = [one.word for one in entries]
    if len(words) <= WIDEST:
        cells = [[word, *(f"{value:.3f}" for value in row)] for word, row in zip(words, cosines, strict=True)]
        return table([["cosine", *words], *cells], right=range(1, len(words) + 1))
    first, second = np.triu_indices(len(words), 1)
    order = np.argsort(-cosines[first, second], kind="stable")[:PAIRS]
    pairs = [(first[one], second[one]) for one in order]
    lines = [[words[left], words[right], f"{cosines[left, right]:.3f}"] for left, right in pairs]
    return table([["nearest pairs", "", "cosine"], *lines], right=(2,))


def neighbours(found: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Lines of words and their cosines."""
    return table([[word, f"{cosine:.3f}"] for word, cosine in found], right=(1,))


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows of cells as lines, two spaces between columns. right: columns that are flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, range(len(row)), strict=True)
        yield "  ".join(cell.rjust(width) if n in right else cell.ljust(width) for cell, width, n in cells).rstrip()


def _entry(lexicon: Lexicon, word: str) -> Entry | None:
    row = lexicon.row(word)
    if row is not None:
        return Entry(word, lexicon.words[row], row + 1, np.asarray(lexicon.matrix[row], np.float32))
    vector = lexicon.from_subwords(word)
    return Entry(word, None, None, vector) if vector is not None and vector.any() else None
