"""Describes a vector file and some of its words in tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.vectors.lexicon import Lexicon, unit_rows

FIRST = 10
SPELLINGS = 5
MAX_TABLE_WORDS = 12
"""Maximum number of words in a table of similarities; for more words, the nearest pairs are listed."""
PAIRS = 20


@dataclass(frozen=True, eq=False)
class Entry:
    """A requested word."""

    word: str  # the word as requested
    entry: str | None  # the word in the file; None for a vector from subwords
    rank: int | None  # position in the file, from 1; None for a vector from subwords
    vector: NDArray[np.float32]  # (D,) vector of the word


def look_up(lexicon: Lexicon, words: Sequence[str]) -> list[Entry]:
    """Looks up words; words that the file lacks get a vector from subwords, if it has these.

    Raises:
        UserError: words have no vector; the message names all of them, with words of similar spelling.
    """
    entries = [_entry(lexicon, word) for word in words]
    unknown = [word for word, entry in zip(words, entries, strict=True) if entry is None]
    if unknown:
        raise UserError(*(unknown_word(lexicon, word) for word in unknown))
    return [entry for entry in entries if entry is not None]


def unknown_word(lexicon: Lexicon, word: str) -> str:
    """The message for a word without a vector."""
    near = lexicon.spelled_like(word, SPELLINGS)
    hint = f"Spelled nearly so: {', '.join(near)}." if near else "No word is spelled nearly so."
    return f"words: there is no vector of '{word}' in {lexicon.name}. {hint}"


def summary(lexicon: Lexicon) -> Iterator[str]:
    """Table of the properties of the file."""
    norms = lexicon.norms
    count = f"{len(lexicon):,}" if len(lexicon) == lexicon.total else f"{len(lexicon):,} of {lexicon.total:,}"
    parts = lexicon.subwords
    rows = {
        "file": lexicon.name,
        "words": f"{count}, {lexicon.dim} dimensions",
        "subwords": f"of {parts.shortest} to {parts.longest} characters" if parts is not None else "none",
        "norm": f"{norms.mean():.3f} on average, {norms.min():.3f} to {norms.max():.3f}",
        "mean cosine": f"{lexicon.mean_cosine:.3f} between two different words",
        "first words": " ".join(lexicon.words[:FIRST]),
    }
    if zeros := int((norms == 0).sum()):
        rows["zero vectors"] = f"{zeros:,}"
    return table([list(row) for row in rows.items()])


def words_report(lexicon: Lexicon, entries: Sequence[Entry], k: int) -> Iterator[str]:
    """Table of words: entry, rank, norm and nearest words."""
    rows = [["word", "in the file", "rank", "norm", "nearest"]]
    for entry in entries:
        near = lexicon.nearest(entry.vector, k, without=[] if entry.entry is None else [entry.entry])
        neighbours_text = ", ".join(f"{word} {cosine:.2f}" for word, cosine in near)
        rank = "" if entry.rank is None else f"{entry.rank:,}"
        rows.append(
            [entry.word, entry.entry or "(from subwords)", rank, f"{np.linalg.norm(entry.vector):.3f}", neighbours_text]
        )
    return table(rows, right=(2, 3))


def similarities(entries: Sequence[Entry]) -> Iterator[str]:
    """Table of the cosines of all pairs of words; for many words, of the nearest pairs."""
    units = unit_rows(np.stack([entry.vector for entry in entries]))
    cosines = units @ units.T
    words = [entry.word for entry in entries]
    if len(words) <= MAX_TABLE_WORDS:
        cells = [[word, *(f"{value:.3f}" for value in row)] for word, row in zip(words, cosines, strict=True)]
        return table([["cosine", *words], *cells], right=range(1, len(words) + 1))
    first, second = np.triu_indices(len(words), 1)
    order = np.argsort(-cosines[first, second], kind="stable")[:PAIRS]
    pairs = [(first[index], second[index]) for index in order]
    lines = [[words[left], words[right], f"{cosines[left, right]:.3f}"] for left, right in pairs]
    return table([["nearest pairs", "", "cosine"], *lines], right=(2,))


def neighbours(neighbours: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Table of words and their cosines."""
    return table([[word, f"{cosine:.3f}"] for word, cosine in neighbours], right=(1,))


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Lines of a table with two spaces between columns. right: indices of right-aligned columns."""
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
