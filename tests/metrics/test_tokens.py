"""Text as space-separated tokens."""

import pytest

from seqvise.metrics.groups import join_words, moses_signature, moses_tokeniser


def test_spaces_within_words_are_replaced() -> None:
    assert join_words(["a", " ", "b", "c d"]) == "a ▁ b c▁d"
    assert join_words([]) == ""


def test_moses_tokens() -> None:
    pytest.importorskip("sacremoses")
    english = moses_tokeniser("en", lowercase=True)
    # Moses's English rules move a comma after a closing quote into the quotes.
    assert english("It's a “Dog”, isn't it? 3.5 men.") == "it 's a \" dog , \" isn 't it ? 3.5 men ."
    assert english("a <unk> & b") == "a <unk> & b"
    assert english("") == ""
    assert moses_tokeniser("fr", lowercase=False)("L'été n'est pas là.") == "L' été n' est pas là ."


def test_the_signature_records_lower_casing() -> None:
    pytest.importorskip("sacremoses")
    assert moses_signature(True).startswith("sacremoses ")
    assert "lower" in moses_signature(True)
    assert "lower" not in moses_signature(False)
