"""Text as words between single spaces, for scores on tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version

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
