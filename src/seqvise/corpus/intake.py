"""The one pass over the text: pairs are filtered, split into parts and tokenised on their way to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.filters import EMPTY, LIMIT, LONG, NOT_DRAWN, Filters
from seqvise.corpus.identity import Input
from seqvise.corpus.journal import Journal, StaleJournalError
from seqvise.corpus.languages import LanguageCheck
from seqvise.corpus.options import DataOptions
from seqvise.corpus.readers import Block, Pair
from seqvise.corpus.split import PARTS, choose_part, position
from seqvise.corpus.splitting import Batch, Split, SplitterSpec, split_batches
from seqvise.corpus.spool import Lexicon, Spool
from seqvise.corpus.tally import Tally
from seqvise.corpus.tokenizers import Tokens
from seqvise.corpus.vocabulary import UNK, Vocabulary
from seqvise.files import digest

BATCH = 4096
COMMIT = 16
"""Batches after which all that was done is brought to the disk."""

STORE = "store"
"""The folder of the journal in which the raw text of each part is written."""


@dataclass(frozen=True)
class Side:
    """One side of a corpus while it is read: its words, and the sentences of each part."""

    name: str
    language: str
    lexicon: Lexicon
    spools: dict[str, Spool] = field(default_factory=dict)

    def train_counts(self) -> dict[str, int]:
        """Occurrences of each word in the training part; 0 for one that only another part has."""
        return dict(zip(self.lexicon, self.spools["train"].counts().tolist(), strict=True))

    def joins(self) -> dict[str, tuple[bool, bool]]:
        """Of each word, whether it is written without a space before it and after it."""
        left, right = self.spools["train"].joins()
        return dict(zip(self.lexicon, zip(left.tolist(), right.tolist(), strict=True), strict=True))

    def final_ids(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """(words of the lexicon,) the vocabulary's id of each word."""
        return np.array(vocabulary.ids(self.lexicon), np.int32)

    def unknown_share(self, part: str, table: NDArray[np.int32]) -> float:
        """Share of a part's words that the vocabulary lacks. table: from ``final_ids``."""
        counts = self.spools[part].counts()
        return float(counts[table == UNK].sum() / max(counts.sum(), 1))


