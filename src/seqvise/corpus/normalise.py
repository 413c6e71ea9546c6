"""One form for each mark of punctuation and each kind of space."""

from __future__ import annotations

import unicodedata

_FORMS = {
    "'": "‘’‚‛ʼʹ′´`＇",
    '"': "“”„‟″＂",
    "-": "‐‑‒–—―−﹘﹣－",
    "...": "…",
    "": "\u00ad\u200b\u200c\u200d\u2060\ufeff",
}
_TABLE = str.maketrans({character: form for form, characters in _FORMS.items() for character in characters})


_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""The fillers of Hangul and the empty pattern of Braille: letters and symbols to Unicode, but nothing is drawn."""


def has_word(text: str) -> bool:
    """Whether a text has anything to translate or label.

    Letters, numbers, punctuation and symbols (Unicode's categories L, N, P and S) are; separators, control and format
    characters, unassigned ones and combining marks without a base are not, and neither are blank letters.
    """
    return any(unicodedata.category(sign)[0] in "LNPS" and sign not in _BLANK_LETTERS for sign in text)


def fold(text: str) -> str:
    """The text with every run of white space, no-break and other Unicode spaces included, made one plain space."""
    return " ".join(text.split())


def normalise(text: str) -> str:
    """The text with typographic quotes, dashes, ellipses and spaces in one plain form each.

    Letters are composed (Unicode NFC), guillemets become straight quotes without the spaces that French sets inside
    them, and marks that have no width are removed.
    """
    if text.isascii():
        return fold(text)
    plain = fold(unicodedata.normalize("NFC", text).translate(_TABLE))
    return plain.replace("« ", '"').replace(" »", '"').replace("«", '"').replace("»", '"')
