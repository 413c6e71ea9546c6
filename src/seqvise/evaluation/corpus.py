"""The sentences that systems are evaluated on, checked before anything is translated."""

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
    """N sentences, line by line.

    Attributes:
        source, target: the names of their files.
        sources, references: their lines.
        lengths: (N,) words of each source, by the run's tokenizer.
        unknowns: (N,) how many of them its vocabulary lacks.
    """

    source: str
    target: str
    sources: Sequence[str]
    references: Sequence[str]
    lengths: NDArray[np.int64]
    unknowns: NDArray[np.int64]


def measure(names: tuple[str, str], sources: Sequence[str], references: Sequence[str], codec: TextCodec) -> Corpus:
    """The corpus with the lengths and unknown words of its sources. names: of the two files. codec: of the source."""
    sentences = codec.encode(sources)
    lengths = np.array([len(ids) - 1 for ids in sentences], np.int64)
    unknowns = np.array([int((ids == UNK).sum()) for ids in sentences], np.int64)
    return Corpus(*names, sources, references, lengths, unknowns)


def read_alike(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """The lines of files that belong together line by line, by their keys.

    Args:
        files: the path that each key was given, plain or gzip.

    Raises:
        UserError: a file cannot be read, is empty or not UTF-8, or has another number of lines than the first.
    """
    problems: list[str] = []
    texts = {key: _lines(key, path, problems) for key, path in files.items()}
    if problems:
        raise UserError(*problems)
    first, *others = texts
    uneven = [key for key in others if len(texts[key]) != len(texts[first])]
    if uneven:
        raise UserError(*(_uneven(files, texts, first, key) for key in uneven))
    return texts


def _lines(key: str, path: Path, problems: list[str]) -> list[str]:
    try:
        lines = list(read_lines(path))
    except UserError as error:
        problems += [f"{key}={problem}" for problem in error.messages]
        return []
    if not lines:
        problems.append(f"{key}={path} is empty: there is nothing to evaluate.")
    return lines


def _uneven(files: Mapping[str, Path], texts: Mapping[str, list[str]], first: str, other: str) -> str:
    counts = [f"{key}={files[key]} has {len(texts[key]):,} lines" for key in (first, other)]
    return f"{' and '.join(counts)}, but line n of one must belong to line n of the other."
