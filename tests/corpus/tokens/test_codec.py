from pathlib import Path

import numpy as np
import pytest

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from seqvise.errors import UserError


def codec(case: str = "lower") -> TextCodec:
    words = ["who", "is", "t_up", "ibm", "?"]
    vocabulary = Vocabulary.from_ranked(words, dict.fromkeys(words, 1), {"?": (True, False)})
    return TextCodec("en", TokenizerOptions(name="words", case=case), vocabulary)


def test_texts_become_ids_that_end_with_eos() -> None:
    encoded = codec().encode(["Who is  there?", "", "IBM"])
    assert [ids.tolist() for ids in encoded] == [[4, 5, UNK, 8, EOS], [EOS], [7, EOS]]
    assert {ids.dtype for ids in encoded} == {np.dtype(np.int32)}


def test_ids_become_text_up_to_eos() -> None:
    assert codec().decode([BOS, 4, PAD, 5, UNK, 8, EOS, 4]) == "who is <unk>?"
    assert codec().words(np.array([BOS, 4, UNK, EOS, 4])) == ["who", "<unk>"]


def test_capitals_of_marked_words_are_restored() -> None:
    assert codec("marked").encode(["IBM?"])[0].tolist() == [6, 7, 8, EOS]
    assert codec("marked").decode([6, 7, 8, EOS]) == "IBM?"


def test_a_codec_survives_a_folder(tmp_path: Path) -> None:
    codec("marked").save(tmp_path, "source")
    loaded = TextCodec.load(tmp_path, "source")
    assert loaded == codec("marked")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.codec.json", "source.vocabulary.tsv"]


@pytest.mark.parametrize("content", [None, "{}", "[", '{"language": "en", "tokenizer": {"colour": 1}}'])
def test_another_file_is_refused(tmp_path: Path, content: str | None) -> None:
    codec().save(tmp_path, "target")
    path = tmp_path / "target.codec.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"target\.codec\.json is not a codec"):
        TextCodec.load(tmp_path, "target")


def test_all_capitals_come_back() -> None:
    words = ["t_maj", "tom", ",", "of", "t_up", "nasa", "likes", "iPads", "."]
    before = dict.fromkeys([",", "."], (True, False))
    text_codec = TextCodec(
        "en",
        TokenizerOptions(name="words", case="marked_all"),
        Vocabulary.from_ranked(words, dict.fromkeys(words, 1), before),
    )
    (ids,) = text_codec.encode(["Tom, of NASA, likes iPads."])
    assert UNK not in ids
    assert text_codec.decode(ids) == "Tom, of NASA, likes iPads."
