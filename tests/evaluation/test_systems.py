"""How translations become words."""

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


class Fixed(Translator):
    """Says the same of every text, in the order of its target side."""

    def translate(self, texts: Any, attention: bool = False, options: Any = None) -> list[TranslationResult]:
        said = [*reversed(WORDS)] if self.target.backwards else WORDS
        return [TranslationResult(f"It's here. {text} beam {options.beam}", (), [*said, "<eos>"]) for text in texts]


@pytest.mark.parametrize("backwards", [False, True])
def test_words_stand_in_the_order_of_the_text_without_the_end_mark(backwards: bool) -> None:
    translator = Fixed(cast(Any, None), CODEC, replace(CODEC, backwards=backwards), batch_size=2)
    found = decode(translator, "run", [str(number) for number in range(40)], DecodingOptions(beam=3))
    assert found.words == ["it 's here ."] * 40
    assert found.texts == [f"It's here. {number} beam 3" for number in range(40)]
    assert found.seconds > 0


def test_references_are_split_as_the_model_sees_them() -> None:
    own = token_sides(CODEC, False, ["It’s HERE."], ["It's here."], ["it 's here ."])["own"]
    assert (own.outputs, own.references) == (["it 's here ."], ["it 's here ."])
    assert own.signature == "tokenizer=words, lower, normalised"
