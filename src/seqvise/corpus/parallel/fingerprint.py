"""What shapes a token store, so that one content has one folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any

from seqvise.corpus.documents.options import TextOptions
from seqvise.corpus.options import CUT, FIRST
from seqvise.corpus.parallel.filters import PARTS, question_patterns
from seqvise.corpus.parallel.options import STANDARD_INPUT, DataOptions
from seqvise.corpus.parallel.readers import Block, part_files, read_blocks
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.store import FORMAT
from seqvise.corpus.parallel.textfile import TextFile
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import tokenizer_version
from seqvise.files import digest, digest_file, digest_stream, remove_stale, write_text

_LARGE = 64 << 20


@dataclass(frozen=True)
class Piece:
    """The files that one name of a part stands for, and how often each of their pairs is taken."""

    files: tuple[TextFile, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Input:
    """A stretch of pairs that is read as one: the files of a part, or the phrasebook.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        pieces: where the pairs lie; none for the phrasebook.
    """

    name: str
    pieces: tuple[Piece, ...] = ()

    @property
    def files(self) -> Iterator[TextFile]:
        """The files of all pieces."""
        return (file for piece in self.pieces for file in piece.files)

    def blocks(self, data: DataOptions, tally: FilterCounts) -> Iterator[tuple[Block, float]]:
        """The pairs in their order, unfiltered, with their weight. tally: receives the faults that are read over."""
        if not self.pieces:
            yield _phrasebook(data), 1.0
        for piece in self.pieces:
            for block in read_blocks(data, piece.files, tally):
                yield block, piece.weight

    def digests(self, data: DataOptions, memo: Path) -> list[str]:
        """Hashes of the content. memo: a folder that remembers those of large files."""
        if self.pieces:
            return [content_digest(file, memo) for file in self.files]
        return [digest("\n".join(map("\t".join, _phrasebook(data).pairs())), 32)]


@contextmanager
def corpus_inputs(data: DataOptions, folder: Path) -> Iterator[list[Input]]:
    """The inputs that the options name.

    Args:
        folder: holds a copy of standard input until the end of the block, where that is an input. It has no name, so
            that a killed process leaves nothing.

    Raises:
        UserError: files are missing.
    """
    if data.format == "phrasebook":
        yield [Input("train")]
    elif data.names("train") == [STANDARD_INPUT]:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as stream:
            copyfileobj(sys.stdin.buffer, stream)
            piece = Piece((TextFile(Path("standard input"), stream=stream),))
            yield [Input("train", (piece,)), *_named(data, PARTS[1:])]
    else:
        yield _named(data, PARTS)


def _named(data: DataOptions, parts: Sequence[str]) -> list[Input]:
    return [Input(part, tuple(_pieces(data, part))) for part in parts if data.names(part)]


def _pieces(data: DataOptions, part: str) -> Iterator[Piece]:
    names = data.names(part)
    weights = data.weights if part == "train" and data.weights else [1.0] * len(names)
    for name, weight in zip(names, weights, strict=True):
        yield Piece(tuple(part_files(data, name)), weight)


def store_identity(data: DataOptions, tokenizer: TokenizerOptions, inputs: list[Input], memo: Path) -> dict[str, Any]:
    """Everything that shapes the ids, as plain values; choices about batches are not among it.

    Args:
        memo: a folder that remembers the hashes of large files by their path, size and time of change.
    """
    languages = data.languages()
    patterns = question_patterns(data)
    splits = not any(item.name == "valid" for item in inputs)
    return {
        "format": FORMAT,
        "inputs": {item.name: item.digests(data, memo) for item in inputs},
        "layout": data.format,
        "columns": _columns(data),
        "weights": data.weights,
        "languages": languages,
        "questions": [patterns[language] for language in languages] if data.questions_only else None,
        "encoding_errors": data.encoding_errors,
        **later_choices(data),
        "max_characters": data.max_characters,
        "deduplicate": data.deduplicate and ("exact" if data.exact_duplicates else "recent"),
        "drop_copies": data.drop_copies,
        "max_ratio": data.max_ratio,
        "scripts": asdict(data.scripts),
        "limit": data.limit,
        "max_tokens": asdict(data.max_tokens),
        "cut_percentile": _percentiles(data),
        "split": [data.valid_fraction, data.seed] if splits else None,
        "tokenizer": tokenizer.shaping(),
        "version": tokenizer_version(tokenizer),
    }


def _percentiles(data: DataOptions) -> float | dict[str, float | None] | None:
    """One number if both sides have the same, as before sides had a number each: such stores keep their name."""
    sides = data.percentiles()
    return sides["source"] if sides["source"] == sides["target"] else sides


def store_name(data: DataOptions, identity: dict[str, Any]) -> str:
    """``<name>-<hash>`` for the store's folder."""
    return f"{data.name}-{digest(json.dumps(identity, sort_keys=True))}"


def content_digest(file: TextFile, memo: Path) -> str:
    """A hash of what a file holds. memo: a folder that remembers those of large files."""
    if file.stream is not None:
        file.stream.seek(0)
        return digest_stream(file.stream)
    content = _digest(file.path, memo)
    return content if file.member is None else f"{content}:{file.member}"


def _digest(path: Path, memo: Path) -> str:
    status = path.stat()
    if status.st_size < _LARGE:
        return digest_file(path)
    known = memo / digest(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    if not known.is_file():
        remove_stale(known)
        write_text(known, digest_file(path))
    return known.read_text(encoding="utf-8")


def later_choices(data: DataOptions | TextOptions) -> dict[str, str]:
    """Choices that stores did not have once; the former values are left out, so that such a store is still found."""
    chosen = {}
    if data.format in ("tabbed", "csv") and data.on_bad != CUT:
        chosen["on_bad"] = data.on_bad
    if data.limit is not None and data.limit_choice != FIRST:
        chosen["limit_choice"] = f"{data.limit_choice} {data.seed}"
    return chosen


def _columns(data: DataOptions) -> list[int] | list[str] | None:
    """What tells the columns of a table apart."""
    if data.format == "tabbed":
        return [data.columns.index(side) for side in (data.source, data.target)]
    return [data.source, data.target] if data.format in ("csv", "parquet") else None


def _phrasebook(data: DataOptions) -> Block:
    from seqvise.corpus.phrasebook.corpus import phrasebook_pairs

    french, english = map(list, zip(*phrasebook_pairs(), strict=True))
    return Block(french, english) if data.source == "fr" else Block(english, french)
