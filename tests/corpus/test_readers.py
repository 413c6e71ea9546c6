import gzip
from pathlib import Path

import pytest

from seqvise.corpus.options import DataOptions
from seqvise.corpus.readers import Pair, part_files, read_lines, read_pairs
from seqvise.errors import UserError
from tests.corpus.corpora import paired, tabbed, write_side


def read(data: DataOptions, name: str = "train") -> list[Pair]:
    return list(read_pairs(data, part_files(data, name)))


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes("\ufeffone\u2028still one\x0bhere\r\n\ntwo\x85still".encode())
    assert list(read_lines(path)) == ["one\u2028still one\x0bhere", "", "two\x85still"]


def test_paired_files_are_read_plain_or_zipped_with_spaces_folded(tmp_path: Path) -> None:
    data = paired(tmp_path, [("  une\u00a0 vache\u202f?", "a  cow?"), ("", "x")])
    expected = [Pair("une vache ?", "a cow?"), Pair("", "x")]
    assert read(data) == expected
    plain = tmp_path / "train.en"
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert read(data) == expected


def test_direction_is_swapped_by_the_options(tmp_path: Path) -> None:
    data = tabbed(tmp_path, [("une vache", "a cow")], source="en", target="fr")
    assert read(data, "pairs.txt") == [Pair("a cow", "une vache")]


def test_sides_of_different_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")] * 3)
    write_side(tmp_path / "train.en", ["b"] * 2)
    with pytest.raises(UserError, match=r"train\.fr has 3 lines and .*train\.en has 2"):
        read(data)


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")])
    with pytest.raises(UserError) as refused:
        part_files(data, "vaild")
    for side, problem in zip(("fr", "en"), refused.value.problems, strict=True):
        assert problem.startswith(str(tmp_path / f"vaild.{side}"))
        assert "data.root" in problem


def test_a_line_with_too_few_columns_is_named(tmp_path: Path) -> None:
    data = tabbed(tmp_path, [("une vache", "a cow")])
    with (tmp_path / "pairs.txt").open("a") as file:
        file.write("alone\n")
    with pytest.raises(UserError, match=r"pairs\.txt, line 2 has 1 column between tabs, .*needs at least 2"):
        read(data, "pairs.txt")


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"latin, line 2 is not UTF-8 \(byte 4"):
        list(read_lines(path))


def test_a_broken_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"one\n" * 1000)[:-12])
    with pytest.raises(UserError, match=r"text\.gz is not a whole gzip file"):
        list(read_lines(path))
