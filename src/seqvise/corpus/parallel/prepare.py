"""Builds the token store of a parallel corpus from text files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seqvise.checksums import record_files, sealed
from seqvise.corpus.documents.options import TextOptions
from seqvise.corpus.parallel.fingerprint import Input, corpus_inputs, store_identity, store_name
from seqvise.corpus.parallel.ingest import STORE, CorpusIngest, Side, training_pairs
from seqvise.corpus.parallel.journal import Journal, StaleJournalError
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.report import (
    CorpusReport,
    FilterCounts,
    SideReport,
    length_percentile,
    length_percentiles,
    summed,
)
from seqvise.corpus.parallel.store import CHECKSUMS_KEY, FORMAT, TokenStore
from seqvise.corpus.parallel.tokenize_parallel import TokenizerSpec, WorkerKilledError
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import SENTENCES, EvenSample, Pieces, train_pieces
from seqvise.corpus.tokens.tokenizers import text_cleaner
from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary, rank_words
from seqvise.errors import UserError
from seqvise.files import atomic_write, locked, remove_temporary, rename_durably

Models = tuple[bytes | None, bytes | None]


def prepare_corpus(
    data: DataOptions,
    tokenizer: TokenizerOptions,
    cache: Path,
    report: Callable[[CorpusReport], None] | None = None,
    progress: Callable[[int], None] | None = None,
    verify: bool = False,
) -> TokenStore:
    """The token store of a corpus in ``<cache>/corpora``; builds it if it does not exist.

    The name of the folder contains a hash of everything that determines the ids, including the content of the files.
    The store is built once, by one process, and never changed; other processes wait for it. If building is interrupted
    or killed, the next call resumes it.

    Args:
        report: called once with the report of the corpus, also if the store exists already.
        progress: called from time to time with the number of pairs read so far.
        verify: compares all bytes of the store with its checksums; otherwise files from 16 MiB on are sampled.

    Raises:
        UserError: a file is missing or malformed, no pair is left, or the store is damaged.
    """
    corpora = cache / "corpora"
    with corpus_inputs(data, corpora) as inputs:
        identity = store_identity(data, tokenizer, inputs, memo=corpora / ".digests")
        folder = corpora / store_name(data, identity)
        if not folder.is_dir():
            # Sampling does not change the store: its ids are those of the most probable segmentation.
            options = replace(tokenizer, sampling=None)
            build = partial(_build, data=data, options=options, inputs=inputs, identity=identity, progress=progress)
            _build_once(folder, build)
    store = replace(TokenStore.open(folder, verify), sampling=tokenizer.sampling)
    if report is not None:
        report(store.report)
    return store.backwards() if data.reverse_target else store


def _build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Builds the store in ``.<name>.building``, where a later call resumes interrupted work."""
    building = folder.with_name(f".{folder.name}.building")
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return
        try:
            try:
                build(building)
            except StaleJournalError:
                shutil.rmtree(building)
                build(building)
            rename_durably(building / STORE, folder)
        except WorkerKilledError:
            raise
        except UserError:
            shutil.rmtree(building, ignore_errors=True)
            raise
        shutil.rmtree(building)


