"""Query vectors of words, sums and differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.retrieval.queries import Term, parse_query, word_query

VECTORS = {"boat": (3.0, 0.0), "wing": (0.0, 1.0), "engine": (1.0, 1.0), "t-shirt": (-1.0, 0.0), "sailboat": (5.0, 0.1)}


class Words:
    """Two-dimensional words; unknown words in 'ing' have a vector from subwords."""

    def vector(self, word: str) -> np.ndarray | None:
        return np.array(VECTORS[word], np.float32) if word in VECTORS else None

    def from_subwords(self, word: str) -> np.ndarray | None:
        return np.array((0.0, -1.0), np.float32) if word.endswith("ing") else None

    def spelled_like(self, word: str, k: int) -> list[str]:
        return [known for known in VECTORS if known[0] == word[0]][:k]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("boat", [("boat", 1)]),
        ("engine + boat - wing", [("engine", 1), ("boat", 1), ("wing", -1)]),
        ("  sail   boat +  engine ", [("sail   boat", 1), ("engine", 1)]),
        ("- wing + boat", [("wing", -1), ("boat", 1)]),
        ("t-shirt", [("t-shirt", 1)]),
        ("c++ + a+b", [("c++", 1), ("a+b", 1)]),
    ],
)
def test_terms_and_signs(text: str, terms: list[tuple[str, int]]) -> None:
    assert parse_query(text) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u3164", "boat +", "boat + \u200b", "+ - boat", "-"])
def test_queries_without_a_word_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="query="):
        parse_query(text)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        terms = parse_query(text)
    except UserError:
        return
    assert terms
    assert all(term.text.strip() == term.text != "" for term in terms)


def test_unit_gives_each_word_the_same_weight_and_raw_does_not() -> None:
    # unit: (1, 0) + (0, 1); raw: (3, 0) + (0, 1)
    np.testing.assert_allclose(word_query("boat + wing", Words(), "unit").vector, [0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(word_query("boat + wing", Words(), "raw").vector, [3 / 10**0.5, 1 / 10**0.5], rtol=1e-6)
    np.testing.assert_allclose(word_query("boat - wing", Words(), "raw").vector, [3 / 10**0.5, -1 / 10**0.5], rtol=1e-6)


def test_several_words_become_one_word_or_their_mean() -> None:
    closed = word_query("sail boat", Words(), "unit")
    np.testing.assert_allclose(closed.vector, np.array([5, 0.1]) / np.hypot(5, 0.1), rtol=1e-6)
    assert closed.notes == ("'sail boat' is looked up as 'sailboat'.",)
    mean = word_query("boat wing", Words(), "raw")
    np.testing.assert_allclose(mean.vector, [0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert mean.notes == ("'boat wing' has no vector; the mean of its words is used.",)


def test_an_unknown_word_uses_subwords_or_is_refused_with_spellings() -> None:
    query = word_query("flying", Words(), "unit")
    np.testing.assert_allclose(query.vector, [0, -1])
    assert query.notes == ("'flying' is out of vocabulary; its vector is composed of subwords.",)
    with pytest.raises(UserError) as caught:
        word_query("boot + wong - xyz", Words(), "unit")
    assert caught.value.messages == (
        "query='boot + wong - xyz': there is no vector of 'boot'. Similar spellings: boat.",
        "query='boot + wong - xyz': there is no vector of 'wong'. Similar spellings: wing.",
        "query='boot + wong - xyz': there is no vector of 'xyz'. No word has a similar spelling.",
    )


def test_signs_without_spaces_are_explained() -> None:
    with pytest.raises(UserError, match=r"Put spaces around \+ and -\."):
        word_query("boat+engine", Words(), "unit")


@pytest.mark.parametrize("combine", ["unit", "raw"])
def test_words_that_cancel_are_refused(combine: str) -> None:
    with pytest.raises(UserError, match="has no direction"):
        word_query("boat - boat", Words(), combine)
    with pytest.raises(UserError, match="has no direction"):
        word_query("engine - engine + wing - wing", Words(), combine)
