"""The program of an exported folder tokenises and joins text as seqvise does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import train_pieces
from seqvise.corpus.tokens.tokenizers import PLAIN_FORMS, build_tokenizer, word_pattern
from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary
from seqvise.export.translate import SideText

TEXTS = [
    "Qu'est-ce qu'il a-t-il dit ?",
    "  « L’ÉTÉ »\u00a0: aujourd’hui,\tNaïm don't — 3,5 % … ",
    'He said "it is\\here" and "no" ; JE SUIS İstanbul\u200b ß STRASSE.',
    "e\u0301te\u0301 I'll can't l'oie- quelqu'une d-e-f",
    "\u3164 \u2800",
    "",
    "!",
]
SIGNS = st.text(alphabet=st.sampled_from("aAéÉ’'\"«» -—…?.,3İßt_up\u00a0\u200b\u0301\u3164"), max_size=30)
MODES = ("lower", "marked", "marked_all", "keep")
CASES = [
    *(("words", case, language) for case in MODES for language in ("en", "fr", "de")),
    ("spaces", "marked", "fr"),
    ("chars", "keep", "fr"),
    ("sentencepiece", "lower", "fr"),
    ("spacy", "lower", "fr"),
]


def make_codec(name: str, case: str, language: str, texts: list[str], revision: int) -> TextCodec:
    """A codec of the words of some texts, with random rules of spacing."""
    options, draw = TokenizerOptions(name=name, case=case, max_words=60, normalise=case != "keep"), Random(0)
    if name == "sentencepiece":
        model = train_pieces(texts, options, "source")
        codec = TextCodec(language, options, Vocabulary.from_ranked([], {}, {}), model)
        assert codec.pieces is not None
        words = codec.pieces.names[len(SPECIALS) :]
    else:
        model, tokenizer = None, build_tokenizer(options, language)
        words = tuple({word for tokens in tokenizer.tokenize(texts) for word in tokens.words if draw.random() < 0.9})
    ranked = sorted(words)
    joins = {word: (draw.random() < 0.4, draw.random() < 0.4) for word in ranked}
    plain = Vocabulary.from_ranked(ranked, dict.fromkeys(ranked, 1), joins)
    drawn = {(draw.choice(ranked), draw.choice(ranked)): draw.random() < 0.5 for _ in range(40)}
    pairs = drawn if revision > 1 else None
    vocabulary = Vocabulary(plain.words, plain.counts, plain.joins_left, plain.joins_right, pairs)
    return TextCodec(language, options, vocabulary, model, backwards=revision > 1)


def side_of(codec: TextCodec, folder: Path) -> SideText:
    codec.save(folder, "source")
    return SideText(folder, "source", {"pattern": word_pattern(codec.language), "plain": PLAIN_FORMS})


@pytest.mark.parametrize("revision", [1, 2])
@pytest.mark.parametrize(("name", "case", "language"), CASES)
def test_text_is_tokenised_and_joined_as_by_seqvise(
    tmp_path: Path, name: str, case: str, language: str, revision: int
) -> None:
    if name in ("spacy", "sentencepiece"):
        pytest.importorskip(name)
    codec = make_codec(name, case, language, TEXTS[:4] * 3, revision)
    side, draw = side_of(codec, tmp_path), Random(1)
    for text in TEXTS:
        ids = side.encode(text)
        assert ids == codec.encode([text])[0].tolist()
        assert side.decode(ids[:-1]) == codec.decode(ids)
    for _ in range(200):
        ids = [draw.randrange(3, len(codec.vocabulary)) for _ in range(draw.randrange(12))]
        assert side.decode(ids) == codec.decode(ids)


@cache
def word_side(case: str) -> tuple[SideText, TextCodec]:
    codec = make_codec("words", case, "fr", TEXTS[:4], revision=2)
    with TemporaryDirectory() as folder:
        return side_of(codec, Path(folder)), codec


@given(SIGNS)
@settings(max_examples=150, deadline=None)
def test_any_text_is_tokenised_and_joined_as_by_seqvise(text: str) -> None:
    for side, codec in map(word_side, MODES):
        ids = side.encode(text)
        assert ids == codec.encode([text])[0].tolist()
        assert side.decode(ids[:-1]) == codec.decode(ids)


def test_french_words_are_split_as_the_readme_says(tmp_path: Path) -> None:
    side = side_of(make_codec("words", "lower", "fr", TEXTS[:1], 1), tmp_path)
    assert side.tokenize(TEXTS[0]) == ["qu'", "est", "-ce", "qu'", "il", "a", "-t-il", "dit", "?"]
