"""The store: built once per content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.vectors import store
from seqvise.vectors.store import stored_vectors
from seqvise.vectors.words import WordVectors

WORDS = ("cat", "New York", "DOG", "fish\u2028tail")


def test_the_file_is_read_once(vec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stored_vectors(vec_file, WORDS, tmp_path)

    def fail(*_: object) -> WordVectors:
        raise AssertionError("read again")

    monkeypatch.setattr(store, "read_vectors", fail)
    second = stored_vectors(vec_file, WORDS, tmp_path)
    assert isinstance(second.matrix, np.memmap)
    assert second.words == WORDS
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.origins, second.origins)


def test_other_words_or_content_have_another_store(vec_file: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["words.txt", "vectors.npy", "manifest.json"])
def test_a_flipped_byte_is_refused(name: str, vec_file: Path, tmp_path: Path) -> None:
    """In every file of the store, at any position."""
    stored_vectors(vec_file, WORDS, tmp_path)
    (folder,) = (path for path in (tmp_path / "vectors").iterdir() if path.is_dir())
    content = (folder / name).read_bytes()
    for position in range(0, len(content), 1 + len(content) // 60):
        flipped = bytearray(content)
        flipped[position] ^= 1
        (folder / name).write_bytes(flipped)
        with pytest.raises(UserError, match=rf"{folder}.*: delete it; the next command rebuilds it"):
            stored_vectors(vec_file, WORDS, tmp_path)
    (folder / name).write_bytes(content)
    assert stored_vectors(vec_file, WORDS, tmp_path).words == WORDS


def test_a_store_of_an_earlier_revision_opens_with_one_line(
    vec_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored_vectors(vec_file, WORDS, tmp_path)
    (folder,) = (path for path in (tmp_path / "vectors").iterdir() if path.is_dir())
    manifest = json.loads((folder / "manifest.json").read_text())
    for key in ("checksums", "seal"):
        del manifest[key]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    caplog.set_level("INFO")
    assert stored_vectors(vec_file, WORDS, tmp_path).words == WORDS
    message = f"{folder} was written by an earlier revision, without checksums: damage is not detected."
    assert caplog.messages == [message]
