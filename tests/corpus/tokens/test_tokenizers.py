import sys
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import (
    MARKS,
    UP,
    Tokenizer,
    Tokens,
    build_tokenizer,
    fold,
    has_word,
    lower_aligned,
    restored,
    text_cleaner,
    tokenizer_version,
)
from seqvise.errors import UserError


def tokens(text: str, language: str, name: str = "words", case: str = "lower") -> Tokens:
    return next(build_tokenizer(TokenizerOptions(name=name, case=case), language).tokenize([text]))


def joined(result: Tokens) -> str:
    pairs = zip(*result, strict=True)
    return "".join(word + " " * spaced for word, spaced in pairs if word != UP)


@cache
def cached_tokenizer(name: str, case: str, language: str) -> Tokenizer:
    return build_tokenizer(TokenizerOptions(name=name, case=case, normalise=False), language)


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("fr", "Qu’est-ce que la lumière ?", "qu' est -ce que la lumière ?"),
        ("fr", "Aujourd'hui, où y a-t-il l'eau ?", "aujourd'hui , où y a -t-il l' eau ?"),
        ("fr", "Donne-le-moi, grand-père.", "donne -le -moi , grand-père ."),
        ("en", "What's up? Don't, well-known 3.50!", "what 's up ? do n't , well-known 3.50 !"),
        ("en", "Can't 'we' (all)...", "ca n't ' we ' ( all ) . . ."),
        ("de", "Wie geht's, A-B?", "wie geht's , a-b ?"),
    ],
)
def test_words(language: str, text: str, words: str) -> None:
    assert tokens(text, language).words == words.split()


ZERO_WIDTH = ["\u200b\u200d", "\u200e\u2066\u2069", "\u00ad", "\ufeff"]
WORDLESS = [*ZERO_WIDTH, "\u3164", "\u2800 \u115f", "\u0301", "\x07", "\ue000", "\u2028"]


@pytest.mark.parametrize("text", WORDLESS)
@pytest.mark.parametrize("case", ["lower", "marked", "marked_all", "keep"])
@pytest.mark.parametrize("name", ["words", "spaces", "chars", "spacy"])
@pytest.mark.parametrize("normalise", [True, False])
def test_a_text_without_a_word_has_no_tokens(name: str, case: str, text: str, normalise: bool) -> None:
    if name == "spacy":
        pytest.importorskip("spacy")
    options = TokenizerOptions(name=name, case=case, normalise=normalise)
    assert list(build_tokenizer(options, "en").tokenize([text, "a", f" {text}"])) == [EMPTY, ONE, EMPTY]


EMPTY, ONE = Tokens([], []), Tokens(["a"], [False])


@pytest.mark.parametrize("text", ["?", "…", "5", "➜", "😀", "é", "e\u0301", "\u200bx", "漢", "ि" + "क", "€"])
def test_symbols_and_numbers_count_as_words(text: str) -> None:
    assert has_word(text)
    assert next(build_tokenizer(TokenizerOptions(name="words"), "en").tokenize([text])).words


def test_spacy_splits_the_lessons_sentence() -> None:
    result = tokens("Qu’est-ce que la lumière ?", "fr", "spacy")
    assert result.words == ["qu'", "est", "-ce", "que", "la", "lumière", "?"]
    assert result.spaced == [False, False, True, True, True, True, False]


def test_every_character_is_a_word_including_the_space() -> None:
    assert tokens("Où va", "fr", "chars") == Tokens(["o", "ù", " ", "v", "a"], [False] * 5)


@pytest.mark.parametrize("name", ["words", "spacy"])
def test_words_in_capitals_are_marked(name: str) -> None:
    result = tokens("NASA and the UN, I say: IBM-NASA.", "en", name, "marked")
    assert result.words[:2] == [UP, "nasa"]
    assert result.words.count(UP) == (2 if name == "words" else 3)
    assert joined(result) == "nasa and the un, i say: ibm-nasa."


def test_first_capitals_can_be_marked_too() -> None:
    result = tokens("Tom and NASA: I saw an iPhone in L'Aquila.", "en", case="marked_all")
    assert " ".join(result.words) == ("t_maj tom and t_up nasa : t_maj i saw an iPhone in t_maj l ' t_maj aquila .")


@pytest.mark.parametrize("name", ["words", "spacy", "spaces"])
@settings(deadline=None)
@given(text=st.text(max_size=40) | st.text("aAbB ÉéßİıǅŒ'", max_size=20))
def test_marks_of_all_capitals_lose_no_case(name: str, text: str) -> None:
    options = TokenizerOptions(name=name, case="marked_all", normalise=False)
    result = next(cached_tokenizer(name, "marked_all", "fr").tokenize([text]))
    written, mark = "", None
    for word, spaced in zip(*result, strict=True):
        if word in MARKS:
            mark = word
        else:
            written += (restored(word, mark) if mark else word) + " " * spaced
            mark = None
    assert written.split() == text_cleaner(options)(text).split()


def test_case_can_be_kept() -> None:
    assert tokens("Tom, NASA", "en", case="keep").words == ["Tom", ",", "NASA"]


@pytest.mark.parametrize("name", ["words", "spacy", "chars"])
@pytest.mark.parametrize("case", ["lower", "marked"])
@pytest.mark.parametrize("language", ["fr", "en"])
@settings(deadline=None)  # spaCy takes long over its first text
@given(text=st.text(max_size=60))
def test_words_and_spaces_restore_the_text(name: str, case: str, language: str, text: str) -> None:
    result = next(cached_tokenizer(name, case, language).tokenize([text]))
    tidy = fold(text) if has_word(text) else ""
    assert joined(result) == (lower_aligned(tidy) if case == "marked" else tidy.lower())
    assert name == "chars" or not any(word.isspace() for word in result.words)


def test_results_are_in_order_and_lazy() -> None:
    consumed = []

    def texts() -> Iterator[str]:
        for text in ("ONE two", "", "three"):
            consumed.append(text)
            yield text

    results = build_tokenizer(TokenizerOptions(name="words", case="marked"), "en").tokenize(texts())
    assert next(results).words == [UP, "one", "two"]
    assert consumed == ["ONE two"]
    assert [result.words for result in results] == [[], ["three"]]


def test_a_language_that_spacy_does_not_support_is_refused() -> None:
    with pytest.raises(UserError, match=r"language 'xx9'.*tokenizer=words"):
        build_tokenizer(TokenizerOptions(name="spacy"), "xx9")


def test_a_missing_spacy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(UserError, match=r"pip install 'seqvise\[spacy\]'.*tokenizer=words"):
        build_tokenizer(TokenizerOptions(name="spacy"), "en")


def test_the_version_names_the_tokenizer() -> None:
    assert tokenizer_version(TokenizerOptions(name="words")) == "words 1"
    assert tokenizer_version(TokenizerOptions(name="spacy")).startswith("spacy 3.")
