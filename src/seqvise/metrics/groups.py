"""Sentences told apart by a number that each has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Tokenise = Callable[[str], str]


def joined(words: Iterable[str]) -> str:
    """Words with a space between each two; a space within a word, or that is one, is shown as ``▁``."""
    return " ".join(word.replace(" ", "▁") for word in words)


def moses_tokeniser(language: str, lowercase: bool) -> Tokenise:
    """Moses's tokenizer, as published scores of tokenised text use it: case, then punctuation, then words.

    Args:
        language: its two-letter code.
        lowercase: lower-case first.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalise, split = MosesPunctNormalizer(language).normalize, MosesTokenizer(language).tokenize

    def tokenise(text: str) -> str:
        plain = normalise(text.lower() if lowercase else text)
        # An unknown word is one wrong word, not the three that its brackets would make it.
        return str(split(plain, return_str=True, escape=False, protected_patterns=["<unk>"]))

    return tokenise


def moses_signature(lowercase: bool) -> str:
    """How ``moses_tokeniser`` makes its tokens."""
    return f"sacremoses {version('sacremoses')}, {'lower, ' if lowercase else ''}normalised, unescaped"


LENGTHS = (0, 1, 6, 11, 16, 21, 31, 41, 61, 101)
"""Where each range of source lengths starts."""
UNKNOWNS = (0, 1, 2, 3, 5, 9)
"""Where each range of counts of unknown words starts."""


class Group(NamedTuple):
    """Sentences whose number lies in one range.

    Attributes:
        label: the range, as ``0``, ``6-10`` or ``101+``.
        members: their places, ascending.
    """

    label: str
    members: NDArray[np.int64]


def grouped(values: NDArray[np.int64], starts: Sequence[int]) -> list[Group]:
    """The ranges that have members, in order.

    Args:
        values: (N,) a number for each sentence, none below ``starts[0]``.
        starts: where each range starts, ascending; the last one has no end.
    """
    places = np.searchsorted(starts, values, side="right") - 1
    ends = [following - 1 for following in starts[1:]]
    labels = [str(low) if low == high else f"{low}-{high}" for low, high in zip(starts, ends, strict=False)]
    labels.append(f"{starts[-1]}+")
    groups = [Group(label, np.flatnonzero(places == place)) for place, label in enumerate(labels)]
    return [group for group in groups if len(group.members)]
