"""fastText's binary files, complete and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.vectors.store import file_dim, read_vectors
from seqvise.vectors.words import Origin


def test_vectors_are_those_of_fasttext(model_file: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    model = fasttext.load_model(str(model_file))
    vectors = read_vectors(model_file, ["cat", "Cat", "paris", "catlog"])
    assert vectors.origins.tolist() == [Origin.EXACT, Origin.CASE, Origin.CASE, Origin.SUBWORDS]
    expected = [model.get_word_vector(word) for word in ("cat", "cat", "Paris", "catlog")]
    np.testing.assert_array_equal(vectors.matrix, expected)
    assert file_dim(model_file) == 10


@pytest.mark.parametrize("keep", [0, 4, 50, 80, 150, 400, 5000, -5000, -4, -1])
def test_a_truncated_file_is_refused(keep: int, model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(model_file.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a complete fastText model"):
        read_vectors(path, ["cat"])


def test_a_quantised_model_is_refused(model_file: Path, tmp_path: Path) -> None:
    content = bytearray(model_file.read_bytes())
    (words,) = struct.unpack_from("<i", content, 68)
    header, buckets, dim = 17, 500, 10
    content[-(2 * header + 4 * dim * (2 * words + buckets))] = 1
    path = tmp_path / "small.bin"
    path.write_bytes(content)
    with pytest.raises(UserError, match="quantised fastText model"):
        file_dim(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(bytes(range(200)))
    with pytest.raises(UserError, match="is not a fastText model"):
        file_dim(path)
