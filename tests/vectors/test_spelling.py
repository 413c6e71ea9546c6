"""Spellings near to one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.vectors import spelling
from seqvise.vectors.spelling import edits, nearest_spellings


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("kitten", "sitting", 3),
        ("recieve", "receive", 1),
        ("ab", "ba", 1),
        ("ca", "abc", 3),
    ],
)
def test_edits_by_hand(first: str, second: str, distance: int) -> None:
    assert edits(first, second) == edits(second, first) == distance


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edits_lie_between_their_bounds(first: str, second: str) -> None:
    found = edits(first, second)
    assert abs(len(first) - len(second)) <= found <= max(len(first), len(second))
    assert (found == 0) == (first == second)


WORDS = ("the", "elegant", "Elephant", "elephants", "giraffe", "x", "telephone")


def test_the_nearest_first_and_then_the_commonest() -> None:
    assert nearest_spellings("elefant", WORDS, 9) == ["elegant", "Elephant"]
    assert nearest_spellings("ELEPHAMT", WORDS, 2) == ["Elephant", "elephants"]
    assert nearest_spellings("girafe", WORDS, 1) == ["giraffe"]
    assert (
        nearest_spellings("zzzzz", WORDS, 3) == nearest_spellings("", WORDS, 3) == nearest_spellings("q", (), 3) == []
    )


@given(st.text("abc", min_size=1, max_size=5), st.lists(st.text("abcd", max_size=6), max_size=12))
def test_no_near_word_is_overlooked(word: str, words: list[str]) -> None:
    near = sorted((edits(word, one), row) for row, one in enumerate(words))
    allowed = [words[row] for distance, row in near if distance <= 2 and distance < len(word)]
    assert nearest_spellings(word, words, 20) == allowed


def test_chunks_are_counted_from_where_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "CHUNK", 2)
    assert nearest_spellings("elefant", WORDS, 9) == ["elegant", "Elephant"]
