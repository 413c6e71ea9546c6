"""Builds the text store of documents from text files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from seqvise.corpus.documents.options import LABELS, TextOptions
from seqvise.corpus.documents.readers import Document, TextInput, text_inputs
from seqvise.corpus.documents.store import SIDE, TEXT_FORMAT, TextReport, TextStore
from seqvise.corpus.limit import draw_rank, lowest
from seqvise.corpus.options import FIRST
from seqvise.corpus.parallel.filters import LIMIT, WIDE, choose_part, stored_parts
from seqvise.corpus.parallel.fingerprint import added_options, store_name
from seqvise.corpus.parallel.ingest import Side
from seqvise.corpus.parallel.journal import Journal
from seqvise.corpus.parallel.prepare import nothing_left, side_codec, write_manifest, write_side
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.spool import TokenIds, TokenSpool
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import SENTENCES, EvenSample, Pieces, train_pieces
from seqvise.corpus.tokens.tokenizers import (
    Tokenizer,
    Tokens,
    build_tokenizer,
    has_word,
    text_cleaner,
    tokenizer_version,
)
from seqvise.errors import UserError
from seqvise.files import atomic_folder, locked

_BATCH = 1024
EMPTY = "an empty document"
PartDocument = tuple[str, Document]
"""A part and one of its documents."""
Labels = dict[str, list[str]]
"""Part -> the label of each document."""


def prepare_text(
    data: TextOptions,
    tokenizer: TokenizerOptions,
    cache: Path,
    report: Callable[[TextReport], None] | None = None,
    progress: Callable[[int], None] | None = None,
    verify: bool = False,
) -> TextStore:
    """The store of documents in ``<cache>/corpora``; builds it if it does not exist.

    As in ``prepare_corpus``, the name of the folder contains a hash of everything that determines the ids, and the
    store is built once.

    Args:
        report: called once with the report of the documents, also if the store exists already.
        progress: called from time to time with the number of documents read so far.
        verify: see ``prepare_corpus``.

    Raises:
        UserError: a file is missing or malformed, a part has no document left, a label is missing, or all training
            documents have the same label.
    """
    corpora = cache / "corpora"
    inputs = text_inputs(data)
    identity = text_identity(data, tokenizer, inputs, corpora / ".digests")
    folder = corpora / store_name(data, identity)
    if not folder.is_dir():
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _build(folder, _Reader(data, inputs, progress), tokenizer, identity)
    store = TextStore.open(folder, verify)
    if report is not None:
        report(store.report)
    return store.backwards() if data.backwards else store


def text_identity(
    data: TextOptions, tokenizer: TokenizerOptions, inputs: list[TextInput], memo: Path
) -> dict[str, Any]:
    """Everything that determines ids and labels, as plain values. memo: folder that caches hashes of large files."""
    splits = not any(item.name == "valid" for item in inputs)
    return {
        "text": TEXT_FORMAT,
        "kind": data.kind,
        "inputs": {item.name: item.digests(data, memo) for item in inputs},
        "layout": data.format,
        "columns": [*(data.columns if data.format == "tabbed" else ()), data.text, data.label],
        "language": data.language,
        "html": data.html,
        "encoding_errors": data.encoding_errors,
        **added_options(data),
        "max_characters": data.max_characters,
        "limit": data.limit,
        "split": [data.valid_fraction, data.seed] if splits else None,
        "tokenizer": tokenizer.shaping(),
        "version": tokenizer_version(tokenizer),
    }


@dataclass
class _Reader:
    """Reads and filters every input, and counts the documents. progress: see ``prepare_text``."""

    data: TextOptions
    inputs: list[TextInput]
    progress: Callable[[int], None] | None
    tallies: dict[str, FilterCounts] = field(default_factory=dict)

    def documents(self) -> Iterator[PartDocument]:
        """The documents that are kept, each with its part."""
        drawn = self._drawn
        within_limit = chain(drawn, repeat(False)) if drawn is not None else repeat(True)
        self.tallies = {item.name: FilterCounts() for item in self.inputs}
        for item in self.inputs:
            for part, document in self._passing(item):
                if part != "train" or next(within_limit):
                    yield part, document
                else:
                    self.tallies[item.name].drop(LIMIT)

    def _passing(self, item: TextInput) -> Iterator[PartDocument]:
        """The documents of an input that pass the filters, each with its part."""
        tally = self.tallies[item.name]
        splits = item.name == "train" and all(other.name != "valid" for other in self.inputs)
        for document in item.documents(self.data, tally):
            tally.read += 1
            part = choose_part(document.text, self.data) if splits else item.name
            if self._passes(document, tally):
                yield part, document

    @cached_property
    def _drawn(self) -> list[bool] | None:
        """Whether ``data.limit`` keeps each training document that passes the filters; None keeps all."""
        data = self.data
        if data.limit is None:
            return None
        if data.limit_choice == FIRST:
            return [True] * data.limit
        self.tallies = {item.name: FilterCounts() for item in self.inputs}
        passing = (document for item in self.inputs if item.name == "train" for document in self._passing(item))
        ranks = [draw_rank(document.text, data.seed) for part, document in passing if part == "train"]
        kept: list[bool] = lowest(np.array(ranks, np.float64), data.limit).tolist()
        return kept

    def _passes(self, document: Document, tally: FilterCounts) -> bool:
        if self.data.kind == LABELS and not has_word(document.label):
            raise UserError(f"{document.place} has no label: label each document, or remove this one.")
        maximum = self.data.max_characters
        if maximum is not None and len(document.text) > maximum:
            tally.drop(WIDE)
            return False
        if not has_word(document.text):
            _refuse_empty(self.data, document)
            tally.drop(EMPTY)
            return False
        return True


def _refuse_empty(data: TextOptions, document: Document) -> None:
    if data.kind == LABELS:
        raise UserError(f"{document.place} is a document without a word: remove it.")


def _build(folder: Path, reader: _Reader, options: TokenizerOptions, identity: dict[str, Any]) -> None:
    data = reader.data
    for remains in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(remains)
    with atomic_folder(folder) as temporary:
        model = _train_model(reader, options)
        pieces = None if model is None else Pieces(model, options.algorithm)
        journal = Journal(temporary / "spools")
        side = Side(SIDE, data.language, TokenIds(journal, "words"))
        labels = _spool(temporary, journal, reader, side, build_tokenizer(options, data.language, pieces))
        names = _check(data, reader, side, labels)
        codec = side_codec(side, side.train_counts(), options, model)
        report = _write(temporary, reader, side, codec, labels, names)
        shutil.rmtree(temporary / "spools")
        manifest = {
            "format": TEXT_FORMAT,
            "name": data.name,
            "files": {item.name: [str(file) for file, _ in item.files] for item in reader.inputs},
            "labels": names,
            "identity": identity,
            "report": report.as_dict(),
        }
        write_manifest(temporary, manifest)


def _train_model(reader: _Reader, options: TokenizerOptions) -> bytes | None:
    """The sub-word model of the training part; None for other tokenizers."""
    if options.name != "sentencepiece":
        return None
    clean, sample = text_cleaner(options), EvenSample(SENTENCES)
    for part, document in reader.documents():
        if part == "train":
            sample.add(clean(document.text))
    if not sample.lines:
        raise nothing_left(reader.data, ["train"], reader.tallies)
    return train_pieces(sample.lines, options, "training")


def _spool(folder: Path, journal: Journal, reader: _Reader, side: Side, tokenizer: Tokenizer) -> Labels:
    """Tokenises every document into the side's spools."""
    labels: Labels = {part: [] for part in stored_parts(reader.data, (item.name for item in reader.inputs))}
    with closing(journal):
        for part in labels:
            (folder / part).mkdir()
            side.spools[part] = TokenSpool(journal, part, side.lexicon)
        documents = reader.documents()
        while batch := list(islice(documents, _BATCH)):
            tokenized = tokenizer.tokenize(document.text for _, document in batch)
            for (part, document), tokens in zip(batch, tokenized, strict=True):
                _add(reader, side, labels, part, document, tokens)
            if reader.progress is not None:
                reader.progress(sum(tally.read for tally in reader.tallies.values()))
    return labels


