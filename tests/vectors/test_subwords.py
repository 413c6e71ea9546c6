"""fastText's n-grams and their hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.vectors.binary import read_subwords
from seqvise.vectors.words import fnv1a_hash, ngrams


def test_ngrams_by_hand() -> None:
    assert list(ngrams("ab", 1, 3)) == ["<a", "<ab", "a", "ab", "ab>", "b", "b>"]
    assert list(ngrams("", 3, 6)) == []


def test_the_hash_of_known_texts() -> None:
    assert (fnv1a_hash(""), fnv1a_hash("a"), fnv1a_hash("foobar")) == (0x811C9DC5, 0xE40C292C, 0xBF9CF968)


@pytest.mark.parametrize("word", ["mat", "naïve", "żółw"])
def test_the_same_rows_as_fasttext(word: str, model_file: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    model = fasttext.load_model(str(model_file))
    subwords = read_subwords(model_file)
    assert subwords is not None
    parts, rows = model.get_subwords(word)
    known = len(model.get_words())
    expected = [(part, row - known) for part, row in zip(parts, rows.tolist(), strict=True) if row >= known]
    ours = [
        (part, fnv1a_hash(part) % len(subwords.matrix)) for part in ngrams(word, subwords.shortest, subwords.longest)
    ]
    assert ours == expected


def test_a_model_of_whole_words_has_no_subwords(tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    (tmp_path / "text.txt").write_text("a b c\n" * 20, encoding="utf-8")
    model = fasttext.train_unsupervised(
        str(tmp_path / "text.txt"), dim=4, epoch=1, minCount=1, minn=0, maxn=0, bucket=0, thread=10, verbose=0
    )
    model.save_model(str(tmp_path / "whole.bin"))
    assert read_subwords(tmp_path / "whole.bin") is None
