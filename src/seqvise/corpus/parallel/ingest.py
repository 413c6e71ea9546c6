"""Reads the text of a corpus in a single pass: filters, assigns and tokenises the pairs, and writes them to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from itertools import count as counter
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.limit import LowestRanks, draw_rank, lowest, unit_hash
from seqvise.corpus.options import FIRST
from seqvise.corpus.parallel.filters import EMPTY, LIMIT, LONG, NOT_DRAWN, PARTS, Filters, choose_part, stored_parts
from seqvise.corpus.parallel.fingerprint import Input
from seqvise.corpus.parallel.journal import Journal, StaleJournalError
from seqvise.corpus.parallel.languages import LanguageCheck
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.readers import Block, Pair
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.spool import TokenIds, TokenSpool
from seqvise.corpus.parallel.tokenize_parallel import (
    AssignedPair,
    Batch,
    TokenizedBatch,
    TokenizerSpec,
    tokenize_batches,
)
from seqvise.corpus.tokens.tokenizers import Tokens
from seqvise.corpus.tokens.vocabulary import UNK, Vocabulary
from seqvise.files import atomic_write, digest

BATCH_PAIRS = 4096
COMMIT_BATCHES = 16
"""Batches between two commits of the journal."""

STORE = "store"
"""Folder of the journal with the raw text of each part."""

RANKS = "spool/train.places"
"""File with the rank (float64) of each training pair in the draw of ``data.limit``; written only if that is set."""


@dataclass(frozen=True)
class Side:
    """One side of a corpus during ingestion: its words, and the sentences of each part."""

    name: str
    language: str
    lexicon: TokenIds
    spools: dict[str, TokenSpool] = field(default_factory=dict)

    def train_counts(self) -> dict[str, int]:
        """Word -> occurrences in the training part; 0 for a word that occurs only in another part."""
        return dict(zip(self.lexicon, self.spools["train"].counts().tolist(), strict=True))

    def joins(self) -> dict[str, tuple[bool, bool]]:
        """Word -> whether it is written without a space before it and after it."""
        left, right = self.spools["train"].joins()
        return dict(zip(self.lexicon, zip(left.tolist(), right.tolist(), strict=True), strict=True))

    def vocabulary(self, ranked: Sequence[str], counts: dict[str, int], revision: int) -> Vocabulary:
        """The vocabulary, with the spaces around its words learned from the training part.

        Args:
            ranked: the words, in the order of their ids.
            counts: see ``train_counts``.
            revision: revision of the tokenizer's rules; from 2 on, spaces of pairs of words are learned too.
        """
        vocabulary = Vocabulary.from_ranked(ranked, counts, self.joins())
        return vocabulary if revision < 2 else replace(vocabulary, pairs=self._pair_joins(vocabulary))

    def _pair_joins(self, vocabulary: Vocabulary) -> dict[tuple[str, str], bool]:
        spool, words = self.spools["train"], list(self.lexicon)
        columns = (column.tolist() for column in spool.pair_joins(spool.joins()))
        pairs = ((words[first], words[second], joined) for first, second, joined in zip(*columns, strict=True))
        return {(first, second): joined for first, second, joined in pairs if {first, second} <= vocabulary.known}

    def final_ids(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """(words of the lexicon,) the vocabulary's id of each word."""
        return np.array(vocabulary.ids(self.lexicon), np.int32)

    def unknown_share(self, part: str, table: NDArray[np.int32]) -> float:
        """Out-of-vocabulary rate of a part. table: from ``final_ids``."""
        counts = self.spools[part].counts()
        return float(counts[table == UNK].sum() / max(counts.sum(), 1))


