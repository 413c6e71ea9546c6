"""The embedding matrix by hand, its coverage, and invalid options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.options import option_errors
from seqvise.vectors import train
from seqvise.vectors.initialise import embedding_matrix, initial_vectors
from seqvise.vectors.options import TrainedOptions, VectorOptions
from seqvise.vectors.words import Origin, WordVectors

SPECIALS = ("<bos>", "<pad>", "<eos>", "<unk>")
WORDS = (*SPECIALS, "cat", "dog", "fish", "bird")
COUNTS = (0, 0, 0, 0, 50, 30, 15, 5)
VECTORS = WordVectors(
    WORDS[4:],
    np.array([[1, 3], [5, 7], [0, 0], [2, 2]], np.float32),
    np.array([Origin.EXACT, Origin.CASE, Origin.MISSING, Origin.SUBWORDS], np.uint8),
)


def options(scale: str = "none", missing: str = "mean") -> VectorOptions:
    return VectorOptions(name="fasttext", dim=2, scale=scale, missing=missing)


def test_times_and_mean_by_hand() -> None:
    matrix, _ = embedding_matrix(WORDS, VECTORS, options("times", "mean"), seed=0)
    assert matrix[4:].tolist() == [[3, 9], [15, 21], [9, 15], [9, 15]]
    assert matrix[1].tolist() == [0, 0]
    assert matrix.dtype == np.float32


def test_subwords_are_used_if_configured() -> None:
    matrix, _ = embedding_matrix(WORDS, VECTORS, options("none", "subwords"), seed=0)
    assert matrix[7].tolist() == [2, 2]
    np.testing.assert_allclose(matrix[6], [8 / 3, 4])


def test_unit_scale_makes_the_deviation_one() -> None:
    matrix, _ = embedding_matrix(WORDS, VECTORS, options("unit", "mean"), seed=0)
    deviation = np.std([1, 3, 5, 7])
    np.testing.assert_allclose(matrix[4:6], np.array([[1, 3], [5, 7]]) / deviation, rtol=1e-6)


@pytest.mark.parametrize(("scale", "deviation"), [("times", 1.0), ("unit", 1.0), ("none", 0.1)])
def test_random_rows_have_deviation_one_or_that_of_the_vectors(scale: str, deviation: float) -> None:
    words = tuple(f"w{number}" for number in range(400))
    rows = np.random.default_rng(1).normal(0, 0.1, (400, 50)).astype(np.float32)
    origins = np.repeat(np.array([Origin.EXACT, Origin.MISSING], np.uint8), 200)
    vectors = WordVectors(words, rows, origins)
    matrix, _ = embedding_matrix((*SPECIALS, *words), vectors, options(scale, "random"), seed=0)
    assert matrix[204:].std() == pytest.approx(deviation, rel=0.05)
    assert matrix[204:].mean() == pytest.approx(0, abs=0.05 * deviation)


@pytest.mark.parametrize("missing", ["mean", "subwords", "random"])
def test_specials_differ_and_depend_on_the_seed(missing: str) -> None:
    first, _ = embedding_matrix(WORDS, VECTORS, options("unit", missing), seed=0)
    again, _ = embedding_matrix(WORDS, VECTORS, options("unit", missing), seed=0)
    other, _ = embedding_matrix(WORDS, VECTORS, options("unit", missing), seed=1)
    np.testing.assert_array_equal(first, again)
    assert len({tuple(row) for row in first[:4].tolist()}) == 4
    assert (first[[0, 2, 3]] != other[[0, 2, 3]]).all()


def test_without_any_vector_rows_are_finite() -> None:
    nothing = WordVectors(("cat",), np.zeros((1, 2), np.float32), np.zeros(1, np.uint8))
    for missing in ("mean", "random", "subwords"):
        matrix, coverage = embedding_matrix((*SPECIALS, "cat"), nothing, options("unit", missing), 0)
        assert np.isfinite(matrix).all()
        assert matrix[4].any()
        assert coverage.missing == 1


def test_coverage_counts_words_and_running_words() -> None:
    _, coverage = embedding_matrix(WORDS, VECTORS, options("none", "subwords"), 0, COUNTS)
    assert (coverage.exact, coverage.case, coverage.subwords, coverage.missing) == (1, 1, 1, 1)
    assert (coverage.tokens, coverage.tokens_subwords) == (0.8, 0.05)
    assert str(coverage).startswith(
        "Vectors of 4 words: 1 exact, 1 in another case, 1 from subwords, 1 missing. Running words: 80.0% with a "
        "vector, 5.0% from subwords only. Most frequent words without a vector: fish."
    )


def test_the_most_frequent_missing_words_are_first() -> None:
    _, coverage = embedding_matrix(WORDS, VECTORS, options("none", "mean"), 0, (0, 0, 0, 0, 1, 1, 2, 3))
    assert coverage.examples == ("bird", "fish")


def start(choice: VectorOptions, path: Path | None, cache: Path, dim: int = 2) -> np.ndarray | None:
    result = initial_vectors(choice, WORDS, COUNTS, str(path) if path else None, dim, cache, 0, None)
    return None if result is None else result[0]


def test_a_file_initialises_the_embedding(vec_file: Path, tmp_path: Path) -> None:
    matrix = start(VectorOptions("fasttext", source=str(vec_file), scale="none"), vec_file, tmp_path)
    assert matrix is not None
    assert matrix[4:6].tolist() == [[1, 2], [-1, -2.5]]


def test_without_vectors_or_file_the_model_initialises_the_side(tmp_path: Path) -> None:
    assert start(VectorOptions("none"), None, tmp_path) is None
    assert start(VectorOptions("fasttext", source="x.vec"), None, tmp_path) is None


def test_another_dimension_names_both(vec_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vectors\.target is .* 2 dimensions, but model\.embedding is 300"):
        start(VectorOptions("fasttext", target=str(vec_file)), vec_file, tmp_path, dim=300)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_missing_file_names_its_key(side: str, tmp_path: Path) -> None:
    path = tmp_path / "gone.vec"
    choice = VectorOptions("fasttext")
    setattr(choice, side, str(path))
    with pytest.raises(UserError, match=rf"vectors\.{side} is .*gone\.vec"):
        start(choice, path, tmp_path)


def lines() -> list[list[str]]:
    return [["cat", "and", "dog"], ["fish", "and", "cat"]] * 20


def test_training_on_the_corpus_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fasttext")
    choice = VectorOptions("trained", dim=8, trained=TrainedOptions(epochs=1, min_n=2, max_n=3, buckets=100))
    first = initial_vectors(choice, WORDS, COUNTS, None, 8, tmp_path, 0, lines)
    monkeypatch.setattr(train, "look_up", None)
    second = initial_vectors(choice, WORDS, COUNTS, None, 8, tmp_path, 0, lines)
    assert first is not None
    assert second is not None
    assert first[0].shape == (8, 8)
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[1].exact, first[1].subwords, first[1].missing) == (3, 1, 0)


def test_training_on_too_rare_words_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fasttext")
    choice = VectorOptions("trained", dim=8, trained=TrainedOptions(min_count=1000, buckets=100))
    with pytest.raises(UserError, match=r"vectors\.trained\.min_count is 1000"):
        initial_vectors(choice, WORDS, COUNTS, None, 8, tmp_path, 0, lines)


def test_text_files_do_not_need_fasttext(vec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    assert start(VectorOptions("fasttext", source=str(vec_file)), vec_file, tmp_path) is not None
    with pytest.raises(UserError, match=r"pip install 'seqvise\[fasttext\]'"):
        initial_vectors(VectorOptions("trained"), WORDS, COUNTS, None, 8, tmp_path, 0, lines)


def test_options_import_nothing_heavy() -> None:
    code = "import sys, seqvise.vectors.options; assert not {'numpy', 'torch', 'fasttext'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (VectorOptions("glove"), "vectors.name is 'glove'"),
        (VectorOptions(scale="big"), "vectors.scale is 'big'"),
        (VectorOptions(missing="zero"), "vectors.missing is 'zero'"),
        (VectorOptions(dim=0), "vectors.dim is 0"),
        (VectorOptions(factor=0), "vectors.factor is 0"),
        (
            VectorOptions("fasttext"),
            "vectors.name is fasttext, which needs a file: set vectors.source or vectors.target",
        ),
        (VectorOptions(source="x.csv"), "vectors.source is 'x.csv'"),
        (VectorOptions(trained=TrainedOptions(threads=2)), "vectors.trained.threads is 2, but must be at least 10"),
        (VectorOptions(trained=TrainedOptions(epochs=0)), "vectors.trained.epochs is 0"),
        (VectorOptions(trained=TrainedOptions(min_n=4, max_n=3)), "vectors.trained.min_n is 4"),
    ],
)
def test_invalid_options_are_reported(choice: VectorOptions, problem: str) -> None:
    sentences = list(option_errors(choice, "vectors"))
    assert len(sentences) == 1
    assert sentences[0].startswith(problem)


def test_the_defaults_are_valid() -> None:
    assert list(option_errors(VectorOptions(), "vectors")) == []
