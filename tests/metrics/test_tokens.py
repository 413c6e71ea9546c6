"""Text as words between single spaces."""

import pytest

from seqvise.metrics.groups import joined, moses_signature, moses_tokeniser


def test_a_space_is_a_character_among_others() -> None:
    assert joined(["a", " ", "b", "c d"]) == "a ▁ b c▁d"
    assert joined([]) == ""


def test_moses_tokens() -> None:
    pytest.importorskip("sacremoses")
    english = moses_tokeniser("en", lowercase=True)
    # Moses's English rules set a comma inside the quotes that it follows.
    assert english("It's a “Dog”, isn't it? 3.5 men.") == "it 's a \" dog , \" isn 't it ? 3.5 men ."
    assert english("a <unk> & b") == "a <unk> & b"
    assert english("") == ""
    assert moses_tokeniser("fr", lowercase=False)("L'été n'est pas là.") == "L' été n' est pas là ."


def test_the_signature_says_what_was_done() -> None:
    pytest.importorskip("sacremoses")
    assert moses_signature(True).startswith("sacremoses ")
    assert "lower" in moses_signature(True)
    assert "lower" not in moses_signature(False)
