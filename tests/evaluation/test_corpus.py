"""Parallel files, and errors in them."""

import gzip
from pathlib import Path

import pytest

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.vocabulary import Vocabulary
from seqvise.errors import UserError
from seqvise.evaluation.corpus import measure, read_parallel


def test_lines_are_read_unchanged(tmp_path: Path) -> None:
    plain, compressed = tmp_path / "a", tmp_path / "b.gz"
    plain.write_bytes("\ufeffété  \r\n\nx\u2028y".encode())
    compressed.write_bytes(gzip.compress(b"1\n2\n3\n"))
    assert read_parallel({"source": plain, "target": compressed}) == {
        "source": ["été  ", "", "x\u2028y"],
        "target": ["1", "2", "3"],
    }


def test_every_unreadable_file_is_reported(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("none", "latin", "empty", "good")}
    paths["latin"].write_bytes("a\nété\n".encode("latin-1"))
    paths["empty"].touch()
    paths["good"].write_text("a\n")
    paths["folder"] = tmp_path
    with pytest.raises(UserError) as caught:
        read_parallel(paths)
    messages = caught.value.messages
    assert len(messages) == 4
    assert messages[0] == f"none={paths['none']} cannot be read: No such file or directory."
    assert messages[1].startswith(f"latin={paths['latin']}, line 2 is not UTF-8")
    assert messages[2] == f"empty={paths['empty']} is empty: there is nothing to evaluate."
    assert messages[3] == f"folder={tmp_path} cannot be read: Is a directory."


def test_files_of_other_lengths_are_reported_with_both_counts(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("source", "target", "against")}
    for path, lines in zip(paths.values(), (3, 2, 4), strict=True):
        path.write_text("x\n" * lines)
    with pytest.raises(UserError) as caught:
        read_parallel(paths)
    assert [message.partition(",")[0] for message in caught.value.messages] == [
        f"source={paths['source']} has 3 lines and target={paths['target']} has 2 lines",
        f"source={paths['source']} has 3 lines and against={paths['against']} has 4 lines",
    ]


def test_words_and_unknown_words_are_counted() -> None:
    vocabulary = Vocabulary.from_ranked(["où", "est"], {"où": 2, "est": 1}, {})
    codec = TextCodec("fr", TokenizerOptions(name="words"), vocabulary)
    corpus = measure(("a", "b"), ["Où est-il ?", "", "où"], ["1", "2", "3"], codec)
    assert corpus.lengths.tolist() == [4, 0, 1]
    assert corpus.unknowns.tolist() == [2, 0, 0]
