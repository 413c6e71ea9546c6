import gzip
import io
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.parallel import readers, textfile
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.readers import REPLACED, RETURNS, UNNAMED, Pair, part_files, read_blocks, read_lines
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.tables import BAD_ROW
from seqvise.corpus.tokens.tokenizers import fold
from seqvise.errors import UserError
from tests.corpus.corpora import options, paired, tabbed, write_side


def read(data: DataOptions, name: str = "train", tally: FilterCounts | None = None) -> list[Pair]:
    blocks = read_blocks(data, part_files(data, name), FilterCounts() if tally is None else tally)
    return [pair for block in blocks for pair in block.pairs()]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes("\ufeffone\u2028still one\x0bhere\r\n\ntwo\x85still".encode())
    assert list(read_lines(path)) == ["one\u2028still one\x0bhere", "", "two\x85still"]


def test_paired_files_are_read_plain_or_zipped_with_spaces_folded(tmp_path: Path) -> None:
    data = paired(tmp_path, [("  une\u00a0 vache\u202f?", "a  cow?"), ("", "x")])
    expected = [("une vache ?", "a cow?"), ("", "x")]
    assert read(data) == expected
    plain = tmp_path / "train.en"
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert read(data) == expected


def test_direction_is_swapped_by_the_options(tmp_path: Path) -> None:
    data = tabbed(tmp_path, [("une vache", "a cow")], source="en", target="fr")
    assert read(data, "pairs.txt") == [("a cow", "une vache")]


def test_sides_of_different_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")] * 3)
    write_side(tmp_path / "train.en", ["b"] * 2)
    with pytest.raises(UserError, match=r"train\.fr has 3 lines and .*train\.en has 2"):
        read(data)


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")])
    with pytest.raises(UserError) as refused:
        part_files(data, "vaild")
    for side, problem in zip(("fr", "en"), refused.value.messages, strict=True):
        assert problem.startswith(str(tmp_path / f"vaild.{side}"))
        assert "data.root" in problem


def test_a_line_with_too_few_columns_is_named(tmp_path: Path) -> None:
    data = tabbed(tmp_path, [("une vache", "a cow")])
    with (tmp_path / "pairs.txt").open("a") as file:
        file.write("alone\n")
    with pytest.raises(UserError, match=r"pairs\.txt, line 2 has 1 field \('alone'\), but must have 3 as most lines"):
        read(data, "pairs.txt")


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"latin, line 2 is not UTF-8 \(byte 4"):
        list(read_lines(path))


def test_a_broken_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"one\n" * 1000)[:-12])
    with pytest.raises(UserError, match=r"text\.gz is not a complete gzip file"):
        list(read_lines(path))


LETTERS = st.builds(
    str.__add__, st.text(st.sampled_from("ab é\u00a0\u2003\t\x1c漢😀"), max_size=12), st.sampled_from(["", "\r"])
)


@given(st.lists(st.tuples(LETTERS, LETTERS), max_size=8), st.sampled_from([1, 3, 7, 64]))
def test_blocks_of_any_size_yield_the_folded_lines(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair], size: int
) -> None:
    data = paired(tmp_path_factory.mktemp("text"), [(source, f"{target}\r") for source, target in pairs])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textfile, "BLOCK", size)
        assert read(data) == [(fold(source), fold(target)) for source, target in pairs]


def test_the_spaces_are_those_of_split() -> None:
    spaces = {c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()}
    assert spaces == {*readers._SPACES, " ", "\t", "\n"}


