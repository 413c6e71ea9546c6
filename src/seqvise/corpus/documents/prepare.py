"""From files of documents to a text store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from seqvise.checksums import record_files, sealed
from seqvise.corpus.documents.options import LABELS, TextOptions
from seqvise.corpus.documents.readers import Document, TextInput, text_inputs
from seqvise.corpus.documents.store import SIDE, TEXT_FORMAT, TextReport, TextStore
from seqvise.corpus.limit import drawn_place, lowest, position
from seqvise.corpus.options import FIRST
from seqvise.corpus.parallel.filters import LIMIT, PARTS, WIDE
from seqvise.corpus.parallel.fingerprint import later_choices
from seqvise.corpus.parallel.ingest import Side
from seqvise.corpus.parallel.journal import Journal
from seqvise.corpus.parallel.report import FilterCounts, SideReport, length_percentiles
from seqvise.corpus.parallel.spool import TokenIds, TokenSpool
from seqvise.corpus.parallel.store import CHECKSUMS_KEY
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
from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary, rank_words
from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest, locked

_BATCH = 1024
EMPTY = "an empty document"
Placed = tuple[str, Document]
"""A part and one of its documents."""


def prepare_text(
    data: TextOptions,
    tokenizer: TokenizerOptions,
    cache: Path,
    report: Callable[[TextReport], None] | None = None,
    progress: Callable[[int], None] | None = None,
    verify: bool = False,
) -> TextStore:
    """The store of documents, built under ``<cache>/corpora`` unless it is there.

    As with ``prepare_corpus``, the folder's name holds a hash of all that shapes the ids, and it is built once.

    Args:
        report: called once with what preparing found, also where the store was there.
        progress: called now and then with the documents read so far.
        verify: see ``prepare_corpus``.

    Raises:
        UserError: a file is missing or malformed, no document is left for a part, a label is missing, or the training
            part has but one.
    """
    corpora = cache / "corpora"
    inputs = text_inputs(data)
    identity = text_identity(data, tokenizer, inputs, corpora / ".digests")
    folder = corpora / f"{data.name}-{digest(json.dumps(identity, sort_keys=True))}"
    if not folder.is_dir():
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _build(folder, data, tokenizer, inputs, identity, progress)
    store = TextStore.open(folder, verify)
    if report is not None:
        report(store.report)
    return store.backwards() if data.backwards else store


def text_identity(
    data: TextOptions, tokenizer: TokenizerOptions, inputs: list[TextInput], memo: Path
) -> dict[str, Any]:
    """Everything that shapes ids and labels, as plain values. memo: remembers the hashes of large files."""
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
        **later_choices(data),
        "max_characters": data.max_characters,
        "limit": data.limit,
        "split": [data.valid_fraction, data.seed] if splits else None,
        "tokenizer": tokenizer.shaping(),
        "version": tokenizer_version(tokenizer),
    }


@dataclass
class _Reader:
    """Reads every input; counts what it drops."""

    data: TextOptions
    inputs: list[TextInput]
    tallies: dict[str, FilterCounts] = field(default_factory=dict)

    def placed(self) -> Iterator[Placed]:
        """The documents that are kept, each with its part."""
        drawn = self._drawn
        within = chain(drawn, repeat(False)) if drawn is not None else repeat(True)
        self.tallies = {item.name: FilterCounts() for item in self.inputs}
        for item in self.inputs:
            for part, document in self._passing(item):
                if part != "train" or next(within):
                    yield part, document
                else:
                    self.tallies[item.name].drop(LIMIT)

    def _passing(self, item: TextInput) -> Iterator[Placed]:
        """The documents of an input that pass the filters, each with its part."""
        tally = self.tallies[item.name]
        for document in item.documents(self.data, tally):
            tally.read += 1
            part = self._part(item, document)
            if self._passes(document, tally):
                yield part, document

    @cached_property
    def _drawn(self) -> list[bool] | None:
        """Of each training document that passes the filters, whether ``data.limit`` keeps it; None keeps all."""
        data = self.data
        if data.limit is None:
            return None
        if data.limit_choice == FIRST:
            return [True] * data.limit
        self.tallies = {item.name: FilterCounts() for item in self.inputs}
        passing = (placed for item in self.inputs if item.name == "train" for placed in self._passing(item))
        places = [drawn_place(document.text, data.seed) for part, document in passing if part == "train"]
        kept: list[bool] = lowest(np.array(places, np.float64), data.limit).tolist()
        return kept

    def _part(self, item: TextInput, document: Document) -> str:
        if item.name != "train" or any(other.name == "valid" for other in self.inputs):
            return item.name
        place, share = position(document.text, self.data.seed), self.data.valid_fraction
        if place < share:
            return "valid"
        return "test" if self.data.format == "phrasebook" and place < 2 * share else "train"

    def _passes(self, document: Document, tally: FilterCounts) -> bool:
        if self.data.kind == LABELS and not has_word(document.label):
            raise UserError(f"{document.place} has no label: give each document one, or leave it out.")
        most = self.data.max_characters
        if most is not None and len(document.text) > most:
            tally.drop(WIDE)
            return False
        if not has_word(document.text):
            _refuse_empty(self.data, document)
            tally.drop(EMPTY)
            return False
        return True


def _refuse_empty(data: TextOptions, document: Document) -> None:
    if data.kind == LABELS:
        raise UserError(f"{document.place} is a document without a word: leave it out.")


def _build(
    folder: Path,
    data: TextOptions,
    options: TokenizerOptions,
    inputs: list[TextInput],
    identity: dict[str, Any],
    progress: Callable[[int], None] | None,
) -> None:
    for remains in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(remains)
    with atomic_folder(folder) as temporary:
        reader = _Reader(data, inputs)
        model = _train_model(reader, options)
        pieces = None if model is None else Pieces(model, options.algorithm)
        journal = Journal(temporary / "spools")
        side = Side(SIDE, data.language, TokenIds(journal, "words"))
        labels = _spool(temporary, journal, reader, side, build_tokenizer(options, data.language, pieces), progress)
        names = _check(data, reader, side, labels)
        codec = _codec(side, options, model)
        report = _write(temporary, reader, side, codec, labels, names)
        shutil.rmtree(temporary / "spools")
        manifest = {
            "format": TEXT_FORMAT,
            "name": data.name,
            "files": {item.name: [str(file) for file, _ in item.files] for item in inputs},
            "labels": names,
            "identity": identity,
            "report": report.as_dict(),
            CHECKSUMS_KEY: record_files(temporary),
        }
        text = json.dumps(sealed(manifest), indent=2, ensure_ascii=False) + "\n"
        (temporary / "manifest.json").write_text(text, encoding="utf-8")


def _train_model(reader: _Reader, options: TokenizerOptions) -> bytes | None:
    """The sub-word model of the training part; None for other tokenizers."""
    if options.name != "sentencepiece":
        return None
    clean, sample = text_cleaner(options), EvenSample(SENTENCES)
    for part, document in reader.placed():
        if part == "train":
            sample.add(clean(document.text))
    if not sample.lines:
        raise _nothing_left(reader, ["train"])
    return train_pieces(sample.lines, options, "training")


def _spool(
    folder: Path,
    journal: Journal,
    reader: _Reader,
    side: Side,
    tokenizer: Tokenizer,
    progress: Callable[[int], None] | None,
) -> dict[str, list[str]]:
    """Tokenises every document into the side's spools; gives the labels of each part."""
    labels: dict[str, list[str]] = {part: [] for part in _parts(reader)}
    with closing(journal):
        for part in labels:
            (folder / part).mkdir()
            side.spools[part] = TokenSpool(journal, part, side.lexicon)
        placed = reader.placed()
        while batch := list(islice(placed, _BATCH)):
            tokenised = tokenizer.tokenize(document.text for _, document in batch)
            for (part, document), tokens in zip(batch, tokenised, strict=True):
                _add(reader, side, labels, part, document, tokens)
            if progress is not None:
                progress(sum(tally.read for tally in reader.tallies.values()))
    return labels