def _build(
    building: Path,
    data: DataOptions,
    options: TokenizerOptions,
    inputs: list[Input],
    identity: dict[str, Any],
    progress: Callable[[int], None] | None,
) -> None:
    remove_temporary(building)
    journal, folder = Journal(building), building / STORE
    (folder / "manifest.json").unlink(missing_ok=True)  # of an attempt that was killed before its last rename
    models = _models(building, data, options, inputs)
    spec = TokenizerSpec(options, data.languages(), models)
    with CorpusIngest(journal, data, inputs, spec, keep_train_text=options.name == "sentencepiece") as ingest:
        ingest.read(progress)
    ingest.select()
    if empty := [part for part, kept in ingest.kept().items() if not kept]:
        raise nothing_left(data, empty, ingest.tallies)
    source, target = _write_sides(folder, ingest, data, options, models)
    warnings = tuple(ingest.languages.warnings())
    manifest = {
        "format": FORMAT,
        "name": data.name,
        "files": {item.name: [str(file) for file in item.files] for item in inputs},
        "identity": identity,
        "report": CorpusReport(ingest.tallies, ingest.kept(), source, target, warnings).as_dict(),
    }
    write_manifest(folder, manifest)


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes the manifest of a store with the checksums of its files."""
    manifest = sealed({**content, CHECKSUMS_KEY: record_files(folder)})
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _models(building: Path, data: DataOptions, options: TokenizerOptions, inputs: list[Input]) -> Models:
    """The sub-word models; those of an interrupted attempt are used again."""
    if options.name != "sentencepiece":
        return None, None
    paths = building / "source.pieces", building / "target.pieces"
    if not all(path.is_file() for path in paths):
        for path, model in zip(paths, _train_models(data, options, inputs), strict=True):
            with atomic_write(path) as temporary:
                temporary.write_bytes(model)
    source, target = (path.read_bytes() for path in paths)
    return source, target


def _train_models(data: DataOptions, options: TokenizerOptions, inputs: list[Input]) -> tuple[bytes, bytes]:
    """The sub-word models of source and target; with ``tokenizer.shared`` both are the same."""
    clean = text_cleaner(options)
    source, target, tally = EvenSample(SENTENCES), EvenSample(SENTENCES), FilterCounts()
    for left, right in training_pairs(data, inputs, tally):
        source.add(clean(left))
        target.add(clean(right))
    if not source.lines:
        raise nothing_left(data, ["train"], {"train": tally})
    if options.shared:
        model = train_pieces([*source.lines, *target.lines], options, "training")
        return model, model
    return train_pieces(source.lines, options, "source"), train_pieces(target.lines, options, "target")


def nothing_left(data: DataOptions | TextOptions, parts: Sequence[str], tallies: dict[str, FilterCounts]) -> UserError:
    """The error that parts of a store are empty. tallies: input -> its counts."""
    subject, example = ("The corpus ", "pair") if isinstance(data, DataOptions) else ("", "document")
    counts = "; ".join(f"data.{name}: {tally.summary().replace('pair', example)}" for name, tally in tallies.items())
    advice = "" if "train" in parts or data.valid else " Set data.valid, or increase data.valid_fraction."
    return UserError(f"{subject}'{data.name}' has no {example} left for {' and '.join(parts)} ({counts}).{advice}")


def _write_sides(
    folder: Path, ingest: CorpusIngest, data: DataOptions, options: TokenizerOptions, models: Models
) -> list[SideReport]:
    counts = [side.train_counts() for side in ingest.sides]
    if options.shared:
        counts = [summed(*counts)] * 2
    codecs = [
        side_codec(side, word_counts, options, model)
        for side, word_counts, model in zip(ingest.sides, counts, models, strict=True)
    ]
    percentiles = data.percentiles()
    sides = zip(ingest.sides, codecs, strict=True)
    return [write_side(folder, side, codec, percentiles[side.name]) for side, codec in sides]


def side_codec(side: Side, counts: dict[str, int], options: TokenizerOptions, model: bytes | None) -> TextCodec:
    """The codec of a side. counts: word -> occurrences in the training part. model: sub-word model, if any."""
    if model is None:
        ranked = rank_words(counts, options.min_count, options.max_words)
        return TextCodec(side.language, options, side.vocabulary(ranked, counts, options.revision))
    # A piece keeps its id of the model.
    pieces = Pieces(model, options.algorithm).names[len(SPECIALS) :]
    piece_counts = {piece: counts.get(piece, 0) for piece in pieces}
    return TextCodec(side.language, options, Vocabulary.from_ranked(pieces, piece_counts, {}), model)


def write_side(folder: Path, side: Side, codec: TextCodec, percentile: float | None = None) -> SideReport:
    """Writes codec and final ids of a side. percentile: texts are truncated at this percentile of their lengths."""
    vocabulary = codec.vocabulary
    codec.save(folder, side.name)
    counts = side.spools["train"].length_counts()
    counts_with_eos = np.insert(counts, 0, 0)  # <eos> makes each text longer by one
    cut = None if percentile is None else max(2, length_percentile(counts_with_eos, percentile))
    table = side.final_ids(vocabulary)
    for part, spool in side.spools.items():
        spool.write_column(folder / part, side.name, table, cut)
    return SideReport(
        language=side.language,
        words=len(vocabulary),
        distinct=sum(count > 0 for count in side.train_counts().values()),
        tokens=int(counts @ np.arange(len(counts))),
        unknown=side.unknown_share("valid", table),
        lengths=length_percentiles(counts_with_eos),
        cut=cut,
    )
