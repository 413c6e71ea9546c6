"""The one pass over the text: pairs are filtered, split into parts and tokenised on their way to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.filters import EMPTY, LIMIT, LONG, NOT_DRAWN, Filters
from seqvise.corpus.identity import Input
from seqvise.corpus.languages import LanguageCheck
from seqvise.corpus.options import DataOptions
from seqvise.corpus.readers import Block, Pair
from seqvise.corpus.split import PARTS, choose_part, position
from seqvise.corpus.spool import Lexicon, Spool
from seqvise.corpus.tally import Tally
from seqvise.corpus.tokenizers import Tokenizer, Tokens
from seqvise.corpus.vocabulary import UNK, Vocabulary

_BATCH = 4096


@dataclass(frozen=True)
class Side:
    """One side of a corpus while it is read: its words, and the sentences of each part."""

    name: str
    language: str
    tokenizer: Tokenizer
    lexicon: Lexicon = field(default_factory=Lexicon)
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

    A context manager: its files are closed at the end of the block, and can be read from then on.

    Args:
        folder: receives the raw text of each part.
        data: what is kept of the corpus.
        inputs: where it lies.
        tokenizers: of the source and of the target.
        keep_train_text: the raw text of the training part too.

    Attributes:
        sides: source and target.
        tallies: by input, what was read and dropped.
        languages: an opinion on the languages of the first pairs.
        spool_folder: holds the spools; the caller removes it.
    """

    def __init__(
        self,
        folder: Path,
        data: DataOptions,
        inputs: list[Input],
        tokenizers: Sequence[Tokenizer],
        keep_train_text: bool = False,
    ) -> None:
        self._data = data
        self._with_text = PARTS if keep_train_text else tuple(part for part in PARTS if part != "train")
        self._inputs = inputs
        self._files = ExitStack()
        self._raw: dict[str, tuple[IO[str], IO[str]]] = {}
        self.tallies = {item.name: Tally() for item in inputs}
        self.languages = LanguageCheck(data)
        self.spool_folder = folder / "spool"
        languages = data.languages()
        source, target = tokenizers
        self.sides = (Side("source", languages[0], source), Side("target", languages[1], target))
        self._open_parts(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def kept(self) -> dict[str, int]:
        """Pairs of each part."""
        return {part: len(spool) for part, spool in self.sides[0].spools.items()}

    def read(self, progress: Callable[[int], None] | None = None) -> None:
        """Reads all inputs. progress: called now and then with the pairs read so far."""
        for item in self._inputs:
            tally, whole = self.tallies[item.name], item.name != "train"
            placed = self._below_limit(self._placed(item, progress), tally)
            while batch := list(islice(placed, _BATCH)):
                self._take(batch, tally, whole)

    def _open_parts(self, folder: Path) -> None:
        self.spool_folder.mkdir()
        for part in self._parts():
            (folder / part).mkdir()
            for side in self.sides:
                spool = Spool(self.spool_folder / f"{part}.{side.name}", side.lexicon)
                side.spools[part] = spool
                self._files.callback(spool.close)
            if part in self._with_text:
                self._raw[part] = (
                    self._open_raw(folder / part / "source.txt"),
                    self._open_raw(folder / part / "target.txt"),
                )

    def _open_raw(self, path: Path) -> IO[str]:
        return self._files.enter_context(path.open("w", encoding="utf-8", newline="\n"))

    def _parts(self) -> tuple[str, ...]:
        if self._data.format == "phrasebook":
            return PARTS
        named = {item.name for item in self._inputs} | {"valid"}
        return tuple(part for part in PARTS if part in named)

    def _placed(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[tuple[str, Pair]]:
        """The pairs that pass the filters on text, each with its part, as often as its weight says."""
        tally = self.tallies[item.name]
        for block, weight in kept_blocks(item, self._data, tally):
            self.languages.see(block.pairs())
            yield from placed_pairs(block, weight, item, self._inputs, self._data, tally)
            if progress is not None:
                progress(sum(tally.read for tally in self.tallies.values()))

    def _below_limit(self, placed: Iterator[tuple[str, Pair]], tally: Tally) -> Iterator[tuple[str, Pair]]:
        """Keeps text that is dropped anyway from being tokenised."""
        for part, pair in placed:
            if self._full(part):
                tally.drop(LIMIT)
            else:
                yield part, pair

    def _full(self, part: str) -> bool:
        limit = self._data.limit
        return part == "train" and limit is not None and len(self.sides[0].spools["train"]) >= limit

    def _take(self, batch: list[tuple[str, Pair]], tally: Tally, whole: bool) -> None:
        sources = self.sides[0].tokenizer.tokenize(source for _, (source, _) in batch)
        targets = self.sides[1].tokenizer.tokenize(target for _, (_, target) in batch)
        for (part, pair), source, target in zip(batch, sources, targets, strict=True):
            if not source.words or not target.words:
                tally.drop(EMPTY)
            elif not whole and self._long(source, target):
                tally.drop(LONG)
            elif self._full(part):
                tally.drop(LIMIT)
            else:
                self._add(part, pair, source, target)

    def _long(self, source: Tokens, target: Tokens) -> bool:
        limits = self._data.max_tokens
        return (limits.source is not None and len(source.words) > limits.source) or (
            limits.target is not None and len(target.words) > limits.target
        )

    def _add(self, part: str, pair: Pair, source: Tokens, target: Tokens) -> None:
        self.sides[0].spools[part].add(source)
        self.sides[1].spools[part].add(target)
        for file, text in zip(self._raw.get(part, ()), pair, strict=False):
            file.write(f"{text}\n")


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
