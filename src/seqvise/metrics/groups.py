"""Groups of sentences by a number (source length, unknown words), and text as space-separated tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Tokenise = Callable[[str], str]


def join_words(words: Iterable[str]) -> str:
    """The words joined by spaces; spaces within a word are replaced by ``▁``."""
    return " ".join(word.replace(" ", "▁") for word in words)


def moses_tokeniser(language: str, lowercase: bool) -> Tokenise:
    """The Moses tokenizer as used for published scores of tokenised text: lower-case, normalise punctuation, tokenise.

    Args:
        language: two-letter code.
        lowercase: whether to lower-case.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalise_punctuation, tokenise_words = MosesPunctNormalizer(language).normalize, MosesTokenizer(language).tokenize

    def tokenise(text: str) -> str:
        normalised = normalise_punctuation(text.lower() if lowercase else text)
        # Protected, since Moses would split <unk> into three tokens.
        return str(tokenise_words(normalised, return_str=True, escape=False, protected_patterns=["<unk>"]))

    return tokenise


def moses_signature(lowercase: bool) -> str:
    """Version and settings of ``moses_tokeniser``, as reported with scores."""
    return f"sacremoses {version('sacremoses')}, {'lower, ' if lowercase else ''}normalised, unescaped"


LENGTHS = (0, 1, 6, 11, 16, 21, 31, 41, 61, 101)
"""Start of each range of source lengths."""
UNKNOWNS = (0, 1, 2, 3, 5, 9)
"""Start of each range of numbers of unknown words."""


class Group(NamedTuple):
    """Sentences whose number is in one range."""

    label: str  # the range, such as ``0``, ``6-10`` or ``101+``
    members: NDArray[np.int64]  # indices of the sentences, ascending


def group_by_range(values: NDArray[np.int64], starts: Sequence[int]) -> list[Group]:
    """The non-empty ranges, ascending.

    Args:
        values: (N,) one number per sentence, none below ``starts[0]``.
        starts: start of each range, ascending; the last range has no end.
    """
    range_indices = np.searchsorted(starts, values, side="right") - 1
    ends = [next_start - 1 for next_start in starts[1:]]
    labels = [str(low) if low == high else f"{low}-{high}" for low, high in zip(starts, ends, strict=False)]
    labels.append(f"{starts[-1]}+")
    groups = [Group(label, np.flatnonzero(range_indices == index)) for index, label in enumerate(labels)]
    return [group for group in groups if len(group.members)]
