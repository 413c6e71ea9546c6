"""The text format: lookup of words, and damaged files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.vectors.store import file_dim, read_all, read_vectors
from seqvise.vectors.words import Origin


def test_words_with_spaces_repeats_and_cases(vec_file: Path) -> None:
    vectors = read_vectors(vec_file, ["New York", "cat", "paris", "DOG", "fish", "Paris"])
    assert vectors.matrix.tolist() == [[3, 4], [1, 2], [5, 6], [-1, -2.5], [0, 0], [7, 8]]
    assert vectors.origins.tolist() == [
        Origin.EXACT,
        Origin.EXACT,
        Origin.CASE,
        Origin.CASE,
        Origin.MISSING,
        Origin.EXACT,
    ]


def test_lower_case_precedes_the_most_frequent_case(tmp_path: Path) -> None:
    path = tmp_path / "a.vec"
    path.write_text("3 1\nThe 1\nTHE 2\nthe 3\n", encoding="utf-8")
    assert read_vectors(path, ["tHe"]).matrix.tolist() == [[3]]


def test_gzip_files_are_read(vec_file: Path) -> None:
    zipped = vec_file.with_name("tiny.vec.gz")
    zipped.write_bytes(gzip.compress(vec_file.read_bytes()))
    assert file_dim(zipped) == 2
    assert read_vectors(zipped, ["dog"]).matrix.tolist() == [[-1, -2.5]]


TOKEN = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x85"), min_size=1).filter(
    lambda token: token == token.strip(" ")
)
ROWS = st.dictionaries(TOKEN, st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), max_size=8)


@given(rows=ROWS)
def test_written_vectors_are_read_exactly(
    rows: dict[str, list[float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "trip.vec"
    lines = [f"{token} {' '.join(repr(value) for value in values)}\n" for token, values in rows.items()]
    path.write_bytes(f"{len(rows)} 3\n{''.join(lines)}".encode())
    vectors = read_vectors(path, list(rows))
    assert vectors.matrix.tolist() == np.array(list(rows.values()), np.float32).reshape(-1, 3).tolist()
    assert (vectors.origins == Origin.EXACT).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat 1 2\n", "line 1 is 'cat 1 2'"),
        (b"", "line 1 is ''"),
        (b"1 0\ncat\n", "line 1 is '1 0'"),
        (b"2 2\ncat 1 2\n", "ends at line 2, but its first line declares 2 words"),
        (b"1 2\ncat 1 2\ndog 1 2\n", "line 3 is one too many"),
        (b"2 2\ncat 1 2\ndog 1\n", "line 3 has 1 number after its word, but line 1 declares 2"),
        (b"1 2\ncat 1 two\n", "line 2: the values after 'cat' are not all numbers"),
        (b"1 2\ncat 1 nan\n", "line 2: the vector of 'cat' contains a number that is not finite"),
        (b"1 2\ncat inf 1\n", "not finite"),
        (b"1 2\nc\xe9t 1 2\n", "line 2 is not UTF-8"),
        (b"\xef\xbb\xbf1 2\ncat 1 2\n", "line 1 starts with a byte-order mark"),
    ],
)
def test_damaged_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.vec"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_vectors(path, ["cat"])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("keep", [-20, 30])
def test_half_a_gzip_file_is_refused(keep: int, vec_file: Path) -> None:
    zipped = vec_file.with_name("half.vec.gz")
    zipped.write_bytes(gzip.compress(vec_file.read_bytes())[:keep])
    with pytest.raises(UserError, match="not a complete gzip file"):
        read_vectors(zipped, ["cat"])


def test_other_suffixes_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must end in one of \.bin"):
        file_dim(tmp_path / "vectors.csv")
    folder = tmp_path / "folder.vec"
    folder.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        file_dim(folder)


@pytest.mark.parametrize("name", ["a.vec", "a.vec.gz"])
@pytest.mark.parametrize("head", ["9999999999 300", "3 9999999999", "9999999999999999999999 2"])
def test_a_first_line_that_declares_too_much_is_refused(tmp_path: Path, name: str, head: str) -> None:
    path, content = tmp_path / name, f"{head}\ncat 1 2\n".encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for read in (file_dim, read_all, lambda path: read_vectors(path, ["cat"])):
        with pytest.raises(UserError, match=rf"{name}, line 1 declares .* at least .* bytes, but the file has"):
            read(path)


@pytest.mark.parametrize("limit", [None, 1, 20_000, 50_000, 70_000])
def test_files_of_any_size_are_read(tmp_path: Path, limit: int | None) -> None:
    path = tmp_path / "a.vec"
    path.write_text("50000 1\n" + "".join(f"w{n} {n}\n" for n in range(50_000)))
    whole = read_all(path, limit)
    count = min(limit or 50_000, 50_000)
    assert (len(whole.words), whole.matrix.shape, whole.total) == (count, (count, 1), 50_000)
    assert whole.matrix[:, 0].tolist() == list(range(count))
