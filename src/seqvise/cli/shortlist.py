"""``seqvise shortlist``: writes likely target words of each source word, to limit the decoder's vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.corpus.parallel.ibm_model1 import LexicalTable
    from seqvise.corpus.parallel.store import TokenStore


@dataclass(frozen=True, kw_only=True)
class ShortlistOptions:
    """Options of `seqvise shortlist`."""

    run: Annotated[Path, "the run directory of a translation model"]
    output: Annotated[Path, "the output file"]
    words: Annotated[int, "number of target words for each source word"] = 30
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise shortlist`` and returns its exit code."""
    return plain_command("shortlist", ShortlistOptions, write, argv)


def write(options: ShortlistOptions) -> None:
    """Aligns the run's training pairs, writes the file, and prints the number of words.

    Raises:
        UserError: an option is invalid, the run has another task, or its corpus is missing or has changed.
    """
    from seqvise.corpus.parallel.ibm_model1 import lexical_table
    from seqvise.corpus.parallel.options import DataOptions
    from seqvise.corpus.parallel.prepare import prepare_corpus
    from seqvise.decoding.shortlist import write_shortlist
    from seqvise.paths import cache_folder
    from seqvise.runs.load import Run

    if options.words < 1:
        raise UserError(f"words is {options.words}, but must be at least 1.")
    if reason := unwritable(options.output):
        raise UserError(f"output={options.output} cannot be written: {reason}.")
    run = Run.open(options.run, options.trust)
    if not isinstance(run.config.data, DataOptions):
        raise UserError(f"run={options.run} is not the run of a translation model.")
    store = prepare_corpus(run.config.data, run.config.tokenizer, cache_folder(run.config.paths))
    for codec, run_codec in ((store.source, run.source), (store.target, run.target)):
        if codec.vocabulary.words != run_codec.vocabulary.words:
            raise UserError(f"The corpus of {options.run} has another vocabulary than the run: restore its files.")
    part = store.part("train")
    assert part is not None
    table = lexical_table(part.source, part.target, options.words)
    write_shortlist(options.output, entries(table, store))
    source_words = len(set(table.source.tolist()))
    print(f"{len(table.source):,} target words of {source_words:,} source words: {options.output}")


def entries(table: LexicalTable, store: TokenStore) -> Iterator[tuple[str, str, float]]:
    """Yields (source word, target word, probability) without the special tokens."""
    from seqvise.corpus.tokens.vocabulary import SPECIALS

    source, target = store.source.vocabulary.words, store.target.vocabulary.words
    rows = zip(table.source.tolist(), table.target.tolist(), table.probability.tolist(), strict=True)
    for left, right, chance in rows:
        if min(left, right) >= len(SPECIALS):
            yield source[left], target[right], chance
