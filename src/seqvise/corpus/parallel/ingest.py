"""The one pass over the text: pairs are filtered, split into parts and tokenised on their way to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from itertools import count as counter
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.limit import LowestPlaces, drawn_place, lowest, position
from seqvise.corpus.options import FIRST
from seqvise.corpus.parallel.filters import EMPTY, LIMIT, LONG, NOT_DRAWN, PARTS, Filters, choose_part
from seqvise.corpus.parallel.fingerprint import Input
from seqvise.corpus.parallel.journal import Journal, StaleJournalError
from seqvise.corpus.parallel.languages import LanguageCheck
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.readers import Block, Pair
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.spool import TokenIds, TokenSpool
from seqvise.corpus.parallel.tokenize_parallel import Batch, PlacedPair, Split, SplitterSpec, split_batches
from seqvise.corpus.tokens.tokenizers import Tokens
from seqvise.corpus.tokens.vocabulary import UNK, Vocabulary
from seqvise.files import atomic_write, digest

BATCH = 4096
COMMIT = 16
"""Batches after which all that was done is brought to the disk."""

STORE = "store"
"""The folder of the journal in which the raw text of each part is written."""

PLACES = "spool/train.places"
"""Of each training pair, float64, its place in the draw of ``data.limit``; there only where that is set."""


@dataclass(frozen=True)
class Side:
    """One side of a corpus while it is read: its words, and the sentences of each part."""

    name: str
    language: str
    lexicon: TokenIds
    spools: dict[str, TokenSpool] = field(default_factory=dict)

    def train_counts(self) -> dict[str, int]:
        """Occurrences of each word in the training part; 0 for one that only another part has."""
        return dict(zip(self.lexicon, self.spools["train"].counts().tolist(), strict=True))

    def joins(self) -> dict[str, tuple[bool, bool]]:
        """Of each word, whether it is written without a space before it and after it."""
        left, right = self.spools["train"].joins()
        return dict(zip(self.lexicon, zip(left.tolist(), right.tolist(), strict=True), strict=True))

    def vocabulary(self, ranked: Sequence[str], counts: dict[str, int], revision: int) -> Vocabulary:
        """The words that get an id, with what the training part shows of the spaces beside them.

        Args:
            ranked: the words.
            counts: see ``train_counts``.
            revision: of the tokenizer's rules; from 2 on, what pairs of words show too.
        """
        vocabulary = Vocabulary.from_ranked(ranked, counts, self.joins())
        return vocabulary if revision < 2 else replace(vocabulary, pairs=self._pair_joins(vocabulary))

    def _pair_joins(self, vocabulary: Vocabulary) -> dict[tuple[str, str], bool]:
        spool, words = self.spools["train"], list(self.lexicon)
        columns = (column.tolist() for column in spool.pair_joins(spool.joins()))
        named = ((words[first], words[second], joined) for first, second, joined in zip(*columns, strict=True))
        return {(first, second): joined for first, second, joined in named if {first, second} <= vocabulary.known}

    def final_ids(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """(words of the lexicon,) the vocabulary's id of each word."""
        return np.array(vocabulary.ids(self.lexicon), np.int32)

    def unknown_share(self, part: str, table: NDArray[np.int32]) -> float:
        """Share of a part's words that the vocabulary lacks. table: from ``final_ids``."""
        counts = self.spools[part].counts()
        return float(counts[table == UNK].sum() / max(counts.sum(), 1))


