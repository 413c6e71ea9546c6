from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.plain_text import markdown_text, printable

HOSTILE = "a\x1b[2Jb\u202egnp.exe\r\nc\x9b31m\u2028d\x07\ud800"


def test_control_characters_are_escaped() -> None:
    assert printable(HOSTILE) == "a\\x1b[2Jb\\u202egnp.exe\\r\\nc\\x9b31m\\u2028d\\x07\\ud800"
    assert printable("été 日本 👩\u200d🔬 क\u094d\u200dष") == "été 日本 👩\u200d🔬 क\u094d\u200dष"
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@given(st.text())
def test_no_terminal_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://evil.example/a.png)",
        "<img src=x onerror=alert(1)>",
        "**bold** and _under_ and `code` and ~~gone~~",
        "a | b",
        "[x](javascript:alert(1))",
        "\\* &lt; &amp;",
        "# head",
        "x^2 $y$",
    ],
)
def test_tensorboard_shows_text_literally(text: str) -> None:
    plugin_util = pytest.importorskip("tensorboard.plugin_util")
    table = f"| source |\n| --- |\n| {markdown_text(text)} |"
    shown = plugin_util.markdown_to_safe_html(table)
    cell = re.search(r"<td>(.*)</td>", shown, re.DOTALL)
    assert cell is not None
    assert "<" not in cell[1]
    assert html.unescape(cell[1]) == text


def test_line_breaks_do_not_end_a_cell() -> None:
    assert markdown_text("a\r\nb\u2028c | d") == r"a b c \| d"