def _add(
    reader: _Reader, side: Side, labels: dict[str, list[str]], part: str, document: Document, tokens: Tokens
) -> None:
    if not tokens.words:
        _refuse_empty(reader.data, document)
        reader.tallies[part if part in reader.tallies else "train"].drop(EMPTY)
        return
    side.spools[part].add(tokens)
    labels[part].append(document.label)


def _parts(reader: _Reader) -> tuple[str, ...]:
    if reader.data.format == "phrasebook":
        return PARTS
    named = {item.name for item in reader.inputs} | {"valid"}
    return tuple(part for part in PARTS if part in named)


def _check(data: TextOptions, reader: _Reader, side: Side, labels: dict[str, list[str]]) -> list[str]:
    """The names of the labels; refuses parts and labels that nothing can be learnt from."""
    if empty := [part for part, spool in side.spools.items() if not len(spool)]:
        raise _nothing_left(reader, empty)
    if data.kind != LABELS:
        return []
    names = sorted(set(labels["train"]))
    if len(names) < 2:
        raise UserError(
            f"Every document of the training part of '{data.name}' has the label '{names[0]}', but a classifier needs "
            "two labels at least: give documents with another one, or see that data.label names the right column."
        )
    for part, found in labels.items():
        if strangers := sorted(set(found) - set(names)):
            raise UserError(
                f"The {part} part of '{data.name}' has labels that the training part lacks: "
                f"{', '.join(strangers[:5])}. Give training documents with them, or leave them out."
            )
    return names


