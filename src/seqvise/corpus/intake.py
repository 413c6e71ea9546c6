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

from seqvise.corpus.filters import EMPTY, LIMIT, LONG, Tally, keep_pairs
from seqvise.corpus.identity import Input
from seqvise.corpus.options import DataOptions
from seqvise.corpus.readers import Pair
from seqvise.corpus.split import PARTS, choose_part
from seqvise.corpus.spool import Lexicon, Spool
from seqvise.corpus.tokenizers import Tokenizer, Tokens
from seqvise.corpus.vocabulary import UNK, Vocabulary

_BATCH = 4096
_PROGRESS_PAIRS = 1000


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
            tally = self.tallies[item.name]
            pairs = keep_pairs(self._watched(item, progress), self._data, tally, whole=item.name != "train")
            placed = self._below_limit(((part_of(pair, item, self._inputs, self._data), pair) for pair in pairs), tally)
            while batch := list(islice(placed, _BATCH)):
                self._take(batch, tally, whole=item.name != "train")

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

    def _watched(self, item: Input, progress: Callable[[int], None] | None) -> Iterator[Pair]:
        before = sum(tally.read for tally in self.tallies.values())
        count = 0
        for count, pair in enumerate(item.pairs(self._data), 1):
            yield pair
            if progress is not None and count % _PROGRESS_PAIRS == 0:
                progress(before + count)
        if progress is not None:
            progress(before + count)

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
        sources = self.sides[0].tokenizer.tokenize(pair.source for _, pair in batch)
        targets = self.sides[1].tokenizer.tokenize(pair.target for _, pair in batch)
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


def part_of(pair: Pair, item: Input, inputs: Sequence[Input], data: DataOptions) -> str:
    """The part that a pair of an input goes to: validation is taken from the training input where it has none."""
    splits = item.name == "train" and all(other.name != "valid" for other in inputs)
    return choose_part(pair.target, data) if splits else item.name


def training_pairs(data: DataOptions, inputs: Sequence[Input], tally: Tally) -> Iterator[Pair]:
    """The pairs of the training part, before those with too many words are dropped. tally: receives what else is."""
    item = next(item for item in inputs if item.name == "train")
    kept = keep_pairs(item.pairs(data), data, tally)
    return islice((pair for pair in kept if part_of(pair, item, inputs, data) == "train"), data.limit)
