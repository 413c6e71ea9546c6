"""What shapes a token store, so that one content has one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqvise.corpus.filters import question_patterns
from seqvise.corpus.options import DataOptions, TokenizerOptions
from seqvise.corpus.readers import Pair, part_files, read_pairs
from seqvise.corpus.split import PARTS
from seqvise.corpus.store import FORMAT
from seqvise.corpus.tokenizers import tokenizer_version
from seqvise.files import digest, digest_file, write_text

_LARGE = 64 << 20


@dataclass(frozen=True)
class Input:
    """A stretch of pairs that is read as one: the files of a part, or the phrasebook.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        files: where the pairs lie; none for the phrasebook.
    """

    name: str
    files: tuple[Path, ...]

    def pairs(self, data: DataOptions) -> Iterator[Pair]:
        """The pairs in their order, unfiltered."""
        return read_pairs(data, list(self.files)) if self.files else _phrasebook(data)

    def digests(self, data: DataOptions, memo: Path) -> list[str]:
        """Hashes of the content. memo: a folder that remembers those of large files."""
        if self.files:
            return [_content(path, memo) for path in self.files]
        return [digest("\n".join("\t".join(pair) for pair in _phrasebook(data)), 32)]


def corpus_inputs(data: DataOptions) -> list[Input]:
    """The inputs that the options name.

    Raises:
        UserError: files are missing.
    """
    if data.format == "phrasebook":
        return [Input("train", ())]
    named = [(part, getattr(data, part)) for part in PARTS]
    return [Input(part, tuple(part_files(data, name))) for part, name in named if name]


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
        "columns": [data.columns.index(side) for side in (data.source, data.target)] if _tabbed(data) else None,
        "languages": languages,
        "questions": [patterns[language] for language in languages] if data.questions_only else None,
        "deduplicate": data.deduplicate,
        "limit": data.limit,
        "max_tokens": asdict(data.max_tokens),
        "cut_percentile": data.cut_percentile,
        "split": [data.valid_fraction, data.seed] if splits else None,
        "tokenizer": tokenizer.shaping(),
        "version": tokenizer_version(tokenizer),
    }


def store_name(data: DataOptions, identity: dict[str, Any]) -> str:
    """``<name>-<hash>`` for the store's folder."""
    return f"{data.name}-{digest(json.dumps(identity, sort_keys=True))}"


def _content(path: Path, memo: Path) -> str:
    status = path.stat()
    if status.st_size < _LARGE:
        return digest_file(path)
    known = memo / digest(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    if not known.is_file():
        write_text(known, digest_file(path))
    return known.read_text(encoding="utf-8")


def _tabbed(data: DataOptions) -> bool:
    return data.format == "tabbed"


def _phrasebook(data: DataOptions) -> Iterator[Pair]:
    from seqvise.corpus.phrasebook import phrasebook_pairs

    for french, english in phrasebook_pairs():
        yield Pair(french, english) if data.source == "fr" else Pair(english, french)
