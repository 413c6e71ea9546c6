"""Detects the writing system of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

SCRIPTS = {
    "arabic": ("ARABIC",),
    "armenian": ("ARMENIAN",),
    "bengali": ("BENGALI",),
    "cyrillic": ("CYRILLIC",),
    "devanagari": ("DEVANAGARI",),
    "ethiopic": ("ETHIOPIC",),
    "georgian": ("GEORGIAN",),
    "greek": ("GREEK",),
    "gujarati": ("GUJARATI",),
    "gurmukhi": ("GURMUKHI",),
    "han": ("CJK", "IDEOGRAPHIC"),
    "hangul": ("HANGUL",),
    "hebrew": ("HEBREW",),
    "hiragana": ("HIRAGANA",),
    "kannada": ("KANNADA",),
    "katakana": ("KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"),
    "khmer": ("KHMER",),
    "lao": ("LAO",),
    "latin": ("LATIN", "FULLWIDTH", "FEMININE", "MASCULINE"),
    "malayalam": ("MALAYALAM",),
    "mongolian": ("MONGOLIAN",),
    "myanmar": ("MYANMAR",),
    "sinhala": ("SINHALA",),
    "tamil": ("TAMIL",),
    "telugu": ("TELUGU",),
    "thai": ("THAI",),
    "tibetan": ("TIBETAN",),
}
"""Script -> first words of the Unicode names of its letters."""


class ScriptTest:
    """Whether at least half of a text's letters belong to the given scripts.

    Digits, marks and emoji do not count; a text without letters passes.

    Args:
        scripts: keys of ``SCRIPTS``.
    """

    def __init__(self, scripts: Sequence[str]) -> None:
        self._votes = _Votes(scripts)

    def __call__(self, text: str) -> bool:
        return sum(map(self._votes.__getitem__, text)) >= 0


class _Votes(dict[str, int]):
    """Character -> 1 for a letter of the scripts, -1 for another letter, else 0. Caches each character."""

    def __init__(self, scripts: Sequence[str]) -> None:
        self._prefixes = {prefix for script in scripts for prefix in SCRIPTS[script]}

    def __missing__(self, character: str) -> int:
        if not unicodedata.category(character).startswith("L"):
            vote = 0
        else:
            prefix = unicodedata.name(character, "").partition(" ")[0]
            vote = 1 if prefix in self._prefixes else -1
        self[character] = vote
        return vote
