"""Lexicons: lookup, neighbours and stored files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.vectors import lexicon as module
from seqvise.vectors.lexicon import Lexicon, fold, words_of


def numbered_lexicon(*words: str, dim: int = 2) -> Lexicon:
    """Word n has the vector (n + 1, 0, ...)."""
    matrix = np.zeros((len(words), dim), np.float32)
    matrix[:, 0] = np.arange(1, len(words) + 1)
    return Lexicon(words, matrix, "made", len(words))


def test_a_file_is_read_once_and_repeats_are_skipped(
    vec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Lexicon.read(vec_file, tmp_path / "cache")
    assert loaded.words == ("cat", "New York", "PARIS", "Paris", "dog")
    assert loaded.matrix.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [-1, -2.5]]
    assert (loaded.name, loaded.total, loaded.dim) == ("tiny.vec", 6, 2)
    monkeypatch.setattr("seqvise.vectors.lexicon.read_all", lambda *_: pytest.fail("read again"))
    again = Lexicon.read(vec_file, tmp_path / "cache")
    assert again.words == loaded.words
    np.testing.assert_array_equal(again.matrix, loaded.matrix)


def test_a_limit_reads_the_first_words_only(tmp_path: Path) -> None:
    path = tmp_path / "a.vec"
    path.write_text("3 1\nthe 1\nof 2\nbroken x\n", encoding="utf-8")
    loaded = Lexicon.read(path, tmp_path, limit=2)
    assert (loaded.words, loaded.total) == (("the", "of"), 3)
    with pytest.raises(UserError, match="line 4: the values after 'broken'"):
        Lexicon.read(path, tmp_path)
    assert len(list((tmp_path / "vectors").glob("a-*"))) == 1


@pytest.mark.parametrize(
    ("words", "query", "expected"),
    [
        (("Turkey", "turkey"), "turkey", "turkey"),
        (("Turkey", "turkey"), "TURKEY", "Turkey"),
        (("sea_horse", "sea-horse"), "sea horse", "sea_horse"),
        (("sea-horse", "Sea_Horse"), "sea_horse", "sea-horse"),
        (("x", "New York"), "new_york", "New York"),
        (("New York",), "New-York", "New York"),
        (("seahorse",), "sea_horse", None),
        (("-", "_"), "_", "_"),
        (("a",), "", None),
    ],
)
def test_variants_of_a_word_are_found(words: tuple[str, ...], query: str, expected: str | None) -> None:
    lexicon = numbered_lexicon(*words)
    row = lexicon.row(query)
    assert (None if row is None else words[row]) == expected
    assert (query in lexicon) == (expected is not None)
    vector = lexicon.vector(query)
    assert (None if vector is None else vector[0]) == (None if expected is None else words.index(expected) + 1)


def test_neighbours_by_hand() -> None:
    matrix = np.array([[2, 0], [0, 3], [1, 1], [-5, 0], [0, 0]], np.float32)
    lexicon = Lexicon(("east", "north", "northeast", "west", "nowhere"), matrix)
    neighbours = lexicon.nearest(np.array([10, 0], np.float32), 5)
    assert [word for word, _ in neighbours] == ["east", "northeast", "north", "nowhere", "west"]
    np.testing.assert_allclose([cosine for _, cosine in neighbours], [1, 2**-0.5, 0, 0, -1], atol=1e-6)
    assert [word for word, _ in lexicon.nearest(matrix[0], 1, without=["EAST"])] == ["northeast"]
    assert len(lexicon.nearest(matrix[0], 99)) == 5


@pytest.mark.parametrize("vector", [[np.nan, 0], [1, 2, 3], [np.inf, 1]])
def test_an_invalid_vector_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        numbered_lexicon("a").nearest(np.array(vector, np.float32), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_results_do_not_depend_on_blocks(dtype: type[np.float16], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    matrix = np.random.default_rng(0).normal(size=(40, 5)).astype(dtype)
    lexicon = Lexicon(tuple(f"w{n}" for n in range(40)), matrix)
    plain = matrix.astype(np.float64)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    cosines = plain @ plain.T
    rows, nearest_cosines = lexicon.nearest_rows(np.asarray(matrix[:3], np.float32), 6)
    assert rows.tolist() == np.argsort(-cosines[:3], axis=1)[:, :6].tolist()
    np.testing.assert_allclose(nearest_cosines, -np.sort(-cosines[:3], axis=1)[:, :6], atol=1e-5)
    assert lexicon.mean_cosine == pytest.approx(cosines[~np.eye(40, dtype=bool)].mean(), abs=1e-6)
    np.testing.assert_allclose(lexicon.norms, np.linalg.norm(matrix.astype(np.float32), axis=1), rtol=1e-6)


def test_for_equal_cosines_the_more_frequent_word_is_first() -> None:
    lexicon = numbered_lexicon("a", "b", "c", "d")
    assert [word for word, _ in lexicon.nearest(np.array([1, 0], np.float32), 4)] == ["a", "b", "c", "d"]


def test_zero_vectors_do_not_count_for_the_mean_cosine() -> None:
    lexicon = Lexicon(("a", "b", "zero"), np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    assert lexicon.mean_cosine == pytest.approx(0)
    assert numbered_lexicon("a", "b").mean_cosine == pytest.approx(1)
    assert numbered_lexicon("a").mean_cosine == 0


def test_a_saved_lexicon_is_loaded(tmp_path: Path) -> None:
    words = ("é", "a b", "\x85", "\u2028", "tab\there")
    lexicon = Lexicon(words, np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32), "file.vec", 9)
    lexicon.save(tmp_path / "half")
    half = Lexicon.load(tmp_path / "half")
    assert (half.words, half.name, half.total, str(half.matrix.dtype)) == (words, "file.vec", 9, "float16")
    np.testing.assert_allclose(half.matrix, lexicon.matrix, rtol=1e-3)
    lexicon.save(tmp_path / "single", np.float32)
    assert (Lexicon.load(tmp_path / "single").matrix == lexicon.matrix).all()


def test_numbers_too_large_for_half_precision_are_stored_in_single_precision(tmp_path: Path) -> None:
    Lexicon(("a",), np.array([[1e5, 1]], np.float32)).save(tmp_path / "large")
    assert Lexicon.load(tmp_path / "large").matrix.tolist() == [[1e5, 1]]


@pytest.mark.parametrize("damage", ["words.txt", "vectors.npy", "manifest.json"])
def test_a_damaged_folder_is_refused(damage: str, tmp_path: Path) -> None:
    numbered_lexicon("a", "b").save(tmp_path / "words")
    (tmp_path / "words" / damage).write_bytes(b"")
    with pytest.raises(UserError, match="not a complete folder of word vectors"):
        Lexicon.load(tmp_path / "words")


@pytest.mark.parametrize("name", ["words.txt", "vectors.npy", "manifest.json"])
def test_a_flipped_byte_is_refused(name: str, vec_file: Path, tmp_path: Path) -> None:
    """In every file of the cache, at any position, and in a folder of a run."""
    Lexicon.read(vec_file, tmp_path)
    (folder,) = (path for path in (tmp_path / "vectors").iterdir() if path.is_dir())
    content = (folder / name).read_bytes()
    for position in range(0, len(content), 1 + len(content) // 60):
        flipped = bytearray(content)
        flipped[position] ^= 1
        (folder / name).write_bytes(flipped)
        with pytest.raises(UserError, match="not a complete folder of word vectors"):
            Lexicon.load(folder)
        with pytest.raises(UserError, match="delete it; the next command rebuilds it"):
            Lexicon.read(vec_file, tmp_path)


def test_a_subset_keeps_frequent_and_requested_words() -> None:
    subset = numbered_lexicon("the", "of", "Cat", "and", "dog_house").subset(
        2, also=["cat", "dog house", "fish", "the"]
    )
    assert subset.words == ("the", "of", "Cat", "dog_house")
    assert subset.matrix[:, 0].tolist() == [1, 2, 3, 5]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.vec: there is no such file"):
        Lexicon.read(tmp_path / "gone.vec", tmp_path)


def test_subwords_of_a_model(model_file: Path, tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    model = fasttext.load_model(str(model_file))
    lexicon = Lexicon.read(model_file, tmp_path)
    assert lexicon.words == tuple(model.get_words())
    assert (lexicon.matrix[3] == model.get_word_vector(lexicon.words[3])).all()
    for word in ("catty", "Übergröße", "日本"):
        from_subwords = lexicon.from_subwords(word)
        assert from_subwords is not None
        np.testing.assert_allclose(from_subwords, model.get_word_vector(word), rtol=1e-5, atol=1e-7)
    lexicon.subset(1).save(tmp_path / "saved")
    again = Lexicon.load(tmp_path / "saved").from_subwords("catty")
    np.testing.assert_allclose(again, lexicon.from_subwords("catty"), rtol=1e-2, atol=1e-4)  # type: ignore[arg-type]
    assert lexicon.without_subwords().from_subwords("catty") is None
    assert numbered_lexicon("a").from_subwords("catty") is None


@given(st.text("aB_- ", max_size=8))
def test_variants_have_the_same_folded_form(name: str) -> None:
    if words := words_of(name):
        assert {fold(joint.join(words).swapcase()) for joint in ("_", "-", " ")} == {fold(name)}
        assert fold(name) == "_".join(words).lower()
