"""Word vectors of the built-in pictures' text, as a file like any other."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

from seqvise.files import digest, write_text
from seqvise.images.pictures_text import pictures_text
from seqvise.vectors.options import VectorOptions
from seqvise.vectors.train import trained_vectors
from seqvise.vectors.words import WordVectors


def vectors_file(options: VectorOptions, cache: Path) -> Path:
    """A ``.vec`` file of the text's words, the most frequent first, trained where that was not done yet.

    Raises:
        UserError: fastText is not installed, or knows no word for the options.
    """
    words = [word for word, _ in Counter(chain.from_iterable(pictures_text())).most_common()]
    text = _as_text(trained_vectors(pictures_text, words, options.dim, options.trained, cache))
    file = cache / "pictures" / f"words-{digest(text)}.vec"
    if not file.exists() or file.read_bytes() != text.encode():
        write_text(file, text)
    return file


def _as_text(vectors: WordVectors) -> str:
    rows = zip(vectors.words, vectors.matrix, strict=True)
    lines = (f"{word} {' '.join(f'{value:.6g}' for value in row)}" for word, row in rows)
    return "\n".join([f"{len(vectors.words)} {vectors.dim}", *lines, ""])
