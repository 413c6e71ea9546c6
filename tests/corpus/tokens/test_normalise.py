import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.tokens.tokenizers import fold, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C’est\u202fquoi\u00a0?", "C'est quoi ?"),
        ("« Oui », dit-il", '"Oui", dit-il'),
        ("“so” – he said…", '"so" - he said...'),
        ("e\u0301te\u0301", "été"),
        ("co\u00adop\u200b \ufeff x", "coop x"),
        ("  plain   text ", "plain text"),
    ],
)
def test_marks_have_plain_forms(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_only_single_spaces_remain_and_normalise_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert once == fold(once)
    assert normalise(once) == once
