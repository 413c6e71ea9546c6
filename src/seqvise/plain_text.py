"""Text of others (file names, labels, translations, reasons) as text, wherever it is shown."""

from __future__ import annotations

import logging
import re

_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\ud800-\udfff{_BIDIRECTIONAL}]")
_SPACES = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
_BACKSLASHED = re.compile(r"([\\`*_\[\]!#|])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", "~": "&#126;", "$": "&#36;"})


def printable(text: str, keep: str = "") -> str:
    r"""Text without characters that a terminal obeys: controls and line breaks, marks of direction, lone surrogates.

    Each is shown as its escape, as ``\x1b`` or ``\u202e``. keep: characters that stay, such as a line break.
    """
    return _HIDDEN.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), text)


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, in one line: no markup, HTML, picture or end of a table's cell."""
    line = printable(_SPACES.sub(" ", text)).translate(_ENTITIES)
    return re.sub("^>", "&gt;", _BACKSLASHED.sub(r"\\\1", line))


class PlainFormatter(logging.Formatter):
    """Log lines for a terminal; line breaks stay, since a traceback has some."""

    def format(self, record: logging.LogRecord) -> str:
        """The line with escapes instead of control characters."""
        return printable(super().format(record), keep="\n\t")


def _escaped(character: str) -> str:
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