def _add(reader: _Reader, side: Side, labels: Labels, part: str, document: Document, tokens: Tokens) -> None:
    if not tokens.words:
        _refuse_empty(reader.data, document)
        reader.tallies[part if part in reader.tallies else "train"].drop(EMPTY)
        return
    side.spools[part].add(tokens)
    labels[part].append(document.label)


def _check(data: TextOptions, reader: _Reader, side: Side, labels: Labels) -> list[str]:
    """The names of the labels; refuses empty parts, a single label, and labels without training documents."""
    if empty := [part for part, spool in side.spools.items() if not len(spool)]:
        raise nothing_left(data, empty, reader.tallies)
    if data.kind != LABELS:
        return []
    names = sorted(set(labels["train"]))
    if len(names) < 2:
        raise UserError(
            f"Every document of the training part of '{data.name}' has the label '{names[0]}', but a classifier needs "
            "at least two labels: add documents with another one, or check that data.label names the right column."
        )
    for part, part_labels in labels.items():
        if unseen := sorted(set(part_labels) - set(names)):
            raise UserError(
                f"The {part} part of '{data.name}' has labels that the training part lacks: "
                f"{', '.join(unseen[:5])}. Add training documents with them, or remove these documents."
            )
    return names


def _write(folder: Path, reader: _Reader, side: Side, codec: TextCodec, labels: Labels, names: list[str]) -> TextReport:
    side_report = write_side(folder, side, codec)
    label_ids = {name: index for index, name in enumerate(names)}
    for part, part_labels in labels.items():
        part_ids = [label_ids[label] for label in part_labels] if names else []
        np.save(folder / part / "labels.npy", np.array(part_ids, np.int32))
    label_counts = {part: {name: values.count(name) for name in names} for part, values in labels.items()}
    kept = {part: len(spool) for part, spool in side.spools.items()}
    return TextReport(reader.tallies, kept, side_report, label_counts if names else {})