class CorpusIngest:
    """Reads every input of a corpus into spools, one for each side of each part.

    Interrupted and started again with the same journal, it resumes after the last commit: earlier text is read and
    filtered again, which is quick, but not tokenised. A context manager: at the end of the block its files are closed
    and can be read.

    Args:
        journal: stores the output; the raw text of each part is below ``STORE``.
        tokenizer_spec: tokenizers of source and target.
        keep_train_text: writes the raw text of the training part too.

    Attributes:
        sides: source and target.
        languages: checks the languages of the first pairs.
    """

    def __init__(
        self,
        journal: Journal,
        data: DataOptions,
        inputs: list[Input],
        tokenizer_spec: TokenizerSpec,
        keep_train_text: bool = False,
    ) -> None:
        self._journal = journal
        self._data = data
        self._text_parts = PARTS if keep_train_text else tuple(part for part in PARTS if part != "train")
        self._inputs = inputs
        self._tokenizer_spec = tokenizer_spec
        self._processed = _Processed.of(journal.state)
        self._read = {item.name: FilterCounts() for item in inputs}
        self._raw: dict[str, tuple[BinaryIO, BinaryIO]] = {}
        self.languages = LanguageCheck(data)
        source, target = data.languages()
        self.sides = (
            Side("source", source, TokenIds(journal, "spool/source.words")),
            Side("target", target, TokenIds(journal, "spool/target.words")),
        )
        self._open_parts()
        self._limit = self._open_limit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def tallies(self) -> dict[str, FilterCounts]:
        """Input -> pairs read and dropped."""
        return {name: tally.plus(self._processed.tally(name)) for name, tally in self._read.items()}

    def kept(self) -> dict[str, int]:
        """Part -> number of pairs."""
        return {part: len(spool) for part, spool in self.sides[0].spools.items()}

    def read(self, progress: Callable[[int], None] | None = None) -> None:
        """Reads all inputs.

        Args:
            progress: called from time to time with the number of pairs read so far.

        Raises:
            StaleJournalError: the inputs differ from those of the journal.
        """
        for item in self._inputs:
            batches = self._batches(item, progress)
            tokenized = tokenize_batches(batches, self._tokenizer_spec, self._data.prepare_workers)
            for count, batch in enumerate(tokenized, start=1):
                self._add_batch(batch, item)
                if count % COMMIT_BATCHES == 0:
                    self._commit()
            self._commit()

    def select(self) -> None:
        """Applies ``data.limit`` to the training part. Call once, after reading, when the files are closed."""
        limit, rows = self._data.limit, len(self.sides[0].spools["train"])
        if limit is None or rows <= limit:
            return
        kept = lowest(np.fromfile(self._journal.path(RANKS)), limit)
        for side in self.sides:
            side.spools["train"].select(kept)
        if "train" in self._text_parts:
            for side in self.sides:
                _keep_lines(self._journal.path(f"{STORE}/train/{side.name}.txt"), kept)
        self._processed.tally("train").drop(LIMIT, rows - limit)

    def _open_limit(self) -> LowestRanks:
        """The ranks that ``data.limit`` may keep, including those of an interrupted attempt."""
        if self._data.limit is None:
            return LowestRanks(None, np.zeros(0))
        self._rank_file = self._journal.open(RANKS)
        ranks = np.fromfile(self._journal.path(RANKS))
        if len(ranks) != len(self.sides[0].spools["train"]):
            raise StaleJournalError(f"{RANKS} has {len(ranks)} ranks")
        return LowestRanks(self._data.limit, ranks)

    def _commit(self) -> None:
        for side in self.sides:
            side.lexicon.write()
        self._journal.commit(self._processed.as_dict())

    def _open_parts(self) -> None:
        for part in stored_parts(self._data, (item.name for item in self._inputs)):
            for side in self.sides:
                side.spools[part] = TokenSpool(self._journal, f"spool/{part}.{side.name}", side.lexicon)
            self._journal.path(f"{STORE}/{part}").mkdir(parents=True, exist_ok=True)
            if part in self._text_parts:
                self._raw[part] = (
                    self._journal.open(f"{STORE}/{part}/source.txt"),
                    self._journal.open(f"{STORE}/{part}/target.txt"),
                )

    def _batches(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[Batch]:
        """The pairs that are not committed yet, without those beyond the limit: they need no tokenisation."""
        pairs = self._assigned_pairs(item, progress)
        self._skip_committed(pairs, item)
        while batch := list(islice(pairs, BATCH_PAIRS)):
            within = [assigned for assigned in batch if self._may_keep(assigned)]
            yield Batch(within, len(batch) - len(within), batch[-1].pair)

    def _skip_committed(self, pairs: Iterator[AssignedPair], item: Input) -> None:
        count, expected = self._processed.pairs.get(item.name, 0), self._processed.last.get(item.name)
        last = next(islice(pairs, count - 1, None), None) if count else None
        if count and (last is None or _mark(last.pair) != expected):
            raise StaleJournalError(f"data.{item.name} differs from the interrupted attempt")

    def _assigned_pairs(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[AssignedPair]:
        """The pairs that pass the filters on text, each with its part and repeated according to its weight."""
        tally, assigner = self._read[item.name], _Assigner(item, self._inputs, self._data)
        for block, weight in kept_blocks(item, self._data, tally):
            self.languages.update(block.pairs())
            yield from assigner.pairs(block, weight, tally)
            if progress is not None:
                progress(sum(tally.read for tally in self._read.values()))

    def _may_keep(self, assigned: AssignedPair) -> bool:
        return assigned.part != "train" or self._limit.may_keep(assigned.rank)

    def _add_batch(self, tokenized: TokenizedBatch, item: Input) -> None:
        tally, evaluation = self._processed.tally(item.name), item.name != "train"
        for assigned, source, target in zip(tokenized.batch.pairs, tokenized.sources, tokenized.targets, strict=True):
            if not self._may_keep(assigned):
                tally.drop(LIMIT)
            elif not source.words or not target.words:
                tally.drop(EMPTY)
            elif not evaluation and self._too_long(source, target):
                tally.drop(LONG)
            else:
                self._add(assigned, source, target)
        if tokenized.batch.beyond:
            tally.drop(LIMIT, tokenized.batch.beyond)
        self._processed.add(item.name, tokenized.batch)

    def _too_long(self, source: Tokens, target: Tokens) -> bool:
        limits = self._data.max_tokens
        return (limits.source is not None and len(source.words) > limits.source) or (
            limits.target is not None and len(target.words) > limits.target
        )

    def _add(self, assigned: AssignedPair, source: Tokens, target: Tokens) -> None:
        self.sides[0].spools[assigned.part].add(source)
        self.sides[1].spools[assigned.part].add(target)
        for file, text in zip(self._raw.get(assigned.part, ()), assigned.pair, strict=False):
            file.write(f"{text}\n".encode())
        if assigned.part == "train" and self._data.limit is not None:
            self._limit.add(assigned.rank)
            self._rank_file.write(np.float64(assigned.rank).tobytes())


@dataclass(frozen=True)
class _Processed:
    """Position in the inputs at a commit.

    Attributes:
        pairs: input -> pairs processed after the filters on text.
        last: input -> hash of the last of these pairs.
        dropped: input -> pairs that were dropped after the filters on text, by reason.
    """

    pairs: dict[str, int]
    last: dict[str, str]
    dropped: dict[str, FilterCounts]

    @classmethod
    def of(cls, state: dict[str, Any]) -> _Processed:
        dropped = {name: FilterCounts(dropped=dict(counts)) for name, counts in state.get("dropped", {}).items()}
        return cls(dict(state.get("pairs", {})), dict(state.get("last", {})), dropped)

    def as_dict(self) -> dict[str, Any]:
        dropped = {name: tally.dropped for name, tally in self.dropped.items()}
        return {"pairs": self.pairs, "last": self.last, "dropped": dropped}

    def tally(self, name: str) -> FilterCounts:
        return self.dropped.setdefault(name, FilterCounts())

    def add(self, name: str, batch: Batch) -> None:
        self.pairs[name] = self.pairs.get(name, 0) + batch.size
        self.last[name] = _mark(batch.last)


def _mark(pair: Pair) -> str:
    return digest("\n".join(pair))


def kept_blocks(item: Input, data: DataOptions, tally: FilterCounts) -> Iterator[tuple[Block, float]]:
    """Blocks of pairs that pass the filters on text, with their weight. tally: receives the counts."""
    filters = Filters(data, evaluation=item.name != "train")
    for block, weight in item.blocks(data, tally):
        yield filters.keep(block, tally), weight


class _Assigner:
    """Assigns to each pair of an input its part, and its rank in the draw of ``data.limit``.

    The validation part is split off the training input if ``data.valid`` is not set.
    """

    def __init__(self, item: Input, inputs: Sequence[Input], data: DataOptions) -> None:
        self._item, self._data = item, data
        self._splits = item.name == "train" and all(other.name != "valid" for other in inputs)
        self._arrived = counter()

    def pairs(self, block: Block, weight: float, tally: FilterCounts) -> Iterator[AssignedPair]:
        """The pairs of a block; training pairs are repeated according to their weight."""
        for pair in block.pairs():
            part = choose_part(pair[1], self._data) if self._splits else self._item.name
            times = copies(pair, weight, self._data.seed) if part == "train" and weight != 1 else 1
            if not times:
                tally.drop(NOT_DRAWN)
            for copy in range(times):
                yield AssignedPair(part, pair, self._rank(part, pair, copy))

    def _rank(self, part: str, pair: Pair, copy: int) -> float:
        data = self._data
        if part != "train" or data.limit is None:
            return 0.0
        return next(self._arrived) if data.limit_choice == FIRST else draw_rank("\t".join(pair), data.seed, copy)


def _keep_lines(path: Path, kept: NDArray[np.bool_]) -> None:
    """Removes lines from a file. kept: (lines,) whether each is kept."""
    with atomic_write(path) as temporary, path.open("rb") as lines, temporary.open("wb") as file:
        file.writelines(compress(lines, kept))


def copies(pair: Pair, weight: float, seed: int) -> int:
    """Number of copies of a pair: the integer part of its weight, plus one with the probability of its fraction.

    The draw depends on the pair and the seed alone.
    """
    whole = int(weight)
    return whole + (unit_hash("\t".join(pair), seed) < weight - whole)


def training_pairs(data: DataOptions, inputs: Sequence[Input], tally: FilterCounts) -> Iterator[Pair]:
    """The pairs of the training part, including those beyond ``data.max_tokens``. tally: receives the counts."""
    pairs = (assigned.pair for assigned in _training_part(data, inputs, tally))
    if data.limit is None or data.limit_choice == FIRST:
        return islice(pairs, data.limit)
    ranks = np.fromiter((assigned.rank for assigned in _training_part(data, inputs, FilterCounts())), np.float64)
    return compress(pairs, lowest(ranks, data.limit))


def _training_part(data: DataOptions, inputs: Sequence[Input], tally: FilterCounts) -> Iterator[AssignedPair]:
    item = next(item for item in inputs if item.name == "train")
    assigner = _Assigner(item, inputs, data)
    for block, weight in kept_blocks(item, data, tally):
        yield from (assigned for assigned in assigner.pairs(block, weight, tally) if assigned.part == "train")
