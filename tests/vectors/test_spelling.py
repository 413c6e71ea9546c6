"""Words with a similar spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.vectors import spelling
from seqvise.vectors.spelling import edit_distance, nearest_spellings


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
    assert edit_distance(first, second) == edit_distance(second, first) == distance


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edit_distances_are_within_their_bounds(first: str, second: str) -> None:
    distance = edit_distance(first, second)
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))
    assert (distance == 0) == (first == second)


WORDS = ("the", "elegant", "Elephant", "elephants", "giraffe", "x", "telephone")


def test_the_nearest_are_first_and_then_the_most_frequent() -> None:
    assert nearest_spellings("elefant", WORDS, 9) == ["elegant", "Elephant"]
    assert nearest_spellings("ELEPHAMT", WORDS, 2) == ["Elephant", "elephants"]
    assert nearest_spellings("girafe", WORDS, 1) == ["giraffe"]
    assert (
        nearest_spellings("zzzzz", WORDS, 3) == nearest_spellings("", WORDS, 3) == nearest_spellings("q", (), 3) == []
    )


@given(st.text("abc", min_size=1, max_size=5), st.lists(st.text("abcd", max_size=6), max_size=12))
def test_no_similar_word_is_missed(word: str, words: list[str]) -> None:
    near = sorted((edit_distance(word, other), row) for row, other in enumerate(words))
    allowed = [words[row] for distance, row in near if distance <= 2 and distance < len(word)]
    assert nearest_spellings(word, words, 20) == allowed


def test_rows_of_later_chunks_are_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "CHUNK", 2)
    assert nearest_spellings("elefant", WORDS, 9) == ["elegant", "Elephant"]