def test_bytes_that_are_not_utf8_are_replaced_and_counted_on_request(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")] * 4, encoding_errors="replace")
    (tmp_path / "train.fr").write_bytes("été\n".encode() + b"caf\xe9\n\xff \xfe\n\xef\xbf\xbd\n")
    tally = FilterCounts()
    assert [source for source, _ in read(data, tally=tally)] == ["été", "caf\ufffd", "\ufffd \ufffd", "\ufffd"]
    assert tally.noticed == {REPLACED: 2}


def test_byte_order_marks_and_mixed_line_ends_are_no_text(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b")] * 3)
    (tmp_path / "train.fr").write_bytes("\ufeffun\r\n\ufeffdeux\ntr\rois\r\n".encode())
    tally = FilterCounts()
    assert [source for source, _ in read(data, tally=tally)] == ["un", "deux", "tr ois"]
    assert tally.noticed == {RETURNS: 1}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"un\rdeux\r", "ends its lines with carriage returns"),
        ("un\ndeux\n".encode("utf-16"), "is UTF-16: convert it"),
        (b"\x1f\x8b\x08\x00junk\n", "line 1 is not UTF-8 (byte 2 of the line)"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    data = paired(tmp_path, [("a", "b")])
    (tmp_path / "train.fr").write_bytes(content)
    (tmp_path / "train.en").write_bytes(b"x\n" * max(content.count(b"\n"), 1))
    with pytest.raises(UserError) as refused:
        read(data)
    assert f"{tmp_path / 'train.fr'}" in str(refused.value)
    assert problem in str(refused.value)


SHIFTED = {
    "tabbed": "hello\tbonjour\nhello\tbonjour\toù es-tu ?\nyes\toui\nno\n",
    "csv": "en,fr\nhello,bonjour\nhello,bonjour,où es-tu ?\nyes,oui\nno\n",
}


@pytest.mark.parametrize("layout", SHIFTED)
def test_a_row_with_too_many_or_too_few_fields_is_refused_or_skipped(tmp_path: Path, layout: str) -> None:
    (tmp_path / "pairs").write_text(SHIFTED[layout])
    data = options(tmp_path, layout, "pairs", {})
    line = 2 + (layout == "csv")
    with pytest.raises(UserError, match=rf"pairs, line {line} has 3 fields \('hello \| bonjour \| où.*must have 2"):
        read(data, "pairs")
    tally = FilterCounts()
    assert read(replace(data, on_bad="skip"), "pairs", tally) == [("bonjour", "hello"), ("oui", "yes")]
    assert (tally.read, tally.dropped) == (2, {BAD_ROW: 2})


def test_columns_without_a_name_are_read_where_all_lines_have_them(tmp_path: Path) -> None:
    """Tatoeba's archive names the authors of each pair in a third column."""
    data, tally = tabbed(tmp_path, [("une vache", "a cow"), ("oui", "yes")]), FilterCounts()
    assert read(data, "pairs.txt", tally) == [("une vache", "a cow"), ("oui", "yes")]
    assert tally.noticed == {UNNAMED: 1}
    assert data.columns == ["en", "fr"]


def test_a_csv_field_may_be_of_any_length(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(f'fr,en\n"{"a" * 1_000_000}",b\n')
    (pair,) = read(options(tmp_path, "csv", "pairs.csv", {"max_characters": None}), "pairs.csv")
    assert (len(pair[0]), pair[1]) == (1_000_000, "b")


@pytest.mark.parametrize("lines", [3, 100_000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_carriage_returns_alone_as_line_ends_are_refused_however_long_the_file(
    tmp_path: Path, lines: int, end: str
) -> None:
    data = paired(tmp_path, [("a", "b")])
    (tmp_path / "train.fr").write_text("une vache\r" * lines + end)
    with pytest.raises(UserError, match=r"train\.fr ends its lines with carriage returns"):
        read(data)


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
def test_a_line_of_megabytes_stays_too_long_and_is_not_held(tmp_path: Path, letter: str) -> None:
    data = paired(tmp_path, [("a", "b"), (f"d {letter * 1_000_000}", "e"), ("g", "h")], max_characters=50)
    first, long, last = read(data)
    assert (first, last) == (("a", "b"), ("g", "h"))
    assert 50 < len(long[0]) <= textfile.BLOCK + 50 * 16
    data = tabbed(tmp_path, [("a", "b"), ("c", "d" * 1_000_000), ("e", "f")], max_characters=50)
    first, long, last = read(data, "pairs.txt")
    assert (first, last) == (("a", "b"), ("e", "f"))
    assert len(long[0]) > 50


def test_blank_lines_of_a_table_are_empty_pairs(tmp_path: Path) -> None:
    data = tabbed(tmp_path, [("une vache", "a cow")])
    with (tmp_path / "pairs.txt").open("a") as file:
        file.write("\n  \nyes\toui\tnotes\n")
    assert read(data, "pairs.txt") == [("une vache", "a cow"), ("", ""), ("", ""), ("oui", "yes")]


def test_right_to_left_text_and_emoji_are_as_they_were(tmp_path: Path) -> None:
    pairs = [("שָׁלוֹם \u200fעולם", "مرحبا بالعالم"), ("👩‍👩‍👧 🇫🇷", "ภาษาไทยไม่มีช่องว่าง"), ("\u202eabc\u202c", "日本語。")]
    assert read(paired(tmp_path, pairs)) == pairs


@pytest.mark.parametrize(
    ("archive", "mode"),
    [("pairs.tar", "w:"), ("pairs.tar.gz", "w:gz"), ("pairs.tgz", "w:gz"), ("pairs.tar.xz", "w:xz")],
)
def test_files_of_an_archive_are_read_without_unpacking(tmp_path: Path, archive: str, mode: Any) -> None:
    data = paired(tmp_path, [("une vache", "a cow"), ("oui", "yes")])
    with tarfile.open(tmp_path / archive, mode) as tar:
        tar.add(tmp_path / "train.fr", "./in/train.fr")
        zipped = gzip.compress((tmp_path / "train.en").read_bytes())
        member = tarfile.TarInfo("./in/train.en.gz")
        member.size = len(zipped)
        tar.addfile(member, io.BytesIO(zipped))
    assert read(data, f"{archive}:in/train") == [("une vache", "a cow"), ("oui", "yes")]
    with pytest.raises(UserError, match=r"in/other\.fr .* does not exist"):
        read(data, f"{archive}:in/other")
    whole = (tmp_path / archive).read_bytes()
    (tmp_path / archive).write_bytes(whole[: 520 if mode == "w:" else len(whole) // 2])
    with pytest.raises(UserError, match="is not a complete archive"):
        read(data, f"{archive}:in/train")


def test_columns_of_csv_have_names(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes('\ufeffid, en,fr\r\n1,"a ""big"",\ncow",une  vache\r\n\r\n2,yes,oui'.encode())
    data = options(tmp_path, "csv", "pairs.csv", {})
    assert read(data, "pairs.csv") == [("une vache", 'a "big", cow'), ("", ""), ("oui", "yes")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no column fr and no column en, or has it twice: its columns are none"),
        ("fr;en\na;b\n", "its columns are fr;en"),
        ("fr,en,en\n", "no column en, or has it twice"),
        ("id,fr,en\n1,a,b\n2,c\n", "pairs.csv, line 3 has 2 fields ('2 | c'), but must have 3 as its first line has"),
        ('fr,en\n"a,b\n', "is not CSV: unexpected end of data"),
        ('fr,en\na,b\n"c,d\n', "line 3 is not CSV: unexpected end of data"),
        ("fr,en\nbonjour,hello\nbonjour,où es-tu ?,hello\n", "line 3 has 3 fields"),
    ],
)
def test_invalid_csv_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(UserError) as refused:
        read(options(tmp_path, "csv", "pairs.csv", {}), "pairs.csv")
    assert problem in str(refused.value)


def test_columns_of_parquet_have_names(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    data, path = options(tmp_path, "parquet", "pairs.parquet", {}), tmp_path / "pairs.parquet"
    table = pyarrow.table({"en": ["a  cow", None, "yes"], "id": [1, 2, 3], "fr": ["une vache", "x", "oui"]})
    parquet.write_table(table, path, row_group_size=2)
    assert read(data, "pairs.parquet") == [("une vache", "a cow"), ("x", ""), ("oui", "yes")]
    with pytest.raises(UserError, match="column id is of type int64, but must be text"):
        read(replace(data, source="id"), "pairs.parquet")
    with pytest.raises(UserError, match="has no column de"):
        read(replace(data, source="de"), "pairs.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is not a complete Parquet table"):
        read(data, "pairs.parquet")


def test_without_pyarrow_the_error_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "pairs.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"pip install 'seqvise\[parquet\]'"):
        read(options(tmp_path, "parquet", "pairs.parquet", {}), "pairs.parquet")
