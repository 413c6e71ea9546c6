from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary, rank_words
from seqvise.errors import UserError
from seqvise.models import interface
from tests.earlier import EARLIER

COUNTS = {"b": 2, "a": 2, "rare": 1, "often": 5, "never": 0, "<unk>": 9}
RANKED = ["often", "a", "b", "rare"]


def vocabulary(words: list[str]) -> Vocabulary:
    return Vocabulary.from_ranked(words, dict.fromkeys(words, 1), {})


def test_the_specials_are_those_of_the_models() -> None:
    assert (BOS, PAD, EOS, UNK) == (interface.BOS, interface.PAD, interface.EOS, interface.UNK)
    assert SPECIALS[UNK] == "<unk>"


def test_words_are_ranked_by_count_then_by_their_characters() -> None:
    assert rank_words(COUNTS, 1, None) == RANKED
    assert rank_words(COUNTS, 2, None) == RANKED[:3]
    assert rank_words(COUNTS, 1, 2) == RANKED[:2]


def test_ids_start_after_the_specials() -> None:
    words = Vocabulary.from_ranked(RANKED, COUNTS, {"a": (True, False), "b": (False, True)})
    assert len(words) == 8
    assert words.ids(["often", "a", "other", "<eos>"]) == [4, 5, UNK, EOS]
    assert words.id("rare") == 7
    assert words.counts == (0, 0, 0, 0, 5, 2, 2, 1)
    assert words.joins_left[4:] == (False, True, False, False)
    assert words.joins_right[4:] == (False, False, True, False)


@given(st.dictionaries(st.text(), st.tuples(st.integers(0), st.booleans(), st.booleans())), st.booleans())
def test_any_word_survives_a_file(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[int, bool, bool]], with_pairs: bool
) -> None:
    ranked = [word for word in rows if word not in SPECIALS]
    joins = {word: (left, right) for word, (_, left, right) in rows.items()}
    words = Vocabulary.from_ranked(ranked, {word: row[0] for word, row in rows.items()}, joins)
    if with_pairs:
        pairs = {(first, second): len(first) > len(second) for first in ranked[:4] for second in ranked[1:6]}
        words = replace(words, pairs=pairs)
    path = tmp_path_factory.getbasetemp() / "odd.tsv"
    words.save(path)
    assert Vocabulary.load(path) == words


def test_tabs_line_ends_and_backslashes_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    vocabulary(["\t", "\\t", "\n", "\u2028"]).save(path)
    assert path.read_bytes().decode().split("\n")[5:9] == [
        "\\t\t1\t0\t0",
        "\\\\t\t1\t0\t0",
        "\\n\t1\t0\t0",
        "\u2028\t1\t0\t0",
    ]


@pytest.mark.parametrize("content", ["", "word\tcount\n", "word\tcount\tjoins_left\tjoins_right\nx\t1\t0\t0\n"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"words\.tsv is not a vocabulary"):
        Vocabulary.load(path)


@pytest.mark.parametrize("ids", ["4", "x", "-1"])
def test_a_pair_of_no_word_is_refused(tmp_path: Path, ids: str) -> None:
    path = tmp_path / "words.tsv"
    replace(vocabulary([]), pairs={}).save(path)
    path.write_text(path.read_text().replace("<unk>\t0\t0\t0\t", f"<unk>\t0\t0\t0\t{ids}"))
    with pytest.raises(UserError, match=r"words\.tsv is not a vocabulary"):
        Vocabulary.load(path)


def test_a_vocabulary_without_pairs_is_still_read_and_written_as_it_was(tmp_path: Path) -> None:
    folder = EARLIER / "runs" / "translation" / "assets"
    codec = TextCodec.load(folder, "target")
    assert codec.vocabulary.pairs is None
    assert codec.options.revision == 1
    codec.save(tmp_path, "target")
    for name in ("target.vocabulary.tsv", "target.codec.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_word_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each word once"):
        vocabulary(["a", "a"])
