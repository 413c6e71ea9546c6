"""Vectors in .npz files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.vectors.lexicon import Lexicon
from seqvise.vectors.store import file_dim, read_all, read_vectors

ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.mark.parametrize("name", ["wnids", "words"])
def test_words_and_their_vectors(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays: dict[str, Any] = {name: np.array(["n01", "n02"]), "vectors": ROWS.astype(np.float64)}
    np.savez(path, **arrays)
    assert file_dim(path) == 3
    assert read_vectors(path, ["n02", "n03"]).matrix.tolist() == [[4, 5, 6], [0, 0, 0]]
    lexicon = Lexicon.read(path, tmp_path)
    assert lexicon.words == ("n01", "n02")
    assert lexicon.matrix.tolist() == ROWS.tolist()
    assert Lexicon.read(path, tmp_path, limit=1).total == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"vectors": ROWS}, "contains the arrays vectors, but must contain"),
        ({"words": np.array(["a"]), "vectors": ROWS}, "N words and N vectors"),
        ({"words": np.array([1, 2]), "vectors": ROWS}, "N words and N vectors"),
        ({"words": np.array(["a", "b"]), "vectors": ROWS[0]}, "N words and N vectors"),
        ({"words": np.array(["a", "b"], object), "vectors": ROWS}, "cannot be read as a .npz file"),
        ({"words": np.array(["a", "b"]), "vectors": ROWS * np.array([1, np.nan, 1])}, "the vector of 'a' contains"),
    ],
)
def test_other_arrays_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError) as caught:
        read_vectors(tmp_path / "a.npz", ["a"])
    assert message in str(caught.value)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.array(["a", "b"]), vectors=ROWS)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    with pytest.raises(UserError, match="cannot be read as"):
        file_dim(tmp_path / "a.npz")


def test_an_array_that_declares_more_than_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 300)})
    np.savez(path, words=np.array(["cat"]))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("vectors.npy", header.getvalue())
    with pytest.raises(UserError, match=r"a\.npz cannot be read"):
        read_all(path)
