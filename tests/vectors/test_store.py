"""The store: made once, by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.vectors import store
from seqvise.vectors.store import stored_vectors
from seqvise.vectors.words import WordVectors

WORDS = ("cat", "New York", "DOG", "fish\u2028tail")


def test_the_second_time_nothing_is_read(vec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stored_vectors(vec_file, WORDS, tmp_path)

    def unread(*_: object) -> WordVectors:
        raise AssertionError("read again")

    monkeypatch.setattr(store, "read_vectors", unread)
    second = stored_vectors(vec_file, WORDS, tmp_path)
    assert isinstance(second.matrix, np.memmap)
    assert second.words == WORDS
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.origins, second.origins)


def test_other_words_or_content_make_another_store(vec_file: Path, tmp_path: Path) -> None:
    stored_vectors(vec_file, WORDS, tmp_path)
    stored_vectors(vec_file, WORDS[:2], tmp_path)
    vec_file.write_text("1 2\ncat 8 8\n", encoding="utf-8")
    assert stored_vectors(vec_file, WORDS, tmp_path).matrix[0].tolist() == [8, 8]
    folders = [path for path in (tmp_path / "vectors").iterdir() if path.is_dir()]
    assert len(folders) == 3
    assert all(folder.name.startswith("tiny-") for folder in folders)


def test_a_damaged_file_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.vec"
    path.write_text("2 2\ncat 1 2\n", encoding="utf-8")
    with pytest.raises(UserError):
        stored_vectors(path, WORDS, tmp_path)
    assert [entry for entry in (tmp_path / "vectors").iterdir() if entry.is_dir()] == []
