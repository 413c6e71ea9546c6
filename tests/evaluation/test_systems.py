"""Tokenization of translations and references."""

from dataclasses import replace
from typing import Any, cast

import pytest

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.vocabulary import Vocabulary
from seqvise.decoding.options import DecodingOptions
from seqvise.evaluation.systems import decode, token_sides
from seqvise.inference.translator import TranslationResult, Translator

WORDS = ["it", "'s", "here", "."]
CODEC = TextCodec("en", TokenizerOptions(name="words"), Vocabulary.from_ranked(WORDS, dict.fromkeys(WORDS, 1), {}))


class FixedTranslator(Translator):
    """Returns the same words for every text, in the order of its target side."""

    def translate(self, texts: Any, attention: bool = False, options: Any = None, **_: Any) -> Any:
        words = [*reversed(WORDS)] if self.target.backwards else WORDS
        return [TranslationResult(f"It's here. {text} beam {options.beam}", (), [*words, "<eos>"]) for text in texts]


@pytest.mark.parametrize("backwards", [False, True])
def test_words_are_in_text_order_without_the_end_mark(backwards: bool) -> None:
    translator = FixedTranslator(cast(Any, None), CODEC, replace(CODEC, backwards=backwards), batch_size=2)
    decoded = decode(translator, "run", [str(number) for number in range(40)], DecodingOptions(beam=3))
    assert decoded.words == ["it 's here ."] * 40
    assert decoded.texts == [f"It's here. {number} beam 3" for number in range(40)]
    assert decoded.seconds > 0


def test_references_are_tokenized_as_for_the_model() -> None:
    tokens = token_sides(CODEC, False, ["It’s HERE."], ["It's here."], ["it 's here ."])["own"]
    assert (tokens.outputs, tokens.references) == (["it 's here ."], ["it 's here ."])
    assert tokens.signature == "tokenizer=words, lower, normalised"
