"""Escaping of untrusted text (file names, labels, translations, reasons) for terminals and Markdown."""

from __future__ import annotations

import logging
import re

_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\ud800-\udfff{_BIDIRECTIONAL}]")
_SPACES = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
_BACKSLASHED = re.compile(r"([\\`*_\[\]!#|])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", "~": "&#126;", "$": "&#36;"})


def printable(text: str, keep: str = "") -> str:
    r"""Escapes characters that control a terminal: control characters, line breaks, bidi marks, lone surrogates.

    Each becomes its escape, such as ``\x1b`` or ``\u202e``. keep: characters to leave, such as a line break.
    """
    return _HIDDEN.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), text)


def markdown_text(text: str) -> str:
    """Text that Markdown renders literally on one line: no markup, HTML, images or ends of table cells."""
    line = printable(_SPACES.sub(" ", text)).translate(_ENTITIES)
    return re.sub("^>", "&gt;", _BACKSLASHED.sub(r"\\\1", line))


class PlainFormatter(logging.Formatter):
    """Log lines for a terminal; line breaks are kept, since tracebacks have them."""

    def format(self, record: logging.LogRecord) -> str:
        """The formatted record with escaped control characters."""
        return printable(super().format(record), keep="\n\t")


def _escaped(character: str) -> str:
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
