"""From files of text to a token store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqvise.corpus.codec import TextCodec
from seqvise.corpus.identity import Input, corpus_inputs, store_identity, store_name
from seqvise.corpus.intake import Intake, Side
from seqvise.corpus.options import DataOptions, TokenizerOptions
from seqvise.corpus.report import Report, SideReport, length_percentile, length_percentiles
from seqvise.corpus.store import FORMAT, TokenStore
from seqvise.corpus.vocabulary import Vocabulary, rank_words
from seqvise.errors import UserError
from seqvise.files import atomic_folder, locked


def prepare_corpus(
    data: DataOptions,
    tokenizer: TokenizerOptions,
    cache: Path,
    report: Callable[[Report], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> TokenStore:
    """The token store of a corpus, built under ``<cache>/corpora`` unless it is there.

    The folder's name holds a hash of all that shapes the ids, the content of the files included. It is built once,
    by one process, and never changed; others wait for it.

    Args:
        report: called once with what preparing found, also where the store was there.
        progress: called now and then with the pairs read so far.

    Raises:
        UserError: a file is missing or malformed, no pair is left, or the store is damaged.
    """
    corpora = cache / "corpora"
    inputs = corpus_inputs(data)
    identity = store_identity(data, tokenizer, inputs, memo=corpora / ".digests")
    folder = corpora / store_name(data, identity)
    if not folder.is_dir():
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _remove_remains(folder)
                with atomic_folder(folder) as temporary:
                    _build(temporary, data, tokenizer, inputs, identity, progress)
    store = TokenStore.open(folder)
    if report is not None:
        report(store.report)
    return store


def _remove_remains(folder: Path) -> None:
    """Removes what a killed process left; whoever holds the lock is the only builder."""
    for remains in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(remains)


def _build(
    folder: Path,
    data: DataOptions,
    options: TokenizerOptions,
    inputs: list[Input],
    identity: dict[str, Any],
    progress: Callable[[int], None] | None,
) -> None:
    with Intake(folder, data, options, inputs) as intake:
        intake.read(progress)
    _require_pairs(intake, data)
    reports = _write_sides(folder, intake, data, options)
    shutil.rmtree(intake.spool_folder)
    manifest = {
        "format": FORMAT,
        "name": data.name,
        "files": {item.name: [str(path) for path in item.files] for item in inputs},
        "identity": identity,
        "report": Report(intake.tallies, intake.kept(), *reports).as_dict(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _require_pairs(intake: Intake, data: DataOptions) -> None:
    empty = [part for part, kept in intake.kept().items() if not kept]
    if not empty:
        return
    tallies = "; ".join(f"data.{name}: {tally.summary()}" for name, tally in intake.tallies.items())
    advice = "" if "train" in empty or data.valid else " Give data.valid, or raise data.valid_fraction."
    raise UserError(f"Of the corpus '{data.name}' no pair is left for {' and '.join(empty)} ({tallies}).{advice}")


def _write_sides(folder: Path, intake: Intake, data: DataOptions, options: TokenizerOptions) -> list[SideReport]:
    counts = [side.train_counts() for side in intake.sides]
    if options.shared:
        counts = [_sum(*counts)] * 2
    return [_write_side(folder, side, words, data, options) for side, words in zip(intake.sides, counts, strict=True)]


def _write_side(
    folder: Path, side: Side, counts: dict[str, int], data: DataOptions, options: TokenizerOptions
) -> SideReport:
    ranked = rank_words(counts, options.min_count, options.max_words)
    vocabulary = Vocabulary.from_ranked(ranked, counts, side.joins())
    TextCodec(side.language, options, vocabulary).save(folder, side.name)
    lengths = side.spools["train"].lengths + 1
    percentiles = length_percentiles(lengths)
    cut = None if data.cut_percentile is None else max(2, length_percentile(lengths, data.cut_percentile))
    table = side.final_ids(vocabulary)
    for part, spool in side.spools.items():
        spool.write_column(folder / part, side.name, table, cut)
    return SideReport(
        language=side.language,
        words=len(vocabulary),
        distinct=sum(count > 0 for count in side.train_counts().values()),
        tokens=int(lengths.sum()) - len(lengths),
        unknown=side.unknown_share("valid", table),
        lengths=percentiles,
        cut=cut,
    )


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {word: left.get(word, 0) + right.get(word, 0) for word in left | right}
