"""The evaluation corpus, validated before anything is translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.parallel.readers import read_lines
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import UNK
from seqvise.errors import UserError


@dataclass(frozen=True, eq=False)
class Corpus:
    """N sentence pairs."""

    # source, target: the names of the files
    source: str
    target: str
    # sources, references: the lines of the files
    sources: Sequence[str]
    references: Sequence[str]
    lengths: NDArray[np.int64]  # (N,) words of each source by the run's tokenizer
    unknowns: NDArray[np.int64]  # (N,) out-of-vocabulary words of each source


def measure(names: tuple[str, str], sources: Sequence[str], references: Sequence[str], codec: TextCodec) -> Corpus:
    """Builds the corpus with source lengths and unknown words. names: the two files; codec: that of the source side."""
    sentences = codec.encode(sources)
    lengths = np.array([len(ids) - 1 for ids in sentences], np.int64)
    unknowns = np.array([int((ids == UNK).sum()) for ids in sentences], np.int64)
    return Corpus(*names, sources, references, lengths, unknowns)


def read_parallel(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Reads parallel files; returns their lines by key.

    Args:
        files: path by command-line key; plain text or gzip.

    Raises:
        UserError: a file cannot be read, is empty or not UTF-8, or has another number of lines than the first.
    """
    messages: list[str] = []
    texts = {key: _lines(key, path, messages) for key, path in files.items()}
    if messages:
        raise UserError(*messages)
    first, *others = texts
    uneven = [key for key in others if len(texts[key]) != len(texts[first])]
    if uneven:
        raise UserError(*(_uneven(files, texts, first, key) for key in uneven))
    return texts


def _lines(key: str, path: Path, messages: list[str]) -> list[str]:
    try:
        lines = list(read_lines(path))
    except UserError as error:
        messages += [f"{key}={message}" for message in error.messages]
        return []
    if not lines:
        messages.append(f"{key}={path} is empty: there is nothing to evaluate.")
    return lines


def _uneven(files: Mapping[str, Path], texts: Mapping[str, list[str]], first: str, other: str) -> str:
    counts = [f"{key}={files[key]} has {len(texts[key]):,} lines" for key in (first, other)]
    return f"{' and '.join(counts)}, but parallel files must have the same number of lines."