class Intake:
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
        self._read = {item.name: Tally() for item in inputs}
        self._raw: dict[str, tuple[BinaryIO, BinaryIO]] = {}
        self.languages = LanguageCheck(data)
        source, target = data.languages()
        self.sides = (
            Side("source", source, Lexicon(journal, "spool/source.words")),
            Side("target", target, Lexicon(journal, "spool/target.words")),
        )
        self._open_parts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def tallies(self) -> dict[str, Tally]:
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

    def _commit(self) -> None:
        for side in self.sides:
            side.lexicon.write()
        self._journal.commit(self._done.as_dict())

    def _open_parts(self) -> None:
        for part in self._parts():
            for side in self.sides:
                side.spools[part] = Spool(self._journal, f"spool/{part}.{side.name}", side.lexicon)
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
            within = [(part, pair) for part, pair in found if not self._full(part)]
            yield Batch(within, len(found) - len(within), found[-1][1])

    def _skip(self, placed: Iterator[tuple[str, Pair]], item: Input) -> None:
        count, expected = self._done.pairs.get(item.name, 0), self._done.last.get(item.name)
        last = next(islice(placed, count - 1, None), None) if count else None
        if count and (last is None or _mark(last[1]) != expected):
            raise StaleJournalError(f"data.{item.name} was read otherwise before")

    def _placed(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[tuple[str, Pair]]:
        """The pairs that pass the filters on text, each with its part, as often as its weight says."""
        tally = self._read[item.name]
        for block, weight in kept_blocks(item, self._data, tally):
            self.languages.see(block.pairs())
            yield from placed_pairs(block, weight, item, self._inputs, self._data, tally)
            if progress is not None:
                progress(sum(tally.read for tally in self._read.values()))

    def _full(self, part: str) -> bool:
        limit = self._data.limit
        return part == "train" and limit is not None and len(self.sides[0].spools["train"]) >= limit

    def _take(self, split: Split, item: Input) -> None:
        tally, whole = self._done.tally(item.name), item.name != "train"
        for (part, pair), source, target in zip(split.batch.pairs, split.sources, split.targets, strict=True):
            if self._full(part):
                tally.drop(LIMIT)
            elif not source.words or not target.words:
                tally.drop(EMPTY)
            elif not whole and self._long(source, target):
                tally.drop(LONG)
            else:
                self._add(part, pair, source, target)
        if split.batch.beyond:
            tally.drop(LIMIT, split.batch.beyond)
        self._done.count(item.name, split.batch)

    def _long(self, source: Tokens, target: Tokens) -> bool:
        limits = self._data.max_tokens
        return (limits.source is not None and len(source.words) > limits.source) or (
            limits.target is not None and len(target.words) > limits.target
        )

    def _add(self, part: str, pair: Pair, source: Tokens, target: Tokens) -> None:
        self.sides[0].spools[part].add(source)
        self.sides[1].spools[part].add(target)
        for file, text in zip(self._raw.get(part, ()), pair, strict=False):
            file.write(f"{text}\n".encode())


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
    dropped: dict[str, Tally]

    @classmethod
    def of(cls, state: dict[str, Any]) -> _Done:
        dropped = {name: Tally(dropped=dict(counts)) for name, counts in state.get("dropped", {}).items()}
        return cls(dict(state.get("pairs", {})), dict(state.get("last", {})), dropped)

    def as_dict(self) -> dict[str, Any]:
        dropped = {name: tally.dropped for name, tally in self.dropped.items()}
        return {"pairs": self.pairs, "last": self.last, "dropped": dropped}

    def tally(self, name: str) -> Tally:
        return self.dropped.setdefault(name, Tally())

    def count(self, name: str, batch: Batch) -> None:
        self.pairs[name] = self.pairs.get(name, 0) + batch.size
        self.last[name] = _mark(batch.last)


def _mark(pair: Pair) -> str:
    return digest("\n".join(pair))


def kept_blocks(item: Input, data: DataOptions, tally: Tally) -> Iterator[tuple[Block, float]]:
    """The pairs of an input that pass the filters on text, with their weight. tally: receives the counts."""
    filters = Filters(data, whole=item.name != "train")
    for block, weight in item.blocks(data, tally):
        yield filters.keep(block, tally), weight


def placed_pairs(
    block: Block, weight: float, item: Input, inputs: Sequence[Input], data: DataOptions, tally: Tally
) -> Iterator[tuple[str, Pair]]:
    """The pairs of a block with their parts; those of the training part as often as their weight says.

    Validation is taken from the training input where it has no input of its own.
    """
    splits = item.name == "train" and all(other.name != "valid" for other in inputs)
    for pair in block.pairs():
        part = choose_part(pair[1], data) if splits else item.name
        times = copies(pair, weight, data.seed) if part == "train" and weight != 1 else 1
        if not times:
            tally.drop(NOT_DRAWN)
        for _ in range(times):
            yield part, pair


def copies(pair: Pair, weight: float, seed: int) -> int:
    """How often a pair is taken: once for each whole of the weight, and its fraction is the chance of once more.

    The draw depends on nothing but the pair and the seed.
    """
    whole = int(weight)
    return whole + (position("\t".join(pair), seed) < weight - whole)


def training_pairs(data: DataOptions, inputs: Sequence[Input], tally: Tally) -> Iterator[Pair]:
    """The pairs of the training part, before those with too many words are dropped. tally: receives what else is."""
    item = next(item for item in inputs if item.name == "train")
    placed = (
        found
        for block, weight in kept_blocks(item, data, tally)
        for found in placed_pairs(block, weight, item, inputs, data, tally)
    )
    return islice((pair for part, pair in placed if part == "train"), data.limit)
