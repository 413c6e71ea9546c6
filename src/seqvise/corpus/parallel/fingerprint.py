"""The fingerprint of a token store: everything that determines its content, so that equal content has one folder."""

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
class InputFiles:
    """The files of one name in ``data.train``, ``data.valid`` or ``data.test``; weight: copies of each pair."""

    files: tuple[TextFile, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Input:
    """Pairs that are read in sequence: the files of a part, or the phrasebook.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        sources: the files; empty for the phrasebook.
    """

    name: str
    sources: tuple[InputFiles, ...] = ()

    @property
    def files(self) -> Iterator[TextFile]:
        """All files of the input."""
        return (file for source in self.sources for file in source.files)

    def blocks(self, data: DataOptions, tally: FilterCounts) -> Iterator[tuple[Block, float]]:
        """The pairs in order, unfiltered, with their weight. tally: receives the faults that are tolerated."""
        if not self.sources:
            yield _phrasebook(data), 1.0
        for source in self.sources:
            for block in read_blocks(data, source.files, tally):
                yield block, source.weight

    def digests(self, data: DataOptions, memo: Path) -> list[str]:
        """Hashes of the content. memo: a folder that caches the hashes of large files."""
        if self.sources:
            return [content_digest(file, memo) for file in self.files]
        return [digest("\n".join(map("\t".join, _phrasebook(data).pairs())), 32)]


@contextmanager
def corpus_inputs(data: DataOptions, folder: Path) -> Iterator[list[Input]]:
    """The inputs of a corpus.

    Args:
        folder: holds a copy of standard input, if that is an input, until the end of the block. The copy is an unnamed
            temporary file, so a killed process leaves nothing.

    Raises:
        UserError: files are missing.
    """
    if data.format == "phrasebook":
        yield [Input("train")]
    elif data.names("train") == [STANDARD_INPUT]:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as stream:
            copyfileobj(sys.stdin.buffer, stream)
            source = InputFiles((TextFile(Path("standard input"), stream=stream),))
            yield [Input("train", (source,)), *_file_inputs(data, PARTS[1:])]
    else:
        yield _file_inputs(data, PARTS)


def _file_inputs(data: DataOptions, parts: Sequence[str]) -> list[Input]:
    return [Input(part, tuple(_input_files(data, part))) for part in parts if data.names(part)]


def _input_files(data: DataOptions, part: str) -> Iterator[InputFiles]:
    names = data.names(part)
    weights = data.weights if part == "train" and data.weights else [1.0] * len(names)
    for name, weight in zip(names, weights, strict=True):
        yield InputFiles(tuple(part_files(data, name)), weight)


def store_identity(data: DataOptions, tokenizer: TokenizerOptions, inputs: list[Input], memo: Path) -> dict[str, Any]:
    """Everything that determines the ids, as plain values; options of batches are not included.

    Args:
        memo: a folder that caches the hashes of large files by path, size and modification time.
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
        **added_options(data),
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
    """One number if both sides are equal, as before each side had a number: such stores keep their name."""
    sides = data.percentiles()
    return sides["source"] if sides["source"] == sides["target"] else sides


def store_name(data: DataOptions | TextOptions, identity: dict[str, Any]) -> str:
    """``<name>-<hash>``: the name of the store's folder."""
    return f"{data.name}-{digest(json.dumps(identity, sort_keys=True))}"


def content_digest(file: TextFile, memo: Path) -> str:
    """A hash of a file's content. memo: a folder that caches the hashes of large files."""
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


def added_options(data: DataOptions | TextOptions) -> dict[str, str]:
    """Options that the first stores did not have, unless they have the former behaviour: old stores stay valid."""
    options = {}
    if data.format in ("tabbed", "csv") and data.on_bad != CUT:
        options["on_bad"] = data.on_bad
    if data.limit is not None and data.limit_choice != FIRST:
        options["limit_choice"] = f"{data.limit_choice} {data.seed}"
    return options


def _columns(data: DataOptions) -> list[int] | list[str] | None:
    """Positions (tabbed) or names (csv, parquet) of the source and target columns; None for other formats."""
    if data.format == "tabbed":
        return [data.columns.index(side) for side in (data.source, data.target)]
    return [data.source, data.target] if data.format in ("csv", "parquet") else None


def _phrasebook(data: DataOptions) -> Block:
    from seqvise.corpus.phrasebook.corpus import cached_pairs

    french, english = map(list, zip(*cached_pairs(), strict=True))
    return Block(french, english) if data.source == "fr" else Block(english, french)
