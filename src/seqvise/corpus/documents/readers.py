"""Reads documents from files."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seqvise.corpus.documents.options import LABELS, TextOptions
from seqvise.corpus.parallel.filters import PARTS
from seqvise.corpus.parallel.fingerprint import content_digest
from seqvise.corpus.parallel.readers import decoded_texts
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.tables import RowCheck, read_csv
from seqvise.corpus.parallel.textfile import TextFile, find_text
from seqvise.corpus.tokens.tokenizers import fold
from seqvise.errors import UserError
from seqvise.files import digest

_TAG = re.compile(r"<[^<>]*>")
_KEYS = "data.label and data.text"


class Document(NamedTuple):
    """A text, its label ("" if there is none), and its file and line for messages."""

    text: str
    label: str
    place: str


@dataclass(frozen=True)
class TextInput:
    """The files of one part, or the phrasebook.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        files: files with their labels; the label is "" if labels are in the file or there are none.
    """

    name: str
    files: tuple[tuple[TextFile, str], ...] = ()

    def documents(self, data: TextOptions, tally: FilterCounts) -> Iterator[Document]:
        """The documents in order, white space folded. tally: receives the faults that are tolerated."""
        documents = self._read(data, tally) if self.files else _phrasebook(data)
        for document in documents:
            yield document._replace(text=cleaned(document.text, data))

    def digests(self, data: TextOptions, memo: Path) -> list[str]:
        """Hashes of labels and content. memo: a folder that caches the hashes of large files."""
        if self.files:
            return [f"{label} {content_digest(file, memo)}" for file, label in self.files]
        return [digest("\n".join(document.text for document in _phrasebook(data)), 32)]

    def _read(self, data: TextOptions, tally: FilterCounts) -> Iterator[Document]:
        read = {"lines": _lines, "tabbed": _tabbed, "csv": _table, "folders": _whole}[data.format]
        for file, label in self.files:
            for document in read(data, file, tally):
                yield document._replace(label=label) if label else document


def cleaned(text: str, data: TextOptions) -> str:
    """Removes HTML if ``data.html`` is set, and folds white space."""
    return fold(html.unescape(_TAG.sub(" ", text)) if data.html else text)


def text_inputs(data: TextOptions) -> list[TextInput]:
    """The inputs of a corpus of documents.

    Raises:
        UserError: a file or a folder is missing, or a folder contains no text file.
    """
    if data.format == "phrasebook":
        return [TextInput("train")]
    if data.format == "folders":
        return [
            TextInput(part, tuple(_in_folders(data, part))) for part in PARTS if part == "train" or _name(data, part)
        ]
    return [TextInput(part, ((_find(data, part), ""),)) for part in PARTS if _name(data, part)]


def _name(data: TextOptions, part: str) -> str | None:
    name: str | None = getattr(data, part)
    return name


def _find(data: TextOptions, part: str) -> TextFile:
    root, name = Path(data.root or ".").expanduser(), str(_name(data, part))
    file = find_text(root, name)
    if file is None:
        raise UserError(f"data.{part}={name} names {root / name} (or {name}.gz), which does not exist.")
    return file


def _in_folders(data: TextOptions, part: str) -> Iterator[tuple[TextFile, str]]:
    """Every .txt or .txt.gz file of the part's folder; with labels, each with the name of its subfolder as label."""
    folder = Path(data.root or ".").expanduser() / (_name(data, part) or "")
    files = sorted(path for path in folder.rglob("*") if path.name.endswith((".txt", ".txt.gz")) and path.is_file())
    if not files:
        raise UserError(f"{folder} contains no .txt file: set data.root, and data.{part} to a folder in it.")
    for path in files:
        parts = path.relative_to(folder).parts
        if data.kind == LABELS and len(parts) < 2:
            raise UserError(f"{path} has no label: it must be in a folder with the name of its label, below {folder}.")
        yield TextFile(path), parts[0] if data.kind == LABELS else ""


def _lines(data: TextOptions, file: TextFile, tally: FilterCounts) -> Iterator[Document]:
    for number, line in _numbered(data, file, tally):
        yield Document(line, "", f"{file}, line {number}")


def _tabbed(data: TextOptions, file: TextFile, tally: FilterCounts) -> Iterator[Document]:
    text = data.columns.index(data.text)
    label = data.columns.index(data.label) if data.kind == LABELS else text
    width = len(data.columns)
    check = RowCheck(width, max(text, label) + 1, data.on_bad, tally, f"{width} (data.columns={data.columns})")
    for number, line in _numbered(data, file, tally):
        row, place = line.split("\t"), f"{file}, line {number}"
        if check.accepts(row, place):
            yield Document(row[text], row[label].strip() if data.kind == LABELS else "", place)


def _table(data: TextOptions, file: TextFile, tally: FilterCounts) -> Iterator[Document]:
    names = (data.label if data.kind == LABELS else data.text, data.text)
    decoded = decoded_texts(file, None, data.encoding_errors, tally)
    for labels, texts, numbers in read_csv(file, decoded, names, data.on_bad, tally, _KEYS):
        for label, text, number in zip(labels, texts, numbers, strict=True):
            yield Document(text, label if data.kind == LABELS else "", f"{file}, line {number}")


def _whole(data: TextOptions, file: TextFile, tally: FilterCounts) -> Iterator[Document]:
    yield Document(" ".join(decoded_texts(file, None, data.encoding_errors, tally)), "", str(file))


def _numbered(data: TextOptions, file: TextFile, tally: FilterCounts) -> Iterator[tuple[int, str]]:
    number = 0
    for text in decoded_texts(file, None, data.encoding_errors, tally):
        for line in text.split("\n"):
            number += 1
            yield number, line


def _phrasebook(data: TextOptions) -> Iterator[Document]:
    """One side of the phrasebook; with labels, both sides, each labelled with its language."""
    from seqvise.corpus.phrasebook.corpus import cached_pairs

    for number, (french, english) in enumerate(cached_pairs(), 1):
        for language, text in (("fr", french), ("en", english)):
            if data.kind == LABELS:
                yield Document(text, language, f"phrasebook, pair {number}")
            elif language == data.language:
                yield Document(text, "", f"phrasebook, pair {number}")
