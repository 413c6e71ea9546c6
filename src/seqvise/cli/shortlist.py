"""``seqvise shortlist``: the target words that translate each source word, among which a run can decode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.corpus.parallel.ibm_model1 import LexicalTable
    from seqvise.corpus.parallel.store import TokenStore


@dataclass(frozen=True, kw_only=True)
class ShortlistWords:
    """What `seqvise shortlist` is told."""

    run: Annotated[Path, "the run directory of a translation model"]
    output: Annotated[Path, "the file to write"]
    words: Annotated[int, "target words of each source word"] = 30
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the file and gives the exit code."""
    return words_command("shortlist", ShortlistWords, write, argv)


def write(options: ShortlistWords) -> None:
    """Counts over the run's training pairs, and prints how many words were found.

    Raises:
        UserError: a wrong option, a run of another task, a corpus that is not there or is no longer that of the run.
    """
    from seqvise.corpus.parallel.ibm_model1 import lexical_table
    from seqvise.corpus.parallel.options import DataOptions
    from seqvise.corpus.parallel.prepare import prepare_corpus
    from seqvise.decoding.shortlist import write_shortlist
    from seqvise.paths import cache_folder
    from seqvise.runs.load import Run

    if options.words < 1:
        raise UserError(f"words is {options.words}, but each source word needs one at least.")
    if reason := unwritable(options.output):
        raise UserError(f"output={options.output} cannot be written: {reason}.")
    run = Run.open(options.run, options.trust)
    if not isinstance(run.config.data, DataOptions):
        raise UserError(f"{options.run} is no run of a translation model.")
    store = prepare_corpus(run.config.data, run.config.tokenizer, cache_folder(run.config.paths))
    for codec, had in ((store.source, run.source), (store.target, run.target)):
        if codec.vocabulary.words != had.vocabulary.words:
            raise UserError(f"The corpus of {options.run} has other words now: its files were changed.")
    part = store.part("train")
    assert part is not None
    table = lexical_table(part.source, part.target, options.words)
    write_shortlist(options.output, entries(table, store))
    heard = len(set(table.source.tolist()))
    print(f"{len(table.source):,} target words of {heard:,} source words: {options.output}")


def entries(table: LexicalTable, store: TokenStore) -> Iterator[tuple[str, str, float]]:
    """The table in words; those that have no id are left out."""
    from seqvise.corpus.tokens.vocabulary import SPECIALS

    source, target = store.source.vocabulary.words, store.target.vocabulary.words
    rows = zip(table.source.tolist(), table.target.tolist(), table.probability.tolist(), strict=True)
    for left, right, chance in rows:
        if min(left, right) >= len(SPECIALS):
            yield source[left], target[right], chance