class CorpusIngest:
    """Reads every input of a corpus into spools, one for each side of each part.

    Broken off and begun again with the same journal, it goes on behind the last commit: text before that is read and
    filtered again, which is quick, but not split into words. A context manager: its files are closed at the end of the
    block, and can be read from then on.

    Args:
        journal: keeps what is written, the raw text of each part below ``STORE``.
        data: what is kept of the corpus.
        inputs: where it lies.
        splitter: of source and target.
        keep_train_text: the raw text of the training part too.

    Attributes:
        sides: source and target.
        languages: an opinion on the languages of the first pairs.
    """

    def __init__(
        self,
        journal: Journal,
        data: DataOptions,
        inputs: list[Input],
        splitter: SplitterSpec,
        keep_train_text: bool = False,
    ) -> None:
        self._journal = journal
        self._data = data
        self._with_text = PARTS if keep_train_text else tuple(part for part in PARTS if part != "train")
        self._inputs = inputs
        self._splitter = splitter
        self._done = _Done.of(journal.state)
        self._read = {item.name: FilterCounts() for item in inputs}
        self._raw: dict[str, tuple[BinaryIO, BinaryIO]] = {}
        self.languages = LanguageCheck(data)
        source, target = data.languages()
        self.sides = (
            Side("source", source, TokenIds(journal, "spool/source.words")),
            Side("target", target, TokenIds(journal, "spool/target.words")),
        )
        self._open_parts()
        self._limit = self._opened_limit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def tallies(self) -> dict[str, FilterCounts]:
        """By input, what was read and dropped."""
        return {name: tally.plus(self._done.tally(name)) for name, tally in self._read.items()}

    def kept(self) -> dict[str, int]:
        """Pairs of each part."""
        return {part: len(spool) for part, spool in self.sides[0].spools.items()}

    def read(self, progress: Callable[[int], None] | None = None) -> None:
        """Reads all inputs.

        Args:
            progress: called now and then with the pairs read so far.

        Raises:
            StaleJournalError: the inputs are not those that the journal tells of.
        """
        for item in self._inputs:
            batches = self._batches(item, progress)
            for count, split in enumerate(split_batches(batches, self._splitter, self._data.prepare_workers), start=1):
                self._take(split, item)
                if count % COMMIT == 0:
                    self._commit()
            self._commit()

    def select(self) -> None:
        """Leaves out what ``data.limit`` does not keep. Called once all is read and the files are closed."""
        limit, rows = self._data.limit, len(self.sides[0].spools["train"])
        if limit is None or rows <= limit:
            return
        kept = lowest(np.fromfile(self._journal.path(PLACES)), limit)
        for side in self.sides:
            side.spools["train"].select(kept)
        if "train" in self._with_text:
            for side in self.sides:
                _keep_lines(self._journal.path(f"{STORE}/train/{side.name}.txt"), kept)
        self._done.tally("train").drop(LIMIT, rows - limit)

    def _opened_limit(self) -> LowestPlaces:
        """What ``data.limit`` may keep, with the places of the pairs that an earlier attempt took."""
        if self._data.limit is None:
            return LowestPlaces(None, np.zeros(0))
        self._places = self._journal.open(PLACES)
        places = np.fromfile(self._journal.path(PLACES))
        if len(places) != len(self.sides[0].spools["train"]):
            raise StaleJournalError(f"{PLACES} has {len(places)} places")
        return LowestPlaces(self._data.limit, places)

    def _commit(self) -> None:
        for side in self.sides:
            side.lexicon.write()
        self._journal.commit(self._done.as_dict())

    def _open_parts(self) -> None:
        for part in self._parts():
            for side in self.sides:
                side.spools[part] = TokenSpool(self._journal, f"spool/{part}.{side.name}", side.lexicon)
            self._journal.path(f"{STORE}/{part}").mkdir(parents=True, exist_ok=True)
            if part in self._with_text:
                self._raw[part] = (
                    self._journal.open(f"{STORE}/{part}/source.txt"),
                    self._journal.open(f"{STORE}/{part}/target.txt"),
                )

    def _parts(self) -> tuple[str, ...]:
        if self._data.format == "phrasebook":
            return PARTS
        named = {item.name for item in self._inputs} | {"valid"}
        return tuple(part for part in PARTS if part in named)

    def _batches(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[Batch]:
        """The pairs that are not done yet. Text that is dropped anyway, beyond the limit, is not split into words."""
        placed = self._placed(item, progress)
        self._skip(placed, item)
        while found := list(islice(placed, BATCH)):
            within = [placed for placed in found if self._may_keep(placed)]
            yield Batch(within, len(found) - len(within), found[-1].pair)

    def _skip(self, placed: Iterator[PlacedPair], item: Input) -> None:
        count, expected = self._done.pairs.get(item.name, 0), self._done.last.get(item.name)
        last = next(islice(placed, count - 1, None), None) if count else None
        if count and (last is None or _mark(last.pair) != expected):
            raise StaleJournalError(f"data.{item.name} was read otherwise before")

    def _placed(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[PlacedPair]:
        """The pairs that pass the filters on text, each with its part, as often as its weight says."""
        tally, places = self._read[item.name], _Places(item, self._inputs, self._data)
        for block, weight in kept_blocks(item, self._data, tally):
            self.languages.see(block.pairs())
            yield from places.pairs(block, weight, tally)
            if progress is not None:
                progress(sum(tally.read for tally in self._read.values()))

    def _may_keep(self, placed: PlacedPair) -> bool:
        return placed.part != "train" or self._limit.may_keep(placed.place)

    def _take(self, split: Split, item: Input) -> None:
        tally, whole = self._done.tally(item.name), item.name != "train"
        for placed, source, target in zip(split.batch.pairs, split.sources, split.targets, strict=True):
            if not self._may_keep(placed):
                tally.drop(LIMIT)
            elif not source.words or not target.words:
                tally.drop(EMPTY)
            elif not whole and self._long(source, target):
                tally.drop(LONG)
            else:
                self._add(placed, source, target)
        if split.batch.beyond:
            tally.drop(LIMIT, split.batch.beyond)
        self._done.count(item.name, split.batch)

    def _long(self, source: Tokens, target: Tokens) -> bool:
        limits = self._data.max_tokens
        return (limits.source is not None and len(source.words) > limits.source) or (
            limits.target is not None and len(target.words) > limits.target
        )

    def _add(self, placed: PlacedPair, source: Tokens, target: Tokens) -> None:
        self.sides[0].spools[placed.part].add(source)
        self.sides[1].spools[placed.part].add(target)
        for file, text in zip(self._raw.get(placed.part, ()), placed.pair, strict=False):
            file.write(f"{text}\n".encode())
        if placed.part == "train" and self._data.limit is not None:
            self._limit.add(placed.place)
            self._places.write(np.float64(placed.place).tobytes())


@dataclass(frozen=True)
class _Done:
    """How far the inputs were taken.

    Attributes:
        pairs: by input, pairs that passed the filters on text and were taken or dropped since.
        last: by input, a mark of the last of them.
        dropped: by input and reason, those that were dropped.
    """

    pairs: dict[str, int]
    last: dict[str, str]
    dropped: dict[str, FilterCounts]

    @classmethod
    def of(cls, state: dict[str, Any]) -> _Done:
        dropped = {name: FilterCounts(dropped=dict(counts)) for name, counts in state.get("dropped", {}).items()}
        return cls(dict(state.get("pairs", {})), dict(state.get("last", {})), dropped)

    def as_dict(self) -> dict[str, Any]:
        dropped = {name: tally.dropped for name, tally in self.dropped.items()}
        return {"pairs": self.pairs, "last": self.last, "dropped": dropped}

    def tally(self, name: str) -> FilterCounts:
        return self.dropped.setdefault(name, FilterCounts())

    def count(self, name: str, batch: Batch) -> None:
        self.pairs[name] = self.pairs.get(name, 0) + batch.size
        self.last[name] = _mark(batch.last)


def _mark(pair: Pair) -> str:
    return digest("\n".join(pair))


def kept_blocks(item: Input, data: DataOptions, tally: FilterCounts) -> Iterator[tuple[Block, float]]:
    """The pairs of an input that pass the filters on text, with their weight. tally: receives the counts."""
    filters = Filters(data, whole=item.name != "train")
    for block, weight in item.blocks(data, tally):
        yield filters.keep(block, tally), weight


class _Places:
    """Gives each pair of an input its part, and its place in the draw of ``data.limit``.

    Validation is taken from the training input where it has no input of its own.
    """

    def __init__(self, item: Input, inputs: Sequence[Input], data: DataOptions) -> None:
        self._item, self._data = item, data
        self._splits = item.name == "train" and all(other.name != "valid" for other in inputs)
        self._arrived = counter()

    def pairs(self, block: Block, weight: float, tally: FilterCounts) -> Iterator[PlacedPair]:
        """The pairs of a block; those of the training part as often as their weight says."""
        for pair in block.pairs():
            part = choose_part(pair[1], self._data) if self._splits else self._item.name
            times = copies(pair, weight, self._data.seed) if part == "train" and weight != 1 else 1
            if not times:
                tally.drop(NOT_DRAWN)
            for copy in range(times):
                yield PlacedPair(part, pair, self._place(part, pair, copy))

    def _place(self, part: str, pair: Pair, copy: int) -> float:
        data = self._data
        if part != "train" or data.limit is None:
            return 0.0
        return next(self._arrived) if data.limit_choice == FIRST else drawn_place("\t".join(pair), data.seed, copy)


def _keep_lines(path: Path, kept: NDArray[np.bool_]) -> None:
    """Leaves lines out of a file. kept: (lines,)."""
    with atomic_write(path) as temporary, path.open("rb") as lines, temporary.open("wb") as file:
        file.writelines(compress(lines, kept))


def copies(pair: Pair, weight: float, seed: int) -> int:
    """How often a pair is taken: once for each whole of the weight, and its fraction is the chance of once more.

    The draw depends on nothing but the pair and the seed.
    """
    whole = int(weight)
    return whole + (position("\t".join(pair), seed) < weight - whole)


def training_pairs(data: DataOptions, inputs: Sequence[Input], tally: FilterCounts) -> Iterator[Pair]:
    """The pairs of the training part, before those with too many words are dropped. tally: receives what else is."""
    pairs = (placed.pair for placed in _training_part(data, inputs, tally))
    if data.limit is None or data.limit_choice == FIRST:
        return islice(pairs, data.limit)
    places = np.fromiter((placed.place for placed in _training_part(data, inputs, FilterCounts())), np.float64)
    return compress(pairs, lowest(places, data.limit))


def _training_part(data: DataOptions, inputs: Sequence[Input], tally: FilterCounts) -> Iterator[PlacedPair]:
    item = next(item for item in inputs if item.name == "train")
    places = _Places(item, inputs, data)
    for block, weight in kept_blocks(item, data, tally):
        yield from (placed for placed in places.pairs(block, weight, tally) if placed.part == "train")
