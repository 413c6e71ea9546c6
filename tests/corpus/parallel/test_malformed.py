"""Two hundred corpora with faults: each is prepared or refused with messages, and nothing incomplete is left."""

import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.errors import UserError
from tests.corpus.corpora import WORDS, numbered, options

INPUTS = 200
Fault = Callable[[bytes, random.Random], bytes]


def _at_random(content: bytes, draw: random.Random, middle: bytes, removed: int = 0) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + middle + content[place + removed :]


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


FAULTS: dict[str, Fault] = {
    "nothing": lambda content, _: content,
    "empty": lambda *_: b"",
    "cut": lambda content, draw: content[: draw.randrange(len(content) + 1)],
    "random bytes": lambda _, draw: draw.randbytes(draw.randrange(3000)),
    "a random byte": lambda content, draw: _at_random(content, draw, draw.randbytes(1), 1),
    "several random bytes": lambda content, draw: _at_random(content, draw, draw.randbytes(9)),
    "latin-1": lambda content, _: _text(content).encode("latin-1", "replace"),
    "UTF-16": lambda content, _: _text(content).encode("utf-16"),
    "half a character": lambda content, draw: _at_random(content, draw, "漢".encode()[: draw.randint(1, 2)]),
    "a surrogate": lambda content, draw: _at_random(content, draw, b"\xed\xa0\x80"),
    "NUL bytes": lambda content, draw: _at_random(content, draw, b"\0" * draw.randint(1, 5000)),
    "a byte-order mark": lambda content, _: b"\xef\xbb\xbf" + content,
    "a mark inside": lambda content, draw: _at_random(content, draw, b"\xef\xbb\xbf"),
    "DOS lines": lambda content, _: content.replace(b"\n", b"\r\n"),
    "Mac lines": lambda content, _: content.replace(b"\n", b"\r"),
    "mixed lines": lambda content, _: content.replace(b"1\n", b"1\r\n").replace(b"2\n", b"2\r"),
    "a line more": lambda content, _: content + b"more\n",
    "no last line feed": lambda content, _: content.removesuffix(b"\n"),
    "blank lines": lambda content, _: content.replace(b"3\n", b"3\n \t \n\n"),
    "a long line": lambda content, draw: _at_random(content, draw, b"x" * 1_000_000),
    "a long line of signs": lambda content, draw: _at_random(content, draw, "é😀".encode() * 200_000),
    "spaces": lambda content, draw: _at_random(content, draw, " \t\u2003\u3000\u2028\x85\x0b".encode() * 9),
    "quotes": lambda content, draw: _at_random(content, draw, b'"'),
    "separators": lambda content, draw: _at_random(content, draw, draw.choice([b",", b"\t", b";"]) * 7),
    "gzip": lambda content, _: gzip.compress(content),
    "half a gzip": lambda content, draw: gzip.compress(content)[: draw.randrange(90)],
}
LAYOUTS = ("paired", "tabbed", "csv", "parquet")


def corpus(layout: str) -> dict[str, bytes]:
    """The files of a good corpus, by name."""
    pairs = numbered(60)
    french, english = (list(column) for column in zip(*pairs, strict=True))
    if layout == "paired":
        return {"train.fr": "\n".join([*french, ""]).encode(), "train.en": "\n".join([*english, ""]).encode()}
    if layout == "tabbed":
        return {"train": "".join(f"{right}\t{left}\n" for left, right in pairs).encode()}
    if layout == "csv":
        return {"train": "".join(f'"{left}",{right}\n' for left, right in [("fr", "en"), *pairs]).encode()}
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({"fr": french, "en": english}), stream)
    return {"train": stream.getvalue()}


def write(folder: Path, layout: str, draw: random.Random, fault: Fault) -> DataOptions:
    """A corpus of the layout with the fault in one of its files, and the options that read it."""
    content = corpus(layout)
    broken = draw.choice(sorted(content))
    content[broken] = fault(content[broken], draw)
    zipped = draw.random() < 0.2
    for name, data in content.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(data) if zipped and draw.random() < 0.7 else data)
    choices: dict[str, object] = {
        "encoding_errors": draw.choice(["refuse", "replace"]),
        "max_characters": draw.choice([40, 10_000, None]),
    }
    return options(folder, layout, "train", choices)


@pytest.mark.parametrize("number", range(INPUTS))
def test_a_malformed_corpus_is_prepared_or_refused_and_leaves_nothing_incomplete(number: int, tmp_path: Path) -> None:
    draw = random.Random(number)
    fault = list(FAULTS.values())[number % len(FAULTS)]
    data = write(tmp_path, LAYOUTS[number // len(FAULTS) % len(LAYOUTS)], draw, fault)
    cache = tmp_path / "cache"
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    expected: set[Path] = set()
    try:
        store = prepare_corpus(data, WORDS, cache)
    except UserError as error:
        messages = error.messages
    else:
        messages = ()
        report = TokenStore.open(store.path).report
        assert sum(report.kept.values()) + sum(report.dropped.values()) == report.read
        expected = {store.path}
    assert all(message.endswith(".") and "\n" not in message for message in messages)
    paths = set((cache / "corpora").glob("*"))
    assert {path for path in paths if path.suffix != ".lock" and path.name != ".digests"} == expected
    assert {path: path.read_bytes() for path in before} == before
