"""``seqvise vectors``: what it prints of a file, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seqvise.cli.vectors import main, split
from tests.vectors.conftest import model_file

__all__ = ["model_file"]
VECTORS = "5 2\nking 3 4\nqueen 0 2\nman 1 0\nQueen's -3 1\nwo_man 2 2\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "royal.vec"
    path.write_text(VECTORS, encoding="utf-8")
    return path


def printed(capsys: pytest.CaptureFixture[str], file: Path, *words: str, code: int = 0) -> list[str]:
    """The lines of the output, or those of standard error, with single spaces."""
    assert main([f"file={file}", f"cache={file.parent}", *words]) == code
    captured = capsys.readouterr()
    assert (captured.out == "") == (code != 0)
    return [re.sub(" +", " ", line) for line in (captured.err if code else captured.out).splitlines()]


def test_the_file_as_a_whole(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, file)
    # The cosines of the ten pairs: .8 .6 -.3162 .9899 0 .3162 .7071 -.9487 .7071 -.4472.
    assert lines[:6] == [
        "file royal.vec",
        "words 5, 2 dimensions",
        "subwords none",
        "norm 2.798 on average, 1.000 to 5.000",
        "mean cosine 0.241 between two different words",
        "first words king queen man Queen's wo_man",
    ]
    assert printed(capsys, file, "limit=2")[1] == "words 2 of 5, 2 dimensions"


def test_words_their_neighbours_and_similarities(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, file, "words=king, wo man", "words=QUEEN", "k=1")
    assert lines[7:11] == [
        "word in the file rank norm nearest",
        "king king 1 5.000 wo_man 0.99",
        "wo man wo_man 5 2.828 king 0.99",
        "QUEEN queen 2 2.000 king 0.80",
    ]
    assert lines[12:16] == [
        "cosine king wo man QUEEN",
        "king 1.000 0.990 0.800",
        "wo man 0.990 1.000 0.707",
        "QUEEN 0.800 0.707 1.000",
    ]


def test_sums_and_differences(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, file, "query=king - man", "query=man + queen", "k=2", "combine=raw")
    # (3, 4) - (1, 0) = (2, 4), and (1, 0) + (0, 2) = (1, 2): the same direction, other words left out.
    assert lines[7:] == [
        "king - man",
        " wo_man 0.949",
        " queen 0.894",
        "",
        "man + queen",
        " king 0.984",
        " wo_man 0.949",
        "",
    ]


def test_many_words_are_shown_as_their_nearest_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.vec"
    path.write_text("13 2\n" + "".join(f"w{n} {n} {n * n}\n" for n in range(1, 14)), encoding="utf-8")
    lines = printed(capsys, path, f"words={' '.join(f'w{n}' for n in range(1, 14))}", "k=1")
    start = lines.index("nearest pairs cosine")
    assert lines[start + 1].startswith("w12 w13 1.000")
    assert len(lines) - start == 22


def test_unknown_words_get_spelling_suggestions(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, file, "words=quen zzzzz", code=2) == [
        "seqvise: words: there is no vector of 'quen' in royal.vec. Spelled nearly so: queen.",
        "seqvise: words: there is no vector of 'zzzzz' in royal.vec. No word is spelled nearly so.",
    ]
    assert "Similar spellings: queen." in printed(capsys, file, "query=quen + man", code=2)[0]


def test_unknown_words_get_subword_vectors(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"file={model_file}", f"cache={tmp_path}", "words=catty cat", "k=1"]) == 0
    out = capsys.readouterr().out
    assert "subwords     of 2 to 3 characters" in out
    assert re.search(r"^catty +\(from subwords\) ", out, re.M)


def test_invalid_options_are_reported_together(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"file={file.parent / 'gone.vec'}", "k=0", "limit=0", "combine=sum"]) == 2
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"seqvise: file is '{file.parent / 'gone.vec'}'",
        "seqvise: k is 0",
        "seqvise: limit is 0",
        "seqvise: combine is 'sum'",
    ]
    assert main(["file=words.csv"]) == 2
    assert "must end in one of .bin" in capsys.readouterr().err


def test_an_empty_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.vec").write_text("0 2\n", encoding="utf-8")
    assert printed(capsys, tmp_path / "none.vec", code=2) == [
        f"seqvise: file is '{tmp_path / 'none.vec'}', but has no words."
    ]


def test_lists_of_words() -> None:
    assert split("cat dog") == split(" cat,dog, ") == ["cat", "dog"]
    assert split("ice cream, dog") == ["ice cream", "dog"]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "usage: seqvise vectors" in capsys.readouterr().out