def _nothing_left(reader: _Reader, parts: list[str]) -> UserError:
    tallies = "; ".join(
        f"data.{name}: {tally.summary().replace('pairs', 'documents')}" for name, tally in reader.tallies.items()
    )
    advice = "" if "train" in parts or reader.data.valid else " Give data.valid, or raise data.valid_fraction."
    return UserError(f"Of '{reader.data.name}' no document is left for {' and '.join(parts)} ({tallies}).{advice}")


def _codec(side: Side, options: TokenizerOptions, model: bytes | None) -> TextCodec:
    counts = side.train_counts()
    if model is None:
        ranked = rank_words(counts, options.min_count, options.max_words)
        return TextCodec(side.language, options, side.vocabulary(ranked, counts, options.revision))
    # A piece keeps the id that it has in the model.
    names = Pieces(model, options.algorithm).names[len(SPECIALS) :]
    return TextCodec(
        side.language, options, Vocabulary.from_ranked(names, {name: counts.get(name, 0) for name in names}, {}), model
    )


def _write(
    folder: Path, reader: _Reader, side: Side, codec: TextCodec, labels: dict[str, list[str]], names: list[str]
) -> TextReport:
    codec.save(folder, SIDE)
    table = side.final_ids(codec.vocabulary)
    places = {name: place for place, name in enumerate(names)}
    for part, spool in side.spools.items():
        spool.write_column(folder / part, SIDE, table, None)
        found = [places[label] for label in labels[part]] if names else []
        np.save(folder / part / "labels.npy", np.array(found, np.int32))
    counts = side.spools["train"].length_counts()
    shown = SideReport(
        language=side.language,
        words=len(codec.vocabulary),
        distinct=sum(count > 0 for count in side.train_counts().values()),
        tokens=int(counts @ np.arange(len(counts))),
        unknown=side.unknown_share("valid", table),
        lengths=length_percentiles(np.insert(counts, 0, 0)),  # <eos> makes each document longer by one
        cut=None,
    )
    shares = {part: {name: found.count(name) for name in names} for part, found in labels.items()} if names else {}
    return TextReport(reader.tallies, {part: len(spool) for part, spool in side.spools.items()}, shown, shares)
