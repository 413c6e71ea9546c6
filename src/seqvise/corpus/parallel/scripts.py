"""Detects the writing system of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_NAMES = """
arabic armenian bengali cyrillic devanagari ethiopic georgian greek gujarati gurmukhi hangul hebrew hiragana
kannada khmer lao malayalam mongolian myanmar sinhala tamil telugu thai tibetan
"""
SCRIPTS = {name: (name.upper(),) for name in _NAMES.split()} | {
    "han": ("CJK", "IDEOGRAPHIC"),
    "katakana": ("KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"),
    "latin": ("LATIN", "FULLWIDTH", "FEMININE", "MASCULINE"),
}
"""Script -> first words of the Unicode names of its letters."""


class ScriptTest(dict[str, int]):
    """Whether at least half of a text's letters belong to the given scripts.

    Digits, marks and emoji do not count; a text without letters passes. As a dictionary, it caches the vote of each
    character: 1 for a letter of the scripts, -1 for another letter, else 0.

    Args:
        scripts: keys of ``SCRIPTS``.
    """

    def __init__(self, scripts: Sequence[str]) -> None:
        self._prefixes = {prefix for script in scripts for prefix in SCRIPTS[script]}

    def __call__(self, text: str) -> bool:
        return sum(map(self.__getitem__, text)) >= 0

    def __missing__(self, character: str) -> int:
        if not unicodedata.category(character).startswith("L"):
            vote = 0
        else:
            prefix = unicodedata.name(character, "").partition(" ")[0]
            vote = 1 if prefix in self._prefixes else -1
        self[character] = vote
        return vote
